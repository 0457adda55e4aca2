"""
Linux namespaces: entered, left, created, kept, reached and compared.

    from pynamespaces import Namespace, NamespaceSet, run

    with Namespace.from_pid(1234, "net"):
        ...
    run(["ip", "address"], join=NamespaceSet.from_pid(1234, "net"))

The calling thread moves, and comes back exactly; programs are started there.
`lowlevel` has one function for each system call, `errors` every exception.
"""

import sys
from typing import TYPE_CHECKING

if sys.platform != "linux":
    raise ImportError(f"pynamespaces is for Linux, and this is {sys.platform}")

from . import _core, errors, lowlevel
from ._kinds import (
    CgroupNamespace,
    IpcNamespace,
    MountNamespace,
    NetNamespace,
    PidNamespace,
    TimeNamespace,
    UserNamespace,
    UtsNamespace,
)
from ._namespace import Namespace
from ._ref import NamespaceRef
from ._set import NamespaceSet
from ._switching import setns, unshare, unshared
from ._types import CloneFlag, NamespaceId, NamespaceType, TypeLike
from .errors import (
    CallError,
    ClosedNamespaceError,
    IrreversibleError,
    MultithreadedError,
    NamespaceError,
    NamespaceExistsError,
    NamespaceGoneError,
    NamespaceLimitError,
    NamespacePermissionError,
    NoSuchNamespaceError,
    NoSuchProcessError,
    NotANamespaceError,
    RestoreError,
    SpawnError,
    SystemCallError,
    UnsupportedError,
    WrongTypeError,
)

if TYPE_CHECKING:
    from ._core.idmap import IdMap
    from ._core.mounts import Mount
    from ._core.pin import unpin
    from .inventory import (
        Inventory,
        InventoryDiff,
        NamespaceRecord,
        ProcessRecord,
        scan,
    )
    from .probing import (
        Access,
        Explanation,
        Operation,
        Outcome,
        Support,
        explain,
        support,
    )
    from .process import CompletedProcess, Popen, check_output, run
    from .process.aio import create_subprocess_exec
    from .tracing import (
        ChangeEvent,
        CloneEvent,
        LostEvent,
        NamespaceChange,
        SetnsEvent,
        Trace,
        TraceEvent,
        UnshareEvent,
        supervise,
        trace,
    )
    from .workers.processes import get_context
    from .workers.threads import ThreadPoolExecutor

_core.WINGS.update(
    {
        f"{__name__}.inventory": "sys",
        f"{__name__}.inventory._html": f"{__name__}.inventory",
        f"{__name__}.probing": "sys",
        f"{__name__}.process": "sys",
        f"{__name__}.process.aio": "asyncio",
        f"{__name__}.tracing": "sys",
        f"{__name__}.workers.threads": "sys",
        f"{__name__}.workers.processes": "sys",
    }
)

__version__ = "0.1.0.dev0"

__all__ = [
    "Access",
    "CallError",
    "CgroupNamespace",
    "ChangeEvent",
    "CloneEvent",
    "CloneFlag",
    "ClosedNamespaceError",
    "CompletedProcess",
    "Explanation",
    "IdMap",
    "Inventory",
    "InventoryDiff",
    "IpcNamespace",
    "IrreversibleError",
    "LostEvent",
    "Mount",
    "MountNamespace",
    "MultithreadedError",
    "Namespace",
    "NamespaceChange",
    "NamespaceError",
    "NamespaceExistsError",
    "NamespaceGoneError",
    "NamespaceId",
    "NamespaceLimitError",
    "NamespacePermissionError",
    "NamespaceRecord",
    "NamespaceRef",
    "NamespaceSet",
    "NamespaceType",
    "NetNamespace",
    "NoSuchNamespaceError",
    "NoSuchProcessError",
    "NotANamespaceError",
    "Operation",
    "Outcome",
    "PidNamespace",
    "Popen",
    "ProcessRecord",
    "RestoreError",
    "SetnsEvent",
    "SpawnError",
    "Support",
    "SystemCallError",
    "ThreadPoolExecutor",
    "TimeNamespace",
    "Trace",
    "TraceEvent",
    "TypeLike",
    "UnshareEvent",
    "UnsupportedError",
    "UserNamespace",
    "UtsNamespace",
    "WrongTypeError",
    "check_output",
    "create_subprocess_exec",
    "errors",
    "explain",
    "get_context",
    "lowlevel",
    "run",
    "scan",
    "setns",
    "supervise",
    "support",
    "trace",
    "unpin",
    "unshare",
    "unshared",
]

_LATER = {
    "IdMap": "_core.idmap",
    "Mount": "_core.mounts",
    "unpin": "_core.pin",
    "Popen": "process",
    "run": "process",
    "check_output": "process",
    "CompletedProcess": "process",
    "create_subprocess_exec": "process.aio",
    "ThreadPoolExecutor": "workers.threads",
    "get_context": "workers.processes",
    "scan": "inventory",
    "Inventory": "inventory",
    "InventoryDiff": "inventory",
    "NamespaceRecord": "inventory",
    "ProcessRecord": "inventory",
    "support": "probing",
    "Support": "probing",
    "Operation": "probing",
    "explain": "probing",
    "Explanation": "probing",
    "Access": "probing",
    "Outcome": "probing",
    "trace": "tracing",
    "supervise": "tracing",
    "Trace": "tracing",
    "TraceEvent": "tracing",
    "SetnsEvent": "tracing",
    "UnshareEvent": "tracing",
    "CloneEvent": "tracing",
    "ChangeEvent": "tracing",
    "LostEvent": "tracing",
    "NamespaceChange": "tracing",
}
"""What is imported when it is first asked for, and the module that has it."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _core.import_later(f"{__name__}.{_LATER[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
