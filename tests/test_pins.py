"""Pins of all types: kept without a process, and nothing half-made."""

import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest
from holding import holder
from pinning import (
    MS_RDONLY,
    MS_REMOUNT,
    at_once,
    fresh,
    in_own_mounts,
    mounted_at,
    share,
)
from provoking import FakeLib, bind, hide_proc, mount, own_mounts, replace
from support import ALL_TYPES, TIER, identity, in_child
from targets import POWER

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespaceExistsError,
    NamespacePermissionError,
    NoSuchNamespaceError,
    NotANamespaceError,
    SystemCallError,
    TypeLike,
    lowlevel,
)
from pynamespaces._core import place
from pynamespaces._core.pin import unpin
from pynamespaces._lib import lib

EXISTS = "NamespaceExistsError"


class CutShort(BaseException):
    """What a signal handler raises here."""


def kill(pid: int) -> None:
    """Kill a process, and wait until it is dead."""
    pidfd = lowlevel.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([pidfd], [], [])
    os.close(pidfd)


# --- what a pin keeps ---


@POWER
@pytest.mark.parametrize("type", ALL_TYPES)
def test_pin_outlives_its_maker(type: TypeLike, tmp_path: Path) -> None:
    """A pinned namespace is the same to another process when nobody is in it."""
    path = tmp_path / "pin"

    def keep() -> None:
        with holder(type) as maker:
            namespace = Namespace.from_pid(maker.pid, type)
            expected = identity(namespace.fileno())
            namespace.pin(path)
            namespace.close()
            kill(maker.pid)
        assert in_child(lambda: identity(str(path))) == expected

        def open_again() -> tuple[int, int]:
            with closing(Namespace.from_path(path, type)) as again:
                return identity(again.fileno())

        assert in_child(open_again) == expected
        unpin(path)
        assert not path.exists()
        assert mounted_at(path) == []

    in_own_mounts(tmp_path, keep)


@POWER
def test_pinned_namespace_can_be_entered(tmp_path: Path) -> None:
    """A path may be relative, or bytes; what was kept is what is entered."""

    def keep() -> None:
        os.chdir(tmp_path)
        with fresh("uts") as namespace:
            namespace.pin(b"pin")
            expected = namespace.id
        with Namespace.from_path("pin", "uts") as again:
            assert again.id == expected
            assert Namespace.current("uts") == again
        unpin(b"pin")
        assert os.listdir() == []

    in_own_mounts(tmp_path, keep)


@POWER
def test_pin_in_the_threads_mount_namespace(tmp_path: Path) -> None:
    """A pin is made and ended where the calling thread is, not the process."""
    path = tmp_path / "pin"
    seen = []

    def elsewhere() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWNS)
        fresh("net").pin(path)
        seen.append(mounted_at(path))

    def keep() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen[0] != [] == mounted_at(path)
        with pytest.raises(NotANamespaceError):
            unpin(path)

    in_own_mounts(tmp_path, keep)


@POWER
def test_pin_and_unpin_without_proc(tmp_path: Path) -> None:
    """A pin takes no ``/proc``."""

    def keep() -> None:
        namespace = fresh("net")
        hide_proc()
        namespace.pin(tmp_path / "pin")
        assert identity(str(tmp_path / "pin")) == identity(namespace.fileno())
        unpin(tmp_path / "pin")
        assert list(tmp_path.iterdir()) == []

    in_own_mounts(tmp_path, keep)


# --- mount namespaces ---


def _own(_: Path) -> Namespace:
    return Namespace.current("mnt")


def _older(_: Path) -> Namespace:
    older = Namespace.current("mnt")
    lowlevel.unshare(lowlevel.CLONE_NEWNS)
    return older


def _on_shared(folder: Path) -> Namespace:
    share(folder)
    bind(str(folder), str(folder))  # Somebody else for the mount to be passed on to.
    return fresh("mnt")


@POWER
@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (_own, "its? ?.*own mount namespace"),
        (_older, "older than the calling thread's"),
        (_on_shared, "on a shared mount"),
    ],
)
def test_mnt_that_cannot_be_pinned(
    prepare: Callable[[Path], Namespace], says: str, tmp_path: Path
) -> None:
    """What the kernel's EINVAL meant is said, and no file is left."""

    def refused() -> list[str]:
        namespace = prepare(tmp_path)
        with pytest.raises(SystemCallError, match=says) as caught:
            namespace.pin(tmp_path / "pin")
        error = caught.value
        assert error.errno in (errno.EINVAL, errno.ELOOP)
        assert error.syscall == "move_mount"
        assert (error.types, error.filename) == (("mnt",), str(tmp_path / "pin"))
        return os.listdir(tmp_path)

    assert in_own_mounts(tmp_path, refused) == []


@POWER
def test_older_mnt_on_shared_mount(tmp_path: Path) -> None:
    """Where both are in the way, it is the age that private mounts do not cure."""

    def refused() -> None:
        share(tmp_path)
        bind(str(tmp_path), str(tmp_path))
        with pytest.raises(SystemCallError, match="older than"):
            _older(tmp_path).pin(tmp_path / "pin")

    in_own_mounts(tmp_path, refused)


@POWER
def test_fresh_mnt_can_always_be_pinned(tmp_path: Path) -> None:
    """On whichever processor a mount namespace was made, it is young enough."""

    def keep() -> list[str]:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        for number in range(20):
            fresh("mnt").pin(tmp_path / str(number))
            unpin(tmp_path / str(number))
        return os.listdir(tmp_path)

    assert in_own_mounts(tmp_path, keep) == []


# --- nothing half-made ---


@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling"])
def test_pin_where_something_is(kind: str, tmp_path: Path) -> None:
    """What is there is left as it was, a link's target, too."""
    path, target = tmp_path / "pin", tmp_path / "target"
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(target)
    if kind == "link":
        target.write_text("mine")
    before = {entry: entry.lstat() for entry in tmp_path.iterdir()}

    def refused() -> None:
        if TIER != "plain":
            own_mounts()
        with pytest.raises(NamespaceExistsError, match="name is taken") as caught:
            Namespace.current("net").pin(path)
        assert isinstance(caught.value, FileExistsError)
        assert caught.value.filename == str(path)

    in_child(refused)
    assert {entry: entry.lstat() for entry in tmp_path.iterdir()} == before


def test_pin_in_missing_directory(tmp_path: Path) -> None:
    """A directory that is not there is said to be missing, and is not made."""
    with closing(Namespace.current("net")) as namespace:
        for name in ("sub/pin", "sub/"):
            with pytest.raises(NoSuchNamespaceError, match="directory does not exist"):
                namespace.pin(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


@POWER
def test_pin_in_read_only_directory(tmp_path: Path) -> None:
    """A read-only file system is named as what it is."""

    def refused() -> list[str]:
        mount("none", str(tmp_path), flags=MS_REMOUNT | MS_RDONLY)
        with pytest.raises(SystemCallError, match="read-only") as caught:
            Namespace.current("net").pin(tmp_path / "pin")
        assert caught.value.errno == errno.EROFS
        return os.listdir(tmp_path)

    assert in_own_mounts(tmp_path, refused) == []


@pytest.mark.tier("plain")
def test_pin_without_power(tmp_path: Path) -> None:
    """An ordinary user is told what it takes, and no file is left."""
    with Namespace.current("net") as namespace:
        with pytest.raises(NamespacePermissionError, match="CAP_SYS_ADMIN") as caught:
            namespace.pin(tmp_path / "pin")
    namespace.close()
    assert caught.value.syscall == "move_mount"
    assert list(tmp_path.iterdir()) == []


def test_pin_of_closed_namespace(tmp_path: Path) -> None:
    """A closed handle, or a path that can be none, makes no file."""
    namespace = Namespace.current("net")
    with pytest.raises(ValueError, match="null byte"):
        namespace.pin(f"{tmp_path}/a\0b")
    namespace.close()
    with pytest.raises(ClosedNamespaceError):
        namespace.pin(tmp_path / "pin")
    assert list(tmp_path.iterdir()) == []


def _cut_before(_: int, __: int) -> int:
    raise CutShort


def _cut_after(fd: int, target: int) -> int:
    assert lib.pyns_attach(fd, target) == 0
    raise CutShort


@POWER
@pytest.mark.parametrize(
    ("attach", "error"),
    [
        (lambda *_: -errno.EIO, SystemCallError),
        (lambda *_: 0, SystemCallError),  # Mounted, and at once covered by another.
        (_cut_before, CutShort),
        (_cut_after, CutShort),
    ],
)
def test_no_file_after_a_failure(
    attach: Callable[[int, int], int], error: type[BaseException], tmp_path: Path
) -> None:
    """Whenever mounting fails or is interrupted, neither file nor mount is left."""

    def fail() -> list[str]:
        replace(place, lib=FakeLib(pyns_attach=attach))
        with pytest.raises(error):
            fresh("net").pin(tmp_path / "pin")
        assert mounted_at(tmp_path / "pin") == []
        return os.listdir(tmp_path)

    assert in_own_mounts(tmp_path, fail) == []


@POWER
def test_cut_short_at_any_moment(tmp_path: Path) -> None:
    """A signal handler that raises leaves a whole pin or none, whenever it comes."""
    path = tmp_path / "pin"
    left = 0

    def cut(_: FrameType, event: str, __: object) -> object:
        nonlocal left
        # Some Pythons from 3.12 on tell of lines only.
        left -= event in {"opcode", "line"}
        if left < 0:
            raise CutShort
        return cut

    def watch(frame: FrameType, _: str, __: object) -> object:
        if frame.f_code.co_name not in {"fill", "_attach"}:
            return None
        frame.f_trace_opcodes = True
        return cut

    def is_cut_short(namespace: Namespace) -> bool:
        sys.settrace(watch)  # type: ignore[arg-type]
        try:
            namespace.pin(path)
        except CutShort:
            return True
        finally:
            sys.settrace(None)
        return False

    def sweep() -> int:
        nonlocal left
        namespace = fresh("net")
        for moment in range(10_000):
            left = moment
            was_cut = is_cut_short(namespace)
            assert path.exists() == (mounted_at(path) != [])
            unpin(path, missing_ok=True)
            if not was_cut:
                return moment
        raise AssertionError("it never came to an end")

    assert in_own_mounts(tmp_path, sweep) > 10


def test_failure_spares_another_file(tmp_path: Path) -> None:
    """A file that has taken the place of the one that was made is left alone."""
    path = tmp_path / "pin"

    def attach(*_: int) -> int:
        path.rename(tmp_path / "away")
        path.write_text("theirs")
        return -errno.EIO

    def fail() -> str:
        replace(place, lib=FakeLib(pyns_attach=attach))
        with pytest.raises(SystemCallError), Namespace.current("net") as namespace:
            namespace.pin(path)
        return path.read_text()

    assert in_child(fail) == "theirs"


@POWER
def test_pin_at_once(tmp_path: Path) -> None:
    """Of processes that pin at one path, one succeeds."""

    def race() -> None:
        namespace = fresh("net")
        ended = at_once(8, lambda: namespace.pin(tmp_path / "pin"))
        assert ended == {"ok": 1, "NamespaceExistsError": 7}
        assert len(mounted_at(tmp_path / "pin")) == 1

    in_own_mounts(tmp_path, race)
