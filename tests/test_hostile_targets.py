"""Processes that exec, die, are replaced or move about while somebody looks at them."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from filing import INSIDE, OUTSIDE, Tree, tree
from provoking import libc, mount
from support import in_child
from swapping import busy
from targets import POWER

from pynamespaces import (
    NamespaceSet,
    NamespaceType,
    NoSuchProcessError,
    explain,
    lowlevel,
    scan,
    setns,
)

__all__ = ["tree"]

TURNS: Final = int(os.environ.get("PYNAMESPACES_TURNS", "200"))
"""How often it is tried."""

_MNT_DETACH: Final = 2


def _unused() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


class Bearer:
    """A process in fresh namespaces, whose children all have the same id."""

    def __init__(self, pid: int) -> None:
        ours, theirs = os.pipe(), os.pipe()
        self._say, self._hear = ours[1], theirs[0]
        self._own = os.fork()
        if self._own == 0:
            os.close(ours[1])
            lowlevel.unshare(lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWIPC)
            self._serve(pid, ours[0], theirs[1])
        os.close(ours[0])
        os.close(theirs[1])
        self.namespaces = tuple(
            os.readlink(f"/proc/{self._own}/ns/{type}")
            for type in ("uts", "ipc")
            if self.turn() or type
        )

    @staticmethod
    def _serve(pid: int, hear: int, say: int) -> None:
        try:
            while os.read(hear, 1):
                child, pidfd = lowlevel.clone3(set_tid=[pid])
                if child == 0:
                    signal.pause()
                os.write(say, b".")
                os.read(hear, 1)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                os.close(pidfd)
                os.write(say, b".")
        finally:
            os._exit(0)

    def turn(self) -> bool:
        """Have a child, and end it; return whether that could be done."""
        for _ in range(2):
            os.write(self._say, b".")
            if not os.read(self._hear, 1):
                return False
        return True

    def close(self) -> None:
        """End the process."""
        os.close(self._say)
        os.close(self._hear)
        os.waitpid(self._own, 0)


@contextmanager
def replaced() -> Iterator[tuple[int, set[tuple[str, ...]]]]:
    """Have a pid that passes from one process to another and back all the time."""
    pid = _unused()
    with closing(Bearer(pid)) as one, closing(Bearer(pid)) as other:
        with busy(lambda: one.turn() and other.turn()):
            yield pid, {one.namespaces, other.namespaces}


def _both(namespaces: NamespaceSet) -> tuple[str, ...]:
    return tuple(str(namespaces[type].id) for type in ("uts", "ipc"))


@POWER
def test_pid_passes_on() -> None:
    """All is of one process that had the id, or there is none; never of two."""

    def look() -> None:
        found = set[tuple[str, ...]]()
        with replaced() as (pid, expected):
            for _ in range(TURNS):
                with suppress(NoSuchProcessError):
                    with closing(NamespaceSet.from_pid(pid, "uts", "ipc")) as made:
                        found.add(_both(made))
            for _ in range(TURNS // 20):
                with suppress(NoSuchProcessError):
                    accesses = explain(pid, "uts", "ipc")
                    found.add(tuple(str(accesses[t].id) for t in ("uts", "ipc")))
                process = scan(["uts", "ipc"], mounts=False).process(pid)
                if process is not None and len(process.namespaces) >= 2:
                    types = NamespaceType.UTS, NamespaceType.IPC
                    ids = (process.namespaces[type] for type in types)
                    found.add(tuple(map(str, ids)))
        assert found
        assert found <= expected

    in_child(look)


EXECUTING: Final = 'test "$1" = 0 && exec sleep 1000; exec sh "$0" $(($1 - 1))'


@POWER
def test_executing(tmp_path: Path) -> None:
    """Who executes one program after the other is the same process all the time."""
    (tmp_path / "script").write_text(f"{EXECUTING}\n")

    def look() -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            lowlevel.unshare(lowlevel.CLONE_NEWUTS | lowlevel.CLONE_NEWIPC)
            os.write(writer, b".")
            os.execlp("sh", "sh", str(tmp_path / "script"), "100000")
        try:
            os.read(reader, 1)
            expected = tuple(os.readlink(f"/proc/{pid}/ns/{t}") for t in ("uts", "ipc"))
            for _ in range(TURNS):
                with closing(NamespaceSet.from_pid(pid, "uts", "ipc")) as made:
                    assert _both(made) == expected
                    with made:
                        assert os.readlink("/proc/thread-self/ns/uts") == expected[0]
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    in_child(look)


def _moved_about(tree: Tree) -> Iterator[object]:
    """Enter, then be elsewhere again and again."""
    if tree.owner is not None:
        setns(tree.owner)
    setns(tree.namespace)
    os.chdir(tree.folder)
    while True:
        root = os.open("/", os.O_PATH)
        mount("none", "directory", "tmpfs")
        yield None
        os.chroot("directory")
        yield None
        os.fchdir(root)
        os.chroot(".")
        os.chdir(tree.folder)
        yield None
        mount("none", "/", "tmpfs")
        yield None
        libc.umount2(b"/..", _MNT_DETACH)
        os.close(root)
        libc.umount2(b"directory", _MNT_DETACH)


@pytest.mark.parametrize("what", ["open", "mounts", "scan"])
def test_root_moves_about(tree: Tree, what: str) -> None:
    """Others there mount over things and change their roots: nothing leads out."""
    steps = _moved_about(tree)
    turns = TURNS // 20 if what == "scan" else TURNS
    with busy(lambda: next(steps)):
        for _ in range(turns):
            if what == "open":
                with suppress(FileNotFoundError):
                    assert tree.read("file") == INSIDE != OUTSIDE
            elif what == "mounts":
                paths = [found.path for found in tree.namespace.mounts()]
                assert paths == [] or paths[0] == "/"
            else:
                assert scan("mnt").namespace(tree.namespace.id) is not None
