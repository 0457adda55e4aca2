"""Old kernels: without ioctls on pidfds, pidfds of threads, or NSGET_ID."""

import fcntl
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import pytest
from holding import Holder, holder, in_own_userns
from newer import has, leads_to_pending
from old_kernels import (
    GET_ID,
    KERNELS,
    PIDFD_REQUESTS,
    PIDFD_THREAD,
    become_old,
    on_old,
)
from support import ALL_TYPES, identity, in_child, own, own_all, run_python
from watching import Tasks, bystanders, in_worker, link_of

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    NamespaceSet,
    NamespaceType,
    NoSuchProcessError,
    TypeLike,
    unshared,
)

T = TypeVar("T")

powerful = pytest.mark.tier("root", "userns")

PER_THREAD: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "uts")

kernels = pytest.mark.parametrize("kernel", KERNELS)
runs = pytest.mark.parametrize(
    "run", [lambda function: function(), in_worker], ids=["main", "worker"]
)


@kernels
def test_looks_old(kernel: str) -> None:
    """The filter does what the tests here rely upon."""

    def probe() -> tuple[bool, bool, bool]:
        pidfd = os.pidfd_open(os.getpid())
        try:
            with_ioctls = _works(lambda: fcntl.ioctl(pidfd, 0xFF04, 0))
            with closing(Namespace.current("net")) as net:
                with_ids = net.id.unique is not None
            with_threads = _works(lambda: os.pidfd_open(os.getpid(), PIDFD_THREAD))
        finally:
            os.close(pidfd)
        return with_ids, with_ioctls, with_threads

    requests, no_thread_pidfds = KERNELS[kernel]
    ids, ioctls, threads = in_child(probe)
    assert on_old(kernel, probe) == (
        ids and not set(GET_ID) & set(requests),
        ioctls and not set(PIDFD_REQUESTS) & set(requests),
        threads and not no_thread_pidfds,
    )


def _works(opener: Callable[[], int]) -> bool:
    try:
        os.close(opener())
    except OSError:
        return False
    return True


@kernels
@runs
def test_current(kernel: str, run: Callable[[Callable[[], None]], None]) -> None:
    """A thread's own namespaces are its own, also where it has moved."""

    def look() -> None:
        for type in NamespaceType:
            with closing(Namespace.current(type)) as namespace:
                assert identity(namespace.fileno()) == own(type)
                assert namespace.is_current()
        with closing(NamespaceSet.current()) as members:
            assert set(members) == set(NamespaceType)

    on_old(kernel, lambda: run(look))


@powerful
@kernels
def test_current_moved(kernel: str) -> None:
    """A worker that has moved is not taken for the leader of its process."""

    def look() -> None:
        leader = own("net")
        with unshared("net", "uts") as fresh:
            for _ in range(2):
                with closing(Namespace.current("net")) as namespace:
                    assert identity(namespace.fileno()) == own("net") != leader
                    assert namespace == fresh["net"]

    on_old(kernel, lambda: in_worker(look))


@kernels
def test_from_pid(kernel: str) -> None:
    """The namespaces of a process are its own, by pid, by pidfd and by a set."""

    def look() -> None:
        pidfd = os.pidfd_open(target.pid)
        for type in NamespaceType:
            there = identity(f"/proc/{target.pid}/ns/{type}")
            for namespace in (
                Namespace.from_pid(target.pid, type),
                Namespace.from_pidfd(pidfd, type),
            ):
                assert identity(namespace.fileno()) == there
                namespace.close()
        for members in (
            NamespaceSet.from_pid(target.pid),
            NamespaceSet.from_pidfd(pidfd),
        ):
            assert set(members) == set(NamespaceType)
            members.close()
        os.close(pidfd)

    with holder("user", "net", "uts") as target:
        on_old(kernel, look)


@kernels
def test_from_dead_pid(kernel: str) -> None:
    """A dead process is said to be one, as a zombie and when it is gone."""

    def look() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        pidfd = os.pidfd_open(child)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        with pytest.raises(NoSuchProcessError):
            Namespace.from_pid(child, "net")
        os.waitpid(child, 0)
        with pytest.raises(NoSuchProcessError):
            Namespace.from_pid(child, "net")
        with pytest.raises(NoSuchProcessError):
            Namespace.from_pidfd(pidfd, "net")
        with pytest.raises(NoSuchProcessError):
            NamespaceSet.from_pid(child)

    on_old(kernel, look)


@powerful
@kernels
@pytest.mark.parametrize("opener", ["namespace", "set"])
def test_from_thread(kernel: str, opener: str) -> None:
    """The namespaces of a thread are its own, not those of its process."""

    def look() -> None:
        over, moved = threading.Event(), threading.Event()

        def stand() -> None:
            with unshared("net"):
                moved.set()
                over.wait(10)

        with ThreadPoolExecutor(1) as pool:
            standing = pool.submit(stand)
            assert moved.wait(10)
            (tid,) = {*map(int, os.listdir("/proc/self/task"))} - {os.getpid()}
            try:
                if opener == "set":
                    found = NamespaceSet.from_pid(tid, "net", "uts")
                    namespace = found["net"]
                else:
                    namespace = Namespace.from_pid(tid, "net")
                there = identity(f"/proc/self/task/{tid}/ns/net")
                assert identity(namespace.fileno()) == there != own("net")
            finally:
                over.set()
            standing.result()

    on_old(kernel, look)


@powerful
@kernels
@runs
@pytest.mark.parametrize("together", [True, False], ids=["set", "each"])
def test_enter(
    kernel: str, run: Callable[[Callable[[], None]], None], together: bool
) -> None:
    """Entering and leaving do the same, one by one and by a set."""
    types = (*PER_THREAD, "mnt")

    def enter_each(target: Holder) -> None:
        with (
            Tasks() as tasks,
            closing(NamespaceSet.from_pid(target.pid, *types)) as members,
        ):
            before, others = tasks.state(), tasks.others()
            groups = (
                [members]
                if together
                else [NamespaceSet([one]) for one in members.values()]
            )
            for group in groups:
                with group.enter(unshare_fs=True):
                    for member in group.values():
                        there = tasks.identity(link_of(member.type))
                        assert there == (member.id.dev, member.id.ino)
                    assert tasks.others() == others
                assert tasks.state() == before
                assert tasks.others() == others

    with holder(*types) as target:
        on_old(kernel, lambda: run(lambda: enter_each(target)))


@powerful
@kernels
def test_enter_current(kernel: str) -> None:
    """Where a thread is already, nothing changes, and nothing is refused."""

    def enter() -> None:
        before = own_all()
        with closing(NamespaceSet.current()) as members, members:
            for member in members.values():
                with member:
                    assert own_all() == before
        assert own_all() == before

    on_old(kernel, lambda: in_worker(enter))


@kernels
def test_refusals(kernel: str) -> None:
    """What cannot be entered is refused all the same, before anything changes."""

    def enter() -> None:
        before = own_all()
        with closing(NamespaceSet.from_pid(target.pid)) as members, bystanders(1):
            with pytest.raises(IrreversibleError), members:
                pass
            with pytest.raises(MultithreadedError), unshared("time"):
                pass
        assert own_all() == before

    with holder("user", "uts") as target:
        on_old(kernel, enter)


@kernels
def test_no_way_back(kernel: str) -> None:
    """In an own user namespace, only what it owns is entered, and left."""

    def enter() -> None:
        become_old(kernel)
        before = own_all()
        with (
            holder("uts", "net") as target,
            closing(NamespaceSet.from_pid(target.pid, "uts", "net")) as members,
        ):
            with pytest.raises(IrreversibleError, match="net"), members:
                pass
            with members["uts"]:
                assert own_all()["uts"] == str(members["uts"].id)
        assert own_all() == before

    in_own_userns(enter, "uts")


@powerful
@kernels
@runs
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_unshared(
    kernel: str, run: Callable[[Callable[[], None]], None], type: TypeLike
) -> None:
    """Fresh ones are left; only a pending pid namespace cannot be opened."""
    # Only a pidfd of the thread itself leads to it before its first process, or a link
    # of the newest kernels.
    by_pidfd = kernel == "6.17" and has("pidfd-namespaces")
    late = type == "pid" and not by_pidfd and not leads_to_pending()

    def enter() -> None:
        with Tasks() as tasks:
            before = tasks.state()
            with unshared(type, unshare_fs=True) as fresh:
                assert tasks.state()[link_of(type)] != before[link_of(type)]
                assert set(fresh) == (set() if late else {type})
                if type == "pid":
                    assert in_child(os.getpid) == 1
                else:
                    assert fresh[type].is_current()
            assert tasks.state() == before

    on_old(kernel, lambda: run(enter))


@kernels
def test_new_interpreter(kernel: str) -> None:
    """An interpreter that has never seen a newer kernel gives the same answers."""
    code = (
        "import sys; from old_kernels import become_old; become_old(sys.argv[1]);"
        "from support import own, ALL_TYPES, identity;"
        "from pynamespaces import Namespace, NamespaceSet;"
        "spaces = NamespaceSet.current();"
        "assert all(identity(spaces[t].fileno()) == own(t) for t in ALL_TYPES);"
        "spaces.__enter__(); spaces.__exit__(None, None, None);"
        "print(len(spaces))"
    )
    folder = os.path.dirname(__file__)
    search = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    done = run_python(code, kernel, prefix=["env", f"PYTHONPATH={search}"])
    assert done.stdout.split() == [str(len(ALL_TYPES))]
