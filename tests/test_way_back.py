"""The way back: refused beforehand, out of order, failing, disturbed from outside."""

import errno
import os
import random
import signal
import stat
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, suppress
from types import FrameType

import pytest
from support import (
    ALL_TYPES,
    identity,
    in_child,
    own,
    own_all,
    program,
    run_python,
    status_field,
)
from targets import (
    CAP_SYS_ADMIN,
    CAP_SYS_CHROOT,
    PER_THREAD,
    POWER,
    RUNNERS,
    TYPES,
    WAYS,
    Runner,
    fresh,
    here,
    holder,
    in_thread,
    link,
    restore_power,
    without,
)

from pynamespaces import IrreversibleError, Namespace, RestoreError, TypeLike, setns

Enter = Callable[[Namespace], AbstractContextManager[Namespace]]
ALL_BUT_USER = pytest.mark.parametrize(
    "type", [type for type in ALL_TYPES if type != "user"]
)


def plainly(namespace: Namespace) -> AbstractContextManager[Namespace]:
    """Enter by ``with ns:``."""
    return namespace


def by_method(namespace: Namespace) -> AbstractContextManager[Namespace]:
    """Enter by ``with ns.enter():``."""
    return namespace.enter()


FORMS = pytest.mark.parametrize("enter", [plainly, by_method])


@FORMS
@RUNNERS
def test_user_is_irreversible(run: Runner, enter: Enter) -> None:
    """A user namespace is never entered, threads or not, and nothing has changed."""

    def visit() -> None:
        before, power = own_all(), status_field("CapEff")
        with pytest.raises(IrreversibleError, match=WAYS), enter(namespace):
            pass
        assert own_all() == before
        assert status_field("CapEff") == power

    with fresh("user") as namespace:
        run(visit)


@FORMS
@ALL_BUT_USER
def test_one_way_door(enter: Enter, type: TypeLike) -> None:
    """Where home belongs to a user namespace above, nothing is entered at all."""

    def visit() -> None:
        setns(user)
        before = own_all()
        with pytest.raises(IrreversibleError, match=WAYS), enter(namespace):
            pass
        assert own_all() == before

    with fresh(type, "user") as namespace, closing(namespace.owner()) as user:
        in_child(visit)


@POWER
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_owned_by_a_user_namespace_below(type: TypeLike) -> None:
    """What a user namespace below owns is entered and left as any other."""

    def visit() -> None:
        before = own_all()
        with namespace:
            assert here(type) == identity(namespace.fileno())
        assert own_all() == before

    with fresh(type, "user") as namespace:
        in_child(visit)


@POWER
@FORMS
@TYPES
def test_left_on_another_thread(enter: Enter, type: TypeLike) -> None:
    """Leaving on a thread that did not enter is a RuntimeError; nothing is switched."""
    home = own_all()
    with fresh(type) as namespace, ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        entry, target = enter(namespace), identity(namespace.fileno())
        entry.__enter__()
        with pytest.raises(RuntimeError):
            pool.submit(entry.__exit__, None, None, None).result()
        assert here(type) == target
        assert pool.submit(own_all).result() == home
        entry.__exit__(None, None, None)
        assert own_all() == home


@POWER
@FORMS
@pytest.mark.parametrize("types", [("net", "net"), ("uts", "net"), ("pid", "ipc")])
def test_left_out_of_order(enter: Enter, types: tuple[TypeLike, TypeLike]) -> None:
    """Leaving the outer one first is a RuntimeError; the right order works then."""
    home = own_all()
    with fresh(types[0]) as first, fresh(types[1]) as second:
        outer, inner = enter(first), enter(second)
        outer.__enter__()
        between = own_all()
        inner.__enter__()
        inside = own_all()
        with pytest.raises(RuntimeError):
            outer.__exit__(None, None, None)
        assert own_all() == inside
        inner.__exit__(None, None, None)
        assert own_all() == between
        outer.__exit__(None, None, None)
        assert own_all() == home


@POWER
@FORMS
@TYPES
def test_left_twice(enter: Enter, type: TypeLike) -> None:
    """Leaving twice, or without having entered, is a RuntimeError."""
    home = own_all()
    with fresh(type) as namespace, fresh(type) as around:
        entry = enter(namespace)
        with around:
            outside = own_all()
            for _ in range(2):
                with pytest.raises(RuntimeError):
                    entry.__exit__(None, None, None)
                assert own_all() == outside
                with entry:
                    assert here(type) == identity(namespace.fileno())
                assert own_all() == outside
    assert own_all() == home


@FORMS
def test_order_holds_where_already_there(enter: Enter) -> None:
    """Entries that switched nothing are left in order, too."""
    with (
        closing(Namespace.current("net")) as first,
        closing(Namespace.current("uts")) as second,
    ):
        outer, inner = enter(first), enter(second)
        with outer:
            inner.__enter__()
            with pytest.raises(RuntimeError):
                outer.__exit__(None, None, None)
            with pytest.raises(RuntimeError):
                in_thread(lambda: inner.__exit__(None, None, None))
            inner.__exit__(None, None, None)
        with pytest.raises(RuntimeError):
            outer.__exit__(None, None, None)


@POWER
@FORMS
@TYPES
def test_failing_way_back(enter: Enter, type: TypeLike) -> None:
    """A thread that cannot come back is lost, says so, and keeps the body's error."""
    body = ValueError("from the body")

    def lose() -> None:
        with pytest.raises(RestoreError) as caught, enter(namespace):
            without(CAP_SYS_ADMIN)
            raise body
        error = caught.value
        assert (error.errno, error.syscall) == (errno.EPERM, "setns")
        assert error.types == (type,)
        assert error.__context__ is body
        restore_power()
        lost = own_all()
        for other in (namespace, home, another):
            with pytest.raises(RestoreError) as caught, enter(other):
                pass
            assert caught.value.errno == errno.EPERM
        assert own_all() == lost
        # The others are as they were, while this one is lost.
        assert main.submit(visit).result() == before

    def visit() -> dict[str, str]:
        with namespace, another:
            assert here(type) == identity(namespace.fileno())
        return own_all()

    before = own_all()
    with (
        fresh(type) as namespace,
        fresh("ipc" if type == "net" else "net") as another,
        closing(Namespace.current(type)) as home,
        ThreadPoolExecutor(1) as main,
    ):
        assert main.submit(visit).result() == before
        in_thread(lose)
        # A thread that comes after may well get the memory of the lost one.
        assert in_thread(visit) == before
        assert visit() == before


@POWER
def test_lost_inside_another() -> None:
    """What a lost thread had entered before is left all the same, where that works."""

    def visit() -> None:
        before = own_all()
        with around:
            with pytest.raises(RestoreError), namespace:
                without(CAP_SYS_ADMIN)
            restore_power()
        after = own_all()
        assert [name for name in before if before[name] != after[name]] == ["uts"]

    with fresh("net") as around, fresh("uts") as namespace:
        in_child(visit)


@POWER
def test_lost_twice() -> None:
    """Where two ways back fail, each error has the one before as its context."""
    body = ValueError("from the body")

    def visit() -> None:
        with pytest.raises(RestoreError) as caught, around, namespace:
            without(CAP_SYS_ADMIN)
            raise body
        assert caught.value.types == ("net",)
        inner = caught.value.__context__
        assert isinstance(inner, RestoreError)
        assert inner.types == ("uts",)
        assert inner.__context__ is body

    with fresh("net") as around, fresh("uts") as namespace:
        in_child(visit)


_LOSE = """
import sys
from pynamespaces import Namespace, RestoreError
namespace = Namespace.from_path(sys.argv[1])
for what in "first", "later":
    try:
        with namespace:
            raise KeyError("body")
    except RestoreError as error:
        print(what, type(error.__context__).__name__, error.errno, error.syscall)
"""


@POWER
@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize(
    ("type", "call", "when"),
    [
        ("net", "setns", 2),
        ("pid", "setns", 2),
        ("mnt", "setns", 2),
        ("mnt", "chroot", 1),
        ("mnt", "fchdir", 1),
        ("mnt", "fchdir", 2),
    ],
)
def test_every_step_back(type: TypeLike, call: str, when: int, number: int) -> None:
    """Whatever system call of the way back fails, its errno is in the RestoreError."""
    name = errno.errorcode[number]
    inject = f"inject={call}:error={name}:when={when}"
    trace = [program("strace"), "-fqq", "--seccomp-bpf", "-o", os.devnull]
    trace += ["-e", f"trace={call}", "-e", inject]
    with holder(type) as pid:
        ran = run_python(_LOSE, link(pid, type), prefix=trace)
    first, later = (line.split() for line in ran.stdout.splitlines())
    assert first == ["first", "KeyError", str(number), call]
    assert later[0] == "later"
    assert later[2] == str(number)


@POWER
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_failing_entry(type: TypeLike) -> None:
    """An entry that the kernel refuses leaves the thread at home, and usable."""

    def visit() -> None:
        before = own_all()
        without(CAP_SYS_ADMIN, CAP_SYS_CHROOT)
        with pytest.raises((PermissionError, IrreversibleError)), namespace:
            pass
        assert own_all() == before
        restore_power()
        with namespace:
            assert here(type) == identity(namespace.fileno())
        assert own_all() == before

    with fresh(type) as namespace:
        in_child(visit)


def close_all() -> None:
    """Close descriptors as a careless daemon does; pipes stay, for the answer."""
    for number in range(3, 200):
        with suppress(OSError):
            if not stat.S_ISFIFO(os.fstat(number).st_mode):
                os.close(number)


FILLERS = ["nothing", "file", "pidfd", "thread pidfd", "namespace"]


def fill(how: str, pid: int, type: str) -> None:
    """Take all free low numbers with descriptors of what is not this thread's."""
    openers: dict[str, Callable[[], int]] = {
        "file": lambda: os.open(os.devnull, os.O_RDONLY),
        "pidfd": lambda: os.pidfd_open(pid),
        "thread pidfd": lambda: os.pidfd_open(pid, os.O_EXCL),  # PIDFD_THREAD
        "namespace": lambda: os.open(link(pid, type), os.O_RDONLY),
    }
    if how != "nothing":
        while openers[how]() < 100:
            pass


@POWER
@pytest.mark.parametrize("how", FILLERS)
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_descriptors_closed_by_a_stranger(type: TypeLike, how: str) -> None:
    """Descriptors that were closed and used by others mislead no later entry."""

    def visit() -> None:
        before, used = own_all(), []
        for _ in range(3):
            # Kept: a handle of a lost number closes what is not its own.
            used.append(Namespace.from_path(link(pid, type)))
            with used[-1]:
                assert here(type) == identity(link(pid, type))
            assert own_all() == before
            used.append(Namespace.current(type))
            assert own(type) == identity(used[-1].fileno())
            assert used[-1].is_current()
            close_all()
            fill(how, other, type)

    with holder(type) as pid, holder(type) as other:
        in_child(visit)


@POWER
@pytest.mark.parametrize("how", FILLERS)
@pytest.mark.parametrize("type", ["net", "uts"])
def test_child_closes_descriptors_inside(type: TypeLike, how: str) -> None:
    """A child that closed what it does not know cannot leave, and is told so."""

    def visit() -> int:
        child = -1
        try:
            with Namespace.from_path(link(pid, type)):
                if (child := os.fork()) == 0:
                    close_all()
                    fill(how, other, type)
        except RestoreError:
            os._exit(23)
        if child == 0:
            os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with holder(type) as pid, holder(type) as other:
        assert in_child(visit) == 23


class InterruptedByTest(BaseException):
    """What the signal handler of `test_interrupted` raises."""


def storm(entry: AbstractContextManager[object], type: str, rounds: int) -> int:
    """Enter and leave, a signal each time; return how many have interrupted."""
    home, armed, interrupted = here(type), False, 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise InterruptedByTest

    signal.signal(signal.SIGALRM, handler)
    for _ in range(rounds):
        where: list[str] = []
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 60e-6))
            with entry:
                pass
            with entry:
                pass
            armed = False
        except InterruptedByTest as error:
            interrupted += 1
            where = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        # No context manager is safe on the threshold of its __exit__.
        if "__exit__" in where and here(type) != home:
            entry.__exit__(None, None, None)
        assert here(type) == home, where
        with pytest.raises(RuntimeError):
            entry.__exit__(None, None, None)
    return interrupted


@POWER
@FORMS
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_interrupted(enter: Enter, type: TypeLike) -> None:
    """A signal handler that raises at any moment does not keep a thread from home."""
    with fresh(type) as namespace:
        assert in_child(lambda: storm(enter(namespace), type, 1500)) > 100


EVENT = "pynamespaces.setns"


@POWER
@FORMS
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
def test_audit_events(enter: Enter, type: TypeLike) -> None:
    """Entering and coming back raise an audit event each, with the type's name."""

    def visit() -> list[object]:
        events: list[object] = []

        def hook(name: str, args: object) -> None:
            if name == EVENT:
                events.append(args)

        sys.addaudithook(hook)
        with enter(namespace):
            events.append("body")
        return events

    with fresh(type) as namespace:
        there, body, back = in_child(visit)
    assert (there, body, back) == (((type,),), "body", ((type,),))


@POWER
@FORMS
@pytest.mark.parametrize("type", [*PER_THREAD, "mnt"])
@pytest.mark.parametrize("nth", [1, 2])
def test_audit_hook_raises(enter: Enter, type: TypeLike, nth: int) -> None:
    """A hook that raises prevents an entry, but strands no thread on its way back."""

    def visit() -> int:
        before, count, bodies = own_all(), 0, 0

        def hook(name: str, args: tuple[object, ...]) -> None:
            nonlocal count
            count += name == EVENT
            if name == EVENT and count == nth:
                raise ZeroDivisionError("from the hook")

        sys.addaudithook(hook)
        with pytest.raises(ZeroDivisionError, match="from the hook"):
            with enter(namespace):
                bodies += 1
        assert own_all() == before
        with enter(namespace):
            assert here(type) == identity(namespace.fileno())
        assert own_all() == before
        return bodies

    with fresh(type) as namespace:
        assert in_child(visit) == nth - 1
