"""The eight subclasses of `Namespace`, and what only they can do."""

from .mnt import MountNamespace
from .net import NetNamespace
from .pid import PidNamespace
from .plain import CgroupNamespace, IpcNamespace
from .time import TimeNamespace
from .user import UserNamespace
from .uts import UtsNamespace

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
