"""What all of lowlevel has in common: arguments, descriptors, audit."""

import errno
import inspect
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

import pytest
from provoking import closed_fd, is_cloexec, need_own_user, own_user
from support import in_child

from pynamespaces import CloneFlag, SystemCallError, lowlevel
from pynamespaces._lib import lib
from pynamespaces.lowlevel import _calls, _clone, _handles, _nsfs, _pidfds

L = lowlevel
FUNCTIONS = {
    name: function
    for name, function in vars(lowlevel).items()
    if inspect.isfunction(function) and not name.startswith("_")
}
PIDFD_IOCTLS = [name for name in FUNCTIONS if name.startswith("pidfd_get_")]
NSFS_IOCTLS = [name for name in FUNCTIONS if name.startswith("ns_")]
PID_IOCTLS = [name for name in NSFS_IOCTLS if name.endswith("_pidns")]
OF_DESCRIPTORS = [*PIDFD_IOCTLS, *NSFS_IOCTLS, "name_to_handle_at", "setns"]
OF_DESCRIPTORS += ["pidfd_send_signal", "pidfd_getfd"]

TOO_BIG = 2**31


class Untouched:
    """A shim that has its numbers, and no function that may be called."""

    def __getattr__(self, name: str) -> object:
        if not name.startswith("pyns_"):
            return getattr(lib, name)
        return self._refuse

    def _refuse(self, *arguments: object) -> NoReturn:
        raise AssertionError(f"a system call was made with {arguments}")


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where a system call is made."""
    for module in (_calls, _clone, _handles, _nsfs, _pidfds):
        monkeypatch.setattr(module, "lib", Untouched())


def call_with(name: str, fd: object) -> object:
    """Call a function of a descriptor, and of a number where it takes one too."""
    takes_two = name in PID_IOCTLS or name in ("pidfd_send_signal", "pidfd_getfd")
    return FUNCTIONS[name](fd, 1) if takes_two else FUNCTIONS[name](fd)


def test_public_functions_are_all_known() -> None:
    """Every public function is in one of the groups that are tested here."""
    others = {"unshare", "pidfd_open", "clone3", "open_by_handle_at", "listns"}
    assert set(FUNCTIONS) == {*OF_DESCRIPTORS, *others}


@pytest.mark.parametrize("fd", [-1, -10000, TOO_BIG, 2**64])
@pytest.mark.usefixtures("untouched")
def test_descriptor_out_of_range(fd: int) -> None:
    """A number that no descriptor can have is a ValueError before any call."""
    for name in OF_DESCRIPTORS:
        with pytest.raises(ValueError, match="out of range"):
            call_with(name, fd)


@pytest.mark.parametrize("fd", [None, "3", b"3", 3.0, [3]], ids=repr)
@pytest.mark.usefixtures("untouched")
def test_no_descriptor(fd: object) -> None:
    """What is no descriptor, nor has one, is a TypeError before any call."""
    for name in OF_DESCRIPTORS:
        with pytest.raises(TypeError):
            call_with(name, fd)


@pytest.mark.parametrize("lent", [-1, TOO_BIG])
@pytest.mark.usefixtures("untouched")
def test_fileno_out_of_range(lent: int) -> None:
    """A fileno() that lends no descriptor is a ValueError."""

    class Closed:
        def fileno(self) -> int:
            return lent

    with pytest.raises(ValueError, match="out of range"):
        lowlevel.setns(Closed())


@pytest.mark.parametrize(
    "call",
    [
        lambda value: L.setns(0, value),
        L.unshare,
        L.pidfd_open,
        lambda value: L.pidfd_open(1, value),
        lambda value: L.pidfd_send_signal(0, value),
        lambda value: L.pidfd_send_signal(0, 0, value),
        lambda value: L.pidfd_getfd(0, value),
        lambda value: L.pidfd_getfd(0, 0, value),
        L.clone3,
        lambda value: L.clone3(exit_signal=value),
        lambda value: L.clone3(set_tid=(value,)),
        lambda value: L.ns_get_pid_in_pidns(0, value),
        lambda value: L.ns_get_pid_from_pidns(0, value),
        lambda value: L.ns_get_tgid_in_pidns(0, value),
        lambda value: L.ns_get_tgid_from_pidns(0, value),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_number_out_of_range(call: Callable[[object], object]) -> None:
    """A number that the call cannot have is refused before it is made."""
    for number in (-1, -(2**31), 2**64):
        with pytest.raises(ValueError, match="out of range"):
            call(number)
    for other in ("1", None, 1.0):
        with pytest.raises(TypeError, match="must be an int"):
            call(other)


@pytest.mark.parametrize("name", PID_IOCTLS)
@pytest.mark.usefixtures("untouched")
def test_pid_zero(name: str) -> None:
    """No process has the id 0, so nothing is asked."""
    with pytest.raises(ValueError, match="pid 0 is out of range"):
        FUNCTIONS[name](0, 0)


@pytest.mark.parametrize(
    "flag",
    [
        "VM", "VFORK", "SIGHAND", "THREAD", "SETTLS", "PARENT_SETTID",
        "CHILD_SETTID", "CHILD_CLEARTID", "DETACHED",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("untouched")
def test_clone3_flag_that_shares_memory(flag: str) -> None:
    """A flag by which the child would share memory is refused, and named."""
    with pytest.raises(ValueError, match=f"CLONE_{flag}"):
        lowlevel.clone3(CloneFlag[f"CLONE_{flag}"] | lowlevel.CLONE_NEWUTS)


@pytest.mark.usefixtures("untouched")
def test_clone3_without_cgroup() -> None:
    """A flag without the argument that it is about is refused."""
    with pytest.raises(ValueError, match="needs the argument cgroup"):
        lowlevel.clone3(lowlevel.CLONE_INTO_CGROUP)
    with pytest.raises(ValueError, match="out of range"):
        lowlevel.clone3(cgroup=-1)


@pytest.mark.parametrize("handle", [b"", bytes(65), bytes(1000)])
@pytest.mark.usefixtures("untouched")
def test_handle_of_impossible_length(handle: bytes) -> None:
    """Bytes that cannot be a handle are refused before any call."""
    with pytest.raises(ValueError, match=f"{len(handle)} bytes"):
        lowlevel.open_by_handle_at(handle)


def test_handle_that_is_no_bytes() -> None:
    """What is no bytes is a TypeError."""
    with pytest.raises(TypeError):
        lowlevel.open_by_handle_at("sixteen letters.")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        lowlevel.open_by_handle_at(16)  # type: ignore[arg-type]


def test_object_with_fileno() -> None:
    """Whatever has a fileno() can stand for a descriptor, and stays open."""
    with open("/proc/thread-self/ns/uts") as file:
        assert lowlevel.ns_get_nstype(file) == lowlevel.CLONE_NEWUTS
        assert os.fstat(file.fileno()).st_ino == os.stat("/proc/self/ns/uts").st_ino


def _opening(fd: int, pidfd: int) -> dict[str, Callable[[], int]]:
    """Return a call for everything that returns a descriptor."""
    calls: dict[str, Callable[[], int]] = {
        name: partial(FUNCTIONS[name], pidfd) for name in PIDFD_IOCTLS
    }
    calls["pidfd_open"] = lambda: lowlevel.pidfd_open(os.getpid())
    calls["pidfd_getfd"] = lambda: lowlevel.pidfd_getfd(pidfd, fd)
    calls["ns_get_userns"] = lambda: lowlevel.ns_get_userns(fd)
    calls["ns_get_parent"] = lambda: lowlevel.ns_get_parent(
        os.open("/proc/self/ns/user", os.O_RDONLY)
    )
    return calls


@pytest.mark.parametrize("name", sorted(_opening(-1, -1)))
def test_close_on_exec(name: str) -> None:
    """A descriptor that is returned is not inherited by programs."""
    need_own_user()

    def opened() -> bool:
        own_user(lowlevel.CLONE_NEWNET)
        fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        # A parent can be asked for only by who is above, so a child is made.
        if name == "ns_get_parent":
            parent = os.getpid()
            return in_child(lambda: _cloexec_of_parent(parent))
        pidfd = lowlevel.pidfd_open(os.getpid())
        return is_cloexec(_opening(fd, pidfd)[name]())

    assert in_child(opened)


def _cloexec_of_parent(pid: int) -> bool:
    """Make a user namespace below another, and open the latter from there."""
    with open(f"/proc/{pid}/ns/user") as above:
        child = os.fork()
        if child == 0:
            own_user()
            signal.pause()
        try:
            link = f"/proc/{child}/ns/user"
            while os.stat(link).st_ino == os.fstat(above.fileno()).st_ino:
                os.sched_yield()
            with open(link) as below:
                return is_cloexec(lowlevel.ns_get_parent(below))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# --- audit ---


@pytest.mark.parametrize(
    ("call", "event", "types"),
    [
        (L.setns, "setns", ("net",)),
        (lambda fd: L.setns(fd, L.CLONE_NEWNET), "setns", ("net",)),
        (lambda fd: L.setns(fd, L.CLONE_NEWUTS), "setns", ("uts",)),
        (
            lambda _: L.unshare(L.CLONE_NEWUTS | L.CLONE_NEWNET),
            "unshare",
            ("net", "uts"),
        ),
        (lambda _: L.unshare(L.CLONE_FS), "unshare", ()),
        (lambda _: L.clone3(L.CLONE_NEWIPC | L.CLONE_FS), "clone3", ("ipc",)),
    ],
)
def test_audit(
    call: Callable[[int], object], event: str, types: tuple[str, ...]
) -> None:
    """A switch is told to audit hooks, which can forbid it by raising."""

    class ForbiddenError(Exception):
        pass

    def watched() -> list[tuple[str, tuple[object, ...]]]:
        seen = []

        def hook(name: str, arguments: tuple[object, ...]) -> None:
            if name.startswith("pynamespaces."):
                seen.append((name, arguments))
                raise ForbiddenError

        sys.addaudithook(hook)
        fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        with pytest.raises(ForbiddenError):
            call(fd)
        return seen

    assert in_child(watched) == [(f"pynamespaces.{event}", (types,))]


@pytest.mark.parametrize("call", [L.setns, L.ns_get_nstype, L.name_to_handle_at])
def test_fails_by_closed_descriptor(call: Callable[[int], object]) -> None:
    """A descriptor that is not open is the kernel's to refuse, as EBADF."""
    with pytest.raises(SystemCallError) as caught:
        call(closed_fd())
    assert caught.value.errno == errno.EBADF
