"""Watching: who makes and enters namespaces, as it happens."""

from ._live import Trace
from ._points import Syscall
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
    "CloneEvent",
    "LostEvent",
    "NamespaceChange",
    "SetnsEvent",
    "Syscall",
    "Trace",
    "TraceEvent",
    "UnshareEvent",
    "trace",
]
