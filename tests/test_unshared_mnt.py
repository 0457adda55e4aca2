"""`unshared` of mnt: what is mounted inside stays inside, and the other way round."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import in_child
from watching import Tasks, bystanders

from pynamespaces import (
    unshare,
    unshared,
)

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]


def mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    """Mount, by the C library."""
    libc = ctypes.CDLL(None, use_errno=True)
    encode = [
        None if text is None else text.encode() for text in (source, target, kind)
    ]
    if libc.mount(*encode, ctypes.c_ulong(flags), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def share_own_mounts() -> None:
    """Take this child away from everyone's mounts, and share its own among its own."""
    unshare("mnt")
    mount(None, "/", None, 0x4000 | 1 << 18)  # MS_REC | MS_PRIVATE
    mount(None, "/", None, 0x4000 | 1 << 20)  # MS_REC | MS_SHARED


def mount_tmpfs(target: str) -> None:
    """Mount an empty tree."""
    mount("tmpfs", target, "tmpfs", 0)


@powerful
@pytest.mark.parametrize("place", ["at home", "chrooted", "deleted"])
def test_mnt_propagation(place: str, tmp_path: Path) -> None:
    """No mount passes in or out although all is shared; root and cwd come back."""
    point = tmp_path / "point"
    point.mkdir()

    def leave_home() -> str:
        if place == "chrooted":
            os.chroot(tmp_path)
            os.chdir("/")
            return "/point"
        if place == "deleted":
            gone = tmp_path / "gone"
            gone.mkdir()
            os.chdir(gone)
            gone.rmdir()
        return str(point)

    def enter() -> None:
        share_own_mounts()
        with Tasks() as tasks:
            inside = leave_home()
            before = tasks.state()
            with unshared("mnt"):
                mount_tmpfs(inside)
                Path(inside, "made inside").touch()
            assert tasks.state() == before
            assert os.listdir(inside) == []

    in_child(enter)


@powerful
def test_mnt_propagation_in(tmp_path: Path) -> None:
    """A mount made outside meanwhile does not come in."""

    def enter() -> None:
        share_own_mounts()
        with bystanders(1), ThreadPoolExecutor(1) as outside:
            outside.submit(os.getpid).result()
            with unshared("mnt", unshare_fs=True):
                outside.submit(mount_tmpfs, str(tmp_path)).result()
                outside.submit((tmp_path / "outside").touch).result()
                assert os.listdir(tmp_path) == []
            assert os.listdir(tmp_path) == ["outside"]

    in_child(enter)
