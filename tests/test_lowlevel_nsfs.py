"""The ioctls of namespaces and of pidfds, and file handles, on real objects."""

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from newer import need
from provoking import (
    another_process,
    another_thread,
    mount,
    need_own_user,
    own_mounts,
    own_user,
)
from support import ALL_TYPES, identity, in_child, missing, own

from pynamespaces import (
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NoSuchProcessError,
    NotANamespaceError,
    UnsupportedError,
    WrongTypeError,
    lowlevel,
)

L = lowlevel
POWER = pytest.mark.tier("root", "userns")
PIDFD_LINKS = [*ALL_TYPES, "pid_for_children", "time_for_children"]
PID_IOCTLS = (
    L.ns_get_pid_in_pidns,
    L.ns_get_pid_from_pidns,
    L.ns_get_tgid_in_pidns,
    L.ns_get_tgid_from_pidns,
)


Step: TypeAlias = Callable[[int], tuple[int, object]]


def link(type: str, pid: int | str = "thread-self") -> str:
    """Return the path of a namespace."""
    return f"/proc/{pid}/ns/{type}"


@pytest.mark.parametrize("type", ALL_TYPES)
def test_nstype(type: str) -> None:
    """The type of a namespace is told as its flag."""
    with open(link(type)) as file:
        assert lowlevel.ns_get_nstype(file) == NamespaceType(type).flag


def test_userns() -> None:
    """The owner of a namespace is the user namespace of who made it."""
    need_own_user()

    def owner() -> bool:
        own_user(L.CLONE_NEWUTS)
        with open(link("uts")) as file:
            return identity(lowlevel.ns_get_userns(file)) == own("user")

    assert in_child(owner)


def test_userns_of_user_namespace_is_its_parent() -> None:
    """The owner of a user namespace is its parent, by either request."""
    need_own_user()
    with another_process(own_user) as pid, open(link("user", pid)) as file:
        found = [lowlevel.ns_get_userns(file), lowlevel.ns_get_parent(file)]
        assert [identity(fd) for fd in found] == [own("user")] * 2
        for fd in found:
            os.close(fd)


@POWER
def test_parent_of_pid_namespace() -> None:
    """The parent of a pid namespace is the one in which it was made."""

    def parent() -> bool:
        lowlevel.unshare(L.CLONE_NEWPID)
        with another_process() as pid, open(link("pid", pid)) as file:
            return identity(lowlevel.ns_get_parent(file)) == own("pid")

    assert in_child(parent)


@pytest.mark.parametrize("type", ["user", "pid"])
def test_parent_outside(type: str) -> None:
    """The parent of one's own namespace is none, or not to be had."""
    with open(link(type)) as file, pytest.raises(NamespacePermissionError):
        lowlevel.ns_get_parent(file)


def test_owner_uid() -> None:
    """The owner's uid is told in the caller's terms."""
    need_own_user()
    with another_process(own_user) as pid, open(link("user", pid)) as file:
        assert lowlevel.ns_get_owner_uid(file) == os.geteuid()


@pytest.mark.tier("root")
def test_owner_uid_of_another() -> None:
    """The uid is that of who made it, not of who asks."""

    def become_and_own() -> None:
        os.setresuid(65533, 65533, 65533)
        lowlevel.unshare(L.CLONE_NEWUSER)

    with another_process(become_and_own) as pid, open(link("user", pid)) as file:
        assert lowlevel.ns_get_owner_uid(file) == 65533


REQUESTS: dict[str, tuple[Callable[[int], object], tuple[str, ...]]] = {
    "ns_get_parent": (L.ns_get_parent, ("user", "pid")),
    "ns_get_owner_uid": (L.ns_get_owner_uid, ("user",)),
    "ns_get_mntns_id": (L.ns_get_mntns_id, ("mnt",)),
    "ns_mnt_get_info": (L.ns_mnt_get_info, ("mnt",)),
    "ns_mnt_get_next": (L.ns_mnt_get_next, ("mnt",)),
    "ns_mnt_get_prev": (L.ns_mnt_get_prev, ("mnt",)),
}
for _ioctl in PID_IOCTLS:
    REQUESTS[_ioctl.__name__] = partial(_ioctl, pid=1), ("pid",)

NEEDED = {
    "ns_get_mntns_id": "mntns-ids",
    **dict.fromkeys([name for name in REQUESTS if "_mnt_" in name], "mntns-info"),
    **dict.fromkeys([name for name in REQUESTS if "_pidns" in name], "pid-translation"),
}

# Of these the kernel asks for power before it looks at the type; since 7.0, and before
# in stable releases, for that of who sees all processes.
WALKS = ("ns_mnt_get_next", "ns_mnt_get_prev")

FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""The number that the kernel gives it, its PROC_PID_INIT_INO."""

OTHERS = [
    pytest.param(name, type, marks=[pytest.mark.tier("root")] if name in WALKS else [])
    for name, (_, types) in REQUESTS.items()
    for type in ALL_TYPES
    if type not in types
]


def _need_all() -> None:
    """Skip the test where this is a container, from which others are not seen."""
    if own("pid")[1] != FIRST_PID_NAMESPACE:
        pytest.skip("mount namespaces are walked over from the first pid namespace")


@pytest.mark.parametrize(("name", "type"), OTHERS)
def test_request_of_another_type(name: str, type: str) -> None:
    """What namespaces of a type do not have is a WrongTypeError."""
    if name in NEEDED:
        need(NEEDED[name])
    if name in WALKS:
        _need_all()
    fd = os.open(link(type), os.O_RDONLY)
    with pytest.raises(WrongTypeError) as caught:
        REQUESTS[name][0](fd)
    os.close(fd)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.syscall == f"ioctl({name.upper()})"


@pytest.mark.parametrize(
    "name", [*REQUESTS, "ns_get_id", "ns_get_userns", "ns_get_nstype"]
)
@pytest.mark.parametrize("what", ["file", "folder", "pipe", "pidfd"])
def test_request_of_no_namespace(name: str, what: str, tmp_path: Path) -> None:
    """What is no namespace is a NotANamespaceError, whatever is asked of it."""
    (tmp_path / "file").touch()
    reader, writer = os.pipe()
    fds = {
        "file": os.open(tmp_path / "file", os.O_RDONLY),
        "folder": os.open(tmp_path, os.O_RDONLY),
        "pidfd": lowlevel.pidfd_open(os.getpid()),
        "pipe": reader,
    }
    function = REQUESTS[name][0] if name in REQUESTS else getattr(lowlevel, name)
    with pytest.raises(NotANamespaceError) as caught:
        function(fds[what])
    assert caught.value.errno == errno.ENOTTY
    for fd in (writer, *fds.values()):
        os.close(fd)


def _unique(type: str) -> int:
    with open(link(type)) as file:
        try:
            return lowlevel.ns_get_id(file)
        except UnsupportedError:
            missing("ns-get-id", "Linux before 6.18")


@pytest.mark.parametrize("type", ALL_TYPES)
def test_id_is_of_the_namespace(type: str) -> None:
    """Every opening of one namespace tells the same id."""
    assert _unique(type) == _unique(type) > 0


def test_id_is_never_given_twice() -> None:
    """Namespaces that followed one another have different ids."""
    need_own_user()
    _unique("uts")

    def ids() -> list[int]:
        own_user()
        found = []
        for _ in range(20):
            lowlevel.unshare(L.CLONE_NEWUTS)
            found.append(_unique("uts"))
        return found

    assert len(set(in_child(ids))) == 20


# --- pid namespaces ---


@POWER
def test_pids_are_translated() -> None:
    """A process has one id here and another inside, and each leads to the other."""
    need("pid-translation")

    def translate() -> tuple[int, ...]:
        lowlevel.unshare(L.CLONE_NEWPID)
        with another_process() as first, another_process() as second:
            fd = os.open(link("pid", first), os.O_RDONLY)
            inside = [lowlevel.ns_get_pid_in_pidns(fd, p) for p in (first, second)]
            inside += [lowlevel.ns_get_tgid_in_pidns(fd, p) for p in (first, second)]
            assert [L.ns_get_pid_from_pidns(fd, n) for n in (1, 2)] == [first, second]
            assert [L.ns_get_tgid_from_pidns(fd, n) for n in (1, 2)] == [first, second]
            nspid = Path(f"/proc/{second}/status").read_text()
            assert nspid.split("NSpid:")[1].split("\n")[0].split()[-1] == "2"
            return tuple(inside)

    assert in_child(translate) == (1, 2, 1, 2)


def test_ids_of_threads() -> None:
    """Of a thread, its own id and that of its process are told apart."""
    need("pid-translation")
    fd = os.open(link("pid"), os.O_RDONLY)
    with another_thread() as tid:
        assert lowlevel.ns_get_pid_in_pidns(fd, tid) == tid
        assert lowlevel.ns_get_tgid_in_pidns(fd, tid) == os.getpid()
        assert lowlevel.ns_get_tgid_from_pidns(fd, tid) == os.getpid()
    os.close(fd)


@POWER
@pytest.mark.parametrize("request_", PID_IOCTLS, ids=lambda f: f.__name__)
def test_ids_that_are_nobodys(request_: Callable[[int, int], int]) -> None:
    """An id that no process has there is a NoSuchProcessError."""
    need("pid-translation")

    def ask() -> None:
        outer = os.getpid()
        lowlevel.unshare(L.CLONE_NEWPID)
        with another_process() as pid:
            # The asking process is not inside; nor is anyone with its number.
            request_(os.open(link("pid", pid), os.O_RDONLY), outer)

    with pytest.raises(NoSuchProcessError) as caught:
        in_child(ask)
    assert caught.value.syscall == f"ioctl({request_.__name__.upper()})"


# --- mount namespaces ---


@POWER
def test_mnt_info_counts_mounts(tmp_path: Path) -> None:
    """The number of mounts goes up with each mount, and the id stays."""
    need("mntns-info")

    def count() -> tuple[int, bool]:
        own_mounts()
        fd = os.open(link("mnt"), os.O_RDONLY)
        before = lowlevel.ns_mnt_get_info(fd)
        mount("none", str(tmp_path), "tmpfs")
        after = lowlevel.ns_mnt_get_info(fd)
        same = before.mnt_ns_id == after.mnt_ns_id == lowlevel.ns_get_mntns_id(fd)
        return after.nr_mounts - before.nr_mounts, same

    assert in_child(count) == (1, True)


@pytest.mark.tier("root")
@pytest.mark.parametrize(
    ("step", "back"),
    [(L.ns_mnt_get_next, L.ns_mnt_get_prev), (L.ns_mnt_get_prev, L.ns_mnt_get_next)],
)
def test_mnt_next_and_previous(step: Step, back: Step) -> None:
    """From one end of all mount namespaces to the other, each is opened once."""
    need("mntns-info")
    _need_all()
    with another_process(own_mounts) as pid:
        up = _walk(os.open(link("mnt"), os.O_RDONLY), back)
        down = _walk(os.dup(up[-1]), step)
        ids = [lowlevel.ns_get_mntns_id(fd) for fd in down]
        found = {identity(fd) for fd in down}
        assert not any(os.get_inheritable(fd) for fd in down[1:])
        for fd in [*up, *down]:
            os.close(fd)
        assert found >= {identity(link("mnt")), identity(link("mnt", pid))}
        assert ids == sorted(set(ids), reverse=step is L.ns_mnt_get_prev)


@pytest.mark.tier("root")
def test_mnt_next_tells_of_the_next() -> None:
    """What is told along with a mount namespace is what it tells itself."""
    need("mntns-info")
    _need_all()
    with (
        another_process(own_mounts) as pid,
        open(link("mnt")) as mine,
        open(link("mnt", pid)) as theirs,
    ):
        try:
            fd, told = lowlevel.ns_mnt_get_next(mine)
        except NoSuchNamespaceError:
            # Each processor counts by itself, so theirs may be the older one.
            fd, told = lowlevel.ns_mnt_get_next(theirs)
        assert lowlevel.ns_mnt_get_info(fd) == told
        os.close(fd)


def _walk(fd: int, step: Step) -> list[int]:
    """Return descriptors of all that come from here on."""
    fds = [fd]
    while True:
        try:
            fds.append(step(fds[-1])[0])
        except NoSuchNamespaceError:
            return fds


@pytest.mark.tier("userns", "plain")
@pytest.mark.parametrize("step", [L.ns_mnt_get_next, L.ns_mnt_get_prev])
def test_mnt_next_needs_power(step: Callable[[int], object]) -> None:
    """Walking over all mount namespaces takes power over all."""
    need("mntns-info")
    fd = os.open(link("mnt"), os.O_RDONLY)
    with pytest.raises(NamespacePermissionError):
        step(fd)
    os.close(fd)
