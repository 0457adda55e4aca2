"""`unshared`: fresh namespaces for a thread, left again."""

import errno
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from holding import in_own_userns
from support import identity, in_child, own_all, program
from watching import Tasks, in_main_of_many, in_worker

from pynamespaces import (
    ClosedNamespaceError,
    IrreversibleError,
    Namespace,
    NamespaceSet,
    SystemCallError,
    TypeLike,
    unshared,
)

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")
BORN_LATER: dict[str, str] = {"pid": "pid_for_children", "time": "time_for_children"}

runs = pytest.mark.parametrize(
    "run", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)


def check_fresh(*types: TypeLike, loopback: bool = False) -> None:
    """Be in fresh namespaces and leave, and look at this thread and all others."""
    with Tasks() as tasks:
        before, others = tasks.state(), tasks.others()
        mnt = "mnt" in types
        with unshared(*types, loopback=loopback, unshare_fs=mnt) as fresh:
            inside = tasks.state()
            assert tasks.others() == others
            assert isinstance(fresh, NamespaceSet)
            assert set(fresh) == set(types)
            ids = {type: member.id for type, member in fresh.items()}
        assert tasks.state() == before
        assert tasks.others() == others
    assert all(member.closed for member in fresh.values())
    links = {BORN_LATER.get(type, type) for type in types}
    for type, id in ids.items():
        link = BORN_LATER.get(type, type)
        assert id.type == type
        assert (id.dev, id.ino) != before[link]
        # A pid namespace without a first process has no link to be seen by.
        assert inside[link] in ((id.dev, id.ino), "pending")
    moved = {name for name in before if inside[name] != before[name]}
    assert links <= moved <= links | ({"root", "cwd"} if mnt else set())


@powerful
@runs
@pytest.mark.parametrize(
    "types",
    [*[(type,) for type in (*PER_THREAD, "mnt")], (*PER_THREAD, "mnt")],
    ids="+".join,
)
def test_fresh(types: tuple[TypeLike, ...], run: Run) -> None:
    """A thread is in namespaces that are new, and then where it was."""
    run(lambda: check_fresh(*types))


def test_fresh_in_own_userns() -> None:
    """An ordinary user has all of them in a user namespace of its own."""
    types = (*PER_THREAD, "mnt", "time")
    in_own_userns(lambda: check_fresh(*types, loopback=True), *types)


def test_time() -> None:
    """Children born inside are in the fresh time namespace, those later are not."""

    def enter() -> None:
        outside = identity("/proc/self/ns/time")
        with unshared("time") as fresh:
            id = fresh["time"].id
            assert identity("/proc/self/ns/time") == outside
            assert in_child(lambda: identity("/proc/self/ns/time")) == (id.dev, id.ino)
        assert in_child(lambda: identity("/proc/self/ns/time")) == outside
        in_worker(lambda: None)

    in_own_userns(enter, "time")


@powerful
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_pid(run: Run) -> None:
    """The first child inside is pid 1 of the fresh one; afterwards all is normal."""

    def forking() -> int:
        try:
            child = os.fork()
        except OSError as error:
            return error.errno or 0
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return 0

    def born() -> tuple[int, tuple[int, int]]:
        return os.getpid(), identity("/proc/self/ns/pid")

    def enter() -> None:
        outside = identity("/proc/thread-self/ns/pid")
        with unshared("pid") as fresh:
            id = fresh["pid"].id
            assert in_child(born) == (1, (id.dev, id.ino))
            # Its init has died: nobody is born there any more.
            assert [forking(), forking()] == [errno.ENOMEM] * 2
        number, namespace = in_child(born)
        assert (number > 1, namespace) == (True, outside)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: "a thread").result() == "a thread"

    run(enter)


@powerful
def test_pid_twice() -> None:
    """A fresh pid namespace inside another that is pending is refused, not lost."""
    before = own_all()
    with unshared("pid"):
        with pytest.raises((IrreversibleError, SystemCallError)), unshared("pid"):
            pass
        assert in_child(os.getpid) == 1
    assert own_all() == before
    assert in_child(os.getppid) == os.getpid()


@powerful
def test_pid_own_inside() -> None:
    """Inside a fresh pid namespace the old one is entered, and left for the fresh."""
    old = Namespace.current("pid")
    with unshared("pid"):
        with old:
            assert in_child(os.getppid) == os.getpid()
        assert in_child(os.getpid) == 1
    old.close()


def flags_of_loopback() -> int:
    """Return the flags of ``lo`` in the calling thread's net namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, 0x8913, request)  # SIOCGIFFLAGS
    return int(struct.unpack("16sH14x", answer)[1])


@powerful
@pytest.mark.parametrize("loopback", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_loopback(loopback: bool, run: Run) -> None:
    """The loopback of a fresh net namespace is down unless asked for."""

    def enter() -> None:
        with unshared("net", "uts", loopback=loopback):
            assert flags_of_loopback() & 1 == loopback
            assert [name for _, name in socket.if_nameindex()] == ["lo"]
            command = [program("ip"), "-o", "link", "show", "lo"]
            line = subprocess.check_output(command, text=True)
            assert ("LOOPBACK,UP" in line) is loopback

    run(enter)


@powerful
def test_keep_one() -> None:
    """The set is closed at the end, and a duplicate lives on."""
    before = own_all()
    with unshared("net", "uts", loopback=True) as fresh:
        kept = Namespace.from_fd(fresh["net"])
        socket.sethostname("pyns-fresh")
    assert fresh["net"].closed
    assert fresh["uts"].closed
    with pytest.raises(ClosedNamespaceError), fresh:
        pass
    with kept:
        assert own_all()["net"] == str(kept.id)
        assert flags_of_loopback() & 1
    assert own_all() == before
    kept.close()


@powerful
def test_enter_again_inside() -> None:
    """Inside, entering the fresh set changes nothing, and leaving it neither."""
    with unshared("net", "ipc") as fresh:
        inside = own_all()
        with fresh:
            assert own_all() == inside
        assert own_all() == inside


@powerful
def test_nested() -> None:
    """Fresh ones nest."""
    states = [own_all()]
    with unshared("net", "uts"):
        states.append(own_all())
        with unshared("net"):
            assert own_all()["net"] not in {state["net"] for state in states}
            assert own_all()["uts"] == states[1]["uts"]
        assert own_all() == states.pop()
    assert own_all() == states.pop()


@powerful
def test_object_twice() -> None:
    """An object that is entered cannot be so again until it is left."""
    fresh, before = unshared("uts"), own_all()
    with fresh as first:
        inside = own_all()
        with pytest.raises(RuntimeError), fresh:
            pass
        assert own_all() == inside
        assert not first["uts"].closed
    assert own_all() == before
    with fresh as second:
        assert own_all()["uts"] == str(second["uts"].id)
    assert own_all() == before


@powerful
def test_body_raises() -> None:
    """An exception in the body passes, and the thread is back."""
    before = own_all()
    with pytest.raises(ZeroDivisionError), unshared("uts") as fresh:
        raise ZeroDivisionError
    assert own_all() == before
    assert fresh["uts"].closed


@powerful
def test_out_of_order() -> None:
    """Left out of order nothing is switched, and it can be left in order later."""
    before = own_all()
    outer, inner = unshared("uts"), unshared("ipc")
    fresh = outer.__enter__()
    inner.__enter__()
    inside = own_all()
    with pytest.raises(RuntimeError):
        outer.__exit__(None, None, None)
    assert own_all() == inside
    assert not fresh["uts"].closed
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)
    assert own_all() == before
    assert fresh["uts"].closed


@powerful
def test_other_thread() -> None:
    """Another thread cannot leave what this one made."""
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(own_all).result()
        fresh = unshared("uts")
        with fresh:
            inside = own_all()
            left = pool.submit(fresh.__exit__, None, None, None)
            assert isinstance(left.exception(), RuntimeError)
            assert own_all() == inside
            assert pool.submit(own_all).result() == elsewhere


def test_repr() -> None:
    """It shows its types."""
    assert "net" in repr(unshared("net", "uts"))
    assert "uts" in repr(unshared("uts"))
