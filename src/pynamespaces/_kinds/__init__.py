"""The eight subclasses of `Namespace`, and what only they can do."""

from .mnt import MountNamespace
from .net import NetNamespace
from .small import (
    CgroupNamespace,
    IpcNamespace,
    PidNamespace,
    TimeNamespace,
    UserNamespace,
    UtsNamespace,
)

__all__ = [
    "CgroupNamespace",
    "IpcNamespace",
    "MountNamespace",
    "NetNamespace",
    "PidNamespace",
    "TimeNamespace",
    "UserNamespace",
    "UtsNamespace",
]
