"""
Linux namespaces: entered, left, identified and compared.

    from pynamespaces import Namespace

    with Namespace.from_pid(1234, "net"):
        ...

The calling thread moves, and comes back exactly. `lowlevel` has one function for each
system call, `errors` every exception.
"""

import sys

if sys.platform != "linux":
    raise ImportError(f"pynamespaces is for Linux, and this is {sys.platform}")

from . import errors, lowlevel
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
from ._set import NamespaceSet
from ._switching import setns, unshare, unshared
from ._types import CloneFlag, NamespaceId, NamespaceType, TypeLike
from .errors import (
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
    SystemCallError,
    UnsupportedError,
    WrongTypeError,
)

__version__ = "0.1.0.dev0"

__all__ = [
    "CgroupNamespace",
    "CloneFlag",
    "ClosedNamespaceError",
    "IpcNamespace",
    "IrreversibleError",
    "MountNamespace",
    "MultithreadedError",
    "Namespace",
    "NamespaceError",
    "NamespaceExistsError",
    "NamespaceGoneError",
    "NamespaceId",
    "NamespaceLimitError",
    "NamespacePermissionError",
    "NamespaceSet",
    "NamespaceType",
    "NetNamespace",
    "NoSuchNamespaceError",
    "NoSuchProcessError",
    "NotANamespaceError",
    "PidNamespace",
    "RestoreError",
    "SystemCallError",
    "TimeNamespace",
    "TypeLike",
    "UnsupportedError",
    "UserNamespace",
    "UtsNamespace",
    "WrongTypeError",
    "errors",
    "lowlevel",
    "setns",
    "unshare",
    "unshared",
]
