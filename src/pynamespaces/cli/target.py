"""
The target of the demo: a process in fresh namespaces, until its input ends.

It says ``ready`` when it is there.
"""

import socket
import sys

from pynamespaces import unshare

HOSTNAME = "target"
TYPES = ("cgroup", "ipc", "mnt", "net", "uts")


def main() -> None:
    """Move, say so, and wait."""
    unshare(*TYPES)
    socket.sethostname(HOSTNAME)
    print("ready", flush=True)
    sys.stdin.read()
