"""A place of its own for hostile calls, and what is right to call with there."""

import asyncio
import inspect
import os
import socket
import tempfile
from asyncio.subprocess import Process
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Final

from fuzzing import OPTIONS, Target
from provoking import mount, own_mounts
from support import TIER

from pynamespaces import (
    Namespace,
    NamespaceSet,
    Popen,
    ThreadPoolExecutor,
    lowlevel,
    scan,
)

_OWN: Final = (
    lowlevel.CLONE_NEWUTS
    | lowlevel.CLONE_NEWIPC
    | lowlevel.CLONE_NEWNET
    | lowlevel.CLONE_NEWCGROUP
)

NEEDS: Final[Mapping[str, object]] = {
    "hostname": "uts",
    "time_offsets": "time",
    "uid_map": "user",
    "gid_map": "user",
    "loopback": "net",
    "init": "pid",
    "mount_proc": ("pid", "mnt"),
}
"""What must be fresh for an option to mean something."""


def move_in() -> None:
    """Have namespaces, a /run and a directory of one's own, where there is power."""
    if TIER == "plain":
        os.chdir(tempfile.mkdtemp())
    else:
        own_mounts()
        lowlevel.unshare(_OWN)
        mount("none", "/run", "tmpfs")
        mount("none", "/mnt", "tmpfs")
        os.chdir("/mnt")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(null)


class World:
    """What there is to call with."""

    def __init__(self) -> None:
        self.net = Namespace.current("net")
        self.inventory = scan("net", threads=False, descriptors=False, mounts=False)
        self.child = Popen(["sleep", "1000"])
        self.file = os.path.realpath("file")
        Path(self.file).touch()
        members = NamespaceSet.current("net", "uts")
        self.receivers: Mapping[str, object] = {
            "Inventory": self.inventory,
            "Namespace": self.net,
            "NamespaceSet": members,
            "Popen": self.child,
            "UtsNamespace": Namespace.current("uts"),
            "MountNamespace": Namespace.current("mnt"),
            "NetNamespace": self.net,
            "PidNamespace": Namespace.current("pid"),
        }
        self.right: Mapping[str, object] = {
            "address": ("127.0.0.1", 0),
            "args": ["true"],
            "call.args": 1,
            "submit.args": 1,
            "create_subprocess_exec.args": "x",
            "program": "true",
            "command": ["true"],
            "data": bytes(self.net.ref()),
            "extents": [(0, 0, 1)],
            "fd": self.net.fileno(),
            "flag": 0x40000000,
            "flags": lowlevel.CLONE_FS,
            "fn": str,
            "func": str,
            "handle": b"x" * 16,
            "id": self.net.id,
            "id_or_name": "0" * 64,
            "key": "net",
            "kind": "user",
            "name": "blue",
            "namespaces": [self.net],
            "older": self.inventory,
            "other": members,
            "path": self.file,
            "pin.path": os.path.realpath("pinned"),
            "unpin.path": os.path.realpath("pinned"),
            "from_path.path": "/proc/self/ns/net",
            "pid": os.getpid(),
            "pid_here": os.getpid(),
            "pid_inside": 1,
            "pidfd": self.child.pidfd,
            "sig": 0,
            "signal": 0,
            "sock": socket.socket(socket.AF_UNIX),
            "target": self.net,
            "targetfd": 0,
            "text": self.inventory.to_json(),
            "type": "net",
            "types": "net",
        }

    def close(self) -> None:
        """End the process, which is all that does not end by itself."""
        self.child.kill()
        self.child.wait()

    def arguments(self, target: Target) -> dict[str, object]:
        """
        Return something right for all that a target must be given.

        Raises:
            LookupError: A parameter is new, and `right` does not have it.
        """
        found: dict[str, object] = {}
        for name in target.needed:
            keys = (f"{target.own}.{name}", name)
            key = next((key for key in keys if key in self.right), None)
            if key is None:
                raise LookupError(f"what is a right {name} of {target.name}?")
            found[name] = self.right[key]
        return found

    def call(self, target: Target, given: Mapping[str, object]) -> object:
        """Call a target with what is right, but for what is given."""
        arguments = self.arguments(target)
        needed = [NEEDS[name] for name in given if name in NEEDS]
        if target.name in OPTIONS:
            usual = "user" if TIER == "plain" else "uts"
            arguments["new"] = needed[0] if needed else usual
        elif target.own == "new" and needed:
            arguments["type" if "type" in arguments else "types"] = needed[0]
        if target.receiver == "ThreadPoolExecutor":
            with ThreadPoolExecutor(self.net) as pool:
                return target.call(arguments | dict(given), pool)
        receiver = self.receivers.get(target.receiver)
        result = target.call(arguments | dict(given), receiver)
        if inspect.iscoroutine(result):
            asyncio.run(_wait(result))
            return None
        return result


async def _wait(start: Coroutine[object, object, Process]) -> None:
    process = await start
    process.kill()
    await process.communicate()
