"""
The target of the demo: a process in fresh namespaces, until its input ends.

It says ``ready`` when it is there.
"""

import socket
import sys
from typing import Final

from pynamespaces import NamespaceType, unshare

HOSTNAME = "target"
_T = NamespaceType
TYPES: Final = (_T.CGROUP, _T.IPC, _T.MNT, _T.NET, _T.UTS)


def main() -> None:
    """Move, say so, and wait."""
    unshare(*TYPES)
    socket.sethostname(HOSTNAME)
    print("ready", flush=True)
    sys.stdin.read()
