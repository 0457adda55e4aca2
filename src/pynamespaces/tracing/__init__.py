"""Watching: who makes and enters namespaces, as it happens."""

from ._filter import Clone3
from ._formats import to_json, to_tracee
from ._live import Trace
from ._points import Syscall
from ._supervise import supervise
from ._trace import Backend, trace
from .events import (
    Certainty,
    ChangeEvent,
    CloneEvent,
    LostEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
)

__all__ = [
    "Backend",
    "Certainty",
    "ChangeEvent",
    "Clone3",
    "CloneEvent",
    "LostEvent",
    "NamespaceChange",
    "SetnsEvent",
    "Syscall",
    "Trace",
    "TraceEvent",
    "UnshareEvent",
    "supervise",
    "to_json",
    "to_tracee",
    "trace",
]
