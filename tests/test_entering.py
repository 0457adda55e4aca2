"""Entering one namespace, and being home afterwards: the calling thread."""

import copy
import ctypes
import gc
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from support import (
    ALL_TYPES,
    TIER,
    identity,
    in_child,
    own,
    own_all,
    program,
    run_python,
)
from targets import (
    PER_THREAD,
    POWER,
    PR_SET_DUMPABLE,
    RUNNERS,
    TYPES,
    Runner,
    fresh,
    here,
    holder,
    in_thread,
    link,
)

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespacePermissionError,
    TypeLike,
    unshare,
)


@POWER
@TYPES
@RUNNERS
def test_inside_then_home(run: Runner, type: TypeLike) -> None:
    """The body is in the target, other types stay, and afterwards all is as before."""

    def visit() -> None:
        before = own_all()
        moved = "pid_for_children" if type == "pid" else type
        with namespace as given:
            assert given is namespace
            assert here(type) == identity(namespace.fileno())
            inside = own_all()
            assert [name for name in before if inside[name] != before[name]] == [moved]
        assert own_all() == before

    with fresh(type) as namespace:
        assert identity(namespace.fileno()) != here(type)
        run(visit)


@POWER
@TYPES
def test_enter_gives_the_namespace(type: TypeLike) -> None:
    """``enter()`` is what ``with`` itself is, and gives the same object."""
    home = here(type)
    with fresh(type) as namespace:
        with namespace.enter() as given:
            assert given is namespace
            assert here(type) == identity(namespace.fileno())
        assert here(type) == home


@POWER
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@TYPES
def test_body_exception_passes(type: TypeLike, kind: type[BaseException]) -> None:
    """An exception of the body arrives as it was raised, and the thread is home."""
    home, error = own_all(), kind("from the body")
    with fresh(type) as namespace:
        with pytest.raises(kind) as caught, namespace:
            raise error
        assert caught.value is error
        assert error.__context__ is None
        assert error.__cause__ is None
        assert own_all() == home


@POWER
@TYPES
def test_nested(type: TypeLike) -> None:
    """Each exit returns to where its entry came from, also to the same type."""
    home = here(type)
    with fresh(type) as first, fresh(type) as second:
        one, two = identity(first.fileno()), identity(second.fileno())
        seen = []
        with first:
            with first:
                with second:
                    with first:
                        seen.append(here(type))
                    seen.append(here(type))
                seen.append(here(type))
            seen.append(here(type))
    assert seen == [one, two, one, one]
    assert here(type) == home


@POWER
def test_nested_types() -> None:
    """Namespaces of different types are left one by one."""
    before = own_all()
    with fresh("net") as net, fresh("uts") as uts, fresh("pid") as pid:
        with net, pid, uts:
            inside = [here(type) for type in ("net", "pid", "uts")]
        targets = [identity(one.fileno()) for one in (net, pid, uts)]
    assert inside == targets
    assert own_all() == before


@pytest.mark.parametrize("type", ALL_TYPES)
@RUNNERS
def test_already_there(run: Runner, type: TypeLike) -> None:
    """Where the thread already is, no type is refused, whoever asks, and all stays."""

    def stay() -> None:
        before = own_all()
        with closing(Namespace.current(type)) as namespace:
            with namespace, namespace.enter(), namespace.enter(unshare_fs=True):
                assert own_all() == before
        assert own_all() == before

    run(stay)


_STAY = """
import sys
from pynamespaces import Namespace
for type in sys.argv[1:]:
    with Namespace.current(type) as namespace, namespace, namespace.enter():
        pass
"""


def test_already_there_makes_no_setns(tmp_path: Path) -> None:
    """Where the thread already is, strace sees no setns(2)."""
    log = tmp_path / "log"
    trace = [program("strace"), "-f", "-qq", "-e", "trace=setns", "-o", str(log)]
    run_python(_STAY, *ALL_TYPES, prefix=trace)
    assert log.read_text() == ""


@POWER
def test_entered_twice_switches_once(tmp_path: Path) -> None:
    """Entering again what one has entered makes no further setns(2)."""
    log = tmp_path / "log"
    trace = [program("strace"), "-f", "-qq", "-e", "trace=setns", "-o", str(log)]
    code = (
        "import sys; from pynamespaces import Namespace\n"
        "with Namespace.from_path(sys.argv[1]) as it, it, it.enter(): pass"
    )
    with holder("uts") as pid:
        run_python(code, link(pid, "uts"), prefix=trace)
    assert log.read_text().count("setns(") == 2


@POWER
@RUNNERS
def test_children_are_born_inside(run: Runner) -> None:
    """Inside a pid namespace the thread stays itself, and its children are there."""

    def bear() -> None:
        home = own("pid")
        with namespace:
            assert own("pid") == home
            assert not namespace.is_current()
            assert in_child(lambda: own("pid")) == identity(namespace.fileno())
        assert in_child(lambda: own("pid")) == home

    with fresh("pid") as namespace:
        run(bear)


@POWER
@RUNNERS
def test_no_thread_starts_inside_pid(run: Runner) -> None:
    """Inside a pid namespace no thread can be started; afterwards one can."""

    def start() -> None:
        with namespace, pytest.raises(RuntimeError, match="thread"):
            threading.Thread(target=int).start()
        assert in_thread(lambda: own("pid")) == own("pid")

    with fresh("pid") as namespace:
        run(start)


@POWER
def test_other_threads_bear_at_home() -> None:
    """While one thread is in a pid namespace, others start threads and children."""
    with fresh("pid") as namespace, ThreadPoolExecutor(1) as pool:
        # The worker exists before: its birth is not what is tested.
        pool.submit(int).result()
        with namespace:
            other = pool.submit(lambda: in_thread(lambda: in_child(own_all)))
            assert other.result()["pid"] == own_all()["pid"]


@POWER
def test_home_pid_inside_another() -> None:
    """Inside a pid namespace, entering the home one has children born at home."""
    with fresh("pid") as namespace, closing(Namespace.current("pid")) as home:
        with namespace:
            with home:
                assert here("pid") == identity(home.fileno())
            assert here("pid") == identity(namespace.fileno())
        assert here("pid") == identity(home.fileno())


@POWER
def test_pending_pid_comes_back() -> None:
    """A thread whose children are due elsewhere for good has them so afterwards."""

    def visit() -> None:
        unshare("pid")
        # The first process of a pid namespace is the one that it lives by.
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        before = own_all()
        assert before["pid_for_children"] != before["pid"]
        with namespace:
            assert here("pid") == identity(namespace.fileno())
        assert own_all() == before
        os.close(writer)
        os.wait()

    with fresh("pid") as namespace:
        in_child(visit)


@pytest.mark.tier("root", "plain")
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt", "time"])
def test_ordinary_user_is_refused(type: TypeLike) -> None:
    """What the kernel does not allow is a PermissionError, and nothing changed."""

    def enter() -> None:
        if TIER == "root":
            become_ordinary()
        before = own_all()
        for entry in (namespace, namespace.enter(unshare_fs=True)):
            with pytest.raises(NamespacePermissionError), entry:
                pass
        assert own_all() == before

    # An ordinary user gets other namespaces only along with a user namespace.
    with fresh(type, *(["user"] if TIER == "plain" else [])) as namespace:
        in_child(enter)


def become_ordinary() -> None:
    """Become a user without any capability, for good."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    # After setuid(2) the files under /proc/self are root's.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)


@pytest.mark.parametrize("type", ALL_TYPES)
def test_closed_handle(type: TypeLike) -> None:
    """A closed handle is not entered, not even where the thread already is."""
    namespace = Namespace.current(type)
    namespace.close()
    with pytest.raises(ClosedNamespaceError), namespace:
        pass
    with pytest.raises(ClosedNamespaceError), namespace.enter():
        pass


@POWER
@TYPES
def test_closed_inside(type: TypeLike) -> None:
    """Closing inside is fine: the body stays inside, the way back works."""
    before = own_all()
    with fresh(type) as namespace:
        target = identity(namespace.fileno())
        with namespace:
            namespace.close()
            assert here(type) == target
            with pytest.raises(ClosedNamespaceError), namespace:
                pass
            assert here(type) == target
        assert own_all() == before


@POWER
@TYPES
def test_dropped_inside(type: TypeLike) -> None:
    """A handle that only ``with`` holds brings the thread home, and closes itself."""
    before = own_all()
    with holder(type) as pid:
        target, count = identity(link(pid, type)), len(os.listdir("/proc/self/fd"))
        with Namespace.from_path(link(pid, type)):
            gc.collect()
            assert here(type) == target
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == count
    assert own_all() == before


def test_dropped_handle_closes_its_descriptor() -> None:
    """A handle that nobody uses any more closes its descriptor, without a warning."""
    namespace = Namespace.current("net")
    number = namespace.fileno()
    del namespace
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(number)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_not_copied(duplicate: Callable[[Namespace], object]) -> None:
    """Copying and pickling are refused, in words that name ``.ref()``."""
    with closing(Namespace.current("uts")) as namespace:
        with pytest.raises(TypeError, match=r"\.ref\(\)"):
            duplicate(namespace)
