"""Entering that is cut short: by hooks, arguments, and signals at any moment."""

import _thread
import ast
import inspect
import random
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, FunctionType
from typing import ParamSpec

import pytest
from provoking import FakeLib, replace
from support import in_child, own_all
from targets import POWER, fresh

from pynamespaces import Namespace, NamespaceSet, unshared
from pynamespaces._core import switch
from pynamespaces._lib import lib

P = ParamSpec("P")
Enter = Callable[[Namespace], AbstractContextManager[object]]

ENTERS: dict[str, tuple[Enter, object]] = {
    "with": (lambda namespace: namespace, switch.Enterable.__enter__),
    "enter": (lambda namespace: namespace.enter(), switch.enter_all),
    "set": (lambda namespace: NamespaceSet([namespace]), switch.enter_all),
    "unshared": (lambda namespace: unshared(namespace.type), switch.unshare_for_now),
}
FORMS = pytest.mark.parametrize("form", list(ENTERS))


class CutShort(BaseException):
    """What hooks, arguments and signal handlers raise here."""


class Unanswerable:
    """An argument that raises when it is looked at."""

    def __bool__(self) -> bool:
        raise CutShort


@contextmanager
def inside(namespace: Namespace) -> Iterator[dict[str, str]]:
    """Enter, check that the body moves nobody, and that leaving leads home."""
    home = own_all()
    with namespace:
        there = own_all()
        assert there != home
        yield there
        assert lib.pyns_depth() == 1
        assert own_all() == there
    assert own_all() == home
    assert lib.pyns_depth() == 0


@POWER
@FORMS
def test_hook_raises_inside_another(form: str) -> None:
    """An entry that an audit hook forbids does not undo the one around it."""

    def visit() -> None:
        armed = False

        def hook(name: str, args: object) -> None:
            if armed and name.startswith("pynamespaces."):
                raise CutShort

        sys.addaudithook(hook)
        with inside(outer):
            armed = True
            with pytest.raises(CutShort):
                ENTERS[form][0](inner).__enter__()
            armed = False

    with fresh("net") as outer, fresh("uts") as inner:
        in_child(visit)


@POWER
@pytest.mark.parametrize(
    "enter",
    [
        pytest.param(
            lambda _, wrong: unshared("mnt", unshare_fs=wrong), id="unshared mnt"
        ),
        pytest.param(
            lambda _, wrong: unshared("uts", unshare_fs=wrong), id="unshared uts"
        ),
        pytest.param(lambda uts, wrong: uts.enter(unshare_fs=wrong), id="enter"),
        pytest.param(
            lambda uts, wrong: NamespaceSet([uts]).enter(unshare_fs=wrong), id="set"
        ),
    ],
)
def test_argument_raises_inside_another(
    enter: Callable[[Namespace, Unanswerable], AbstractContextManager[object]],
) -> None:
    """Nor does an entry whose arguments cannot be made sense of."""

    def visit() -> None:
        with inside(outer):
            try:
                with enter(inner, Unanswerable()):
                    pass
            except CutShort:
                pass

    with fresh("net") as outer, fresh("uts") as inner:
        in_child(visit)


def lines_tried(function: FunctionType) -> list[int]:
    """Return the lines within the first ``try`` of a function."""
    text, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(text)))
    tried = next(node for node in ast.walk(tree) if isinstance(node, ast.Try))
    nodes = [node for part in tried.body for node in ast.walk(part)]
    return sorted({first + n.lineno - 1 for n in nodes if isinstance(n, ast.stmt)})


@contextmanager
def stopped_at(
    function: FunctionType, line: int, stop: Callable[[], object]
) -> Iterator[None]:
    """Call something whenever a line of a function is about to run."""

    def watch_lines(frame: FrameType, event: str, _: object) -> object:
        if event == "line" and frame.f_lineno == line:
            stop()
        return watch_lines

    def watch_calls(frame: FrameType, event: str, _: object) -> object:
        return watch_lines if frame.f_code is function.__code__ else None

    sys.settrace(watch_calls)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.settrace(None)


@POWER
@FORMS
@pytest.mark.parametrize("busy", [False, True], ids=["plain", "uses with"])
def test_cut_short_at_each_line(form: str, busy: bool) -> None:
    """What raises at any line of entering undoes that entry, and no other."""
    enter, function = ENTERS[form]
    assert isinstance(function, FunctionType)

    def visit() -> int:
        stops = 0

        def stop() -> None:
            nonlocal stops
            stops += 1
            if busy:
                with other:
                    pass
            raise CutShort

        for line in lines_tried(function):
            with inside(outer):
                try:
                    with stopped_at(function, line, stop), enter(inner):
                        pass
                except CutShort:
                    pass
        return stops

    with fresh("net") as outer, fresh("uts") as inner, fresh("ipc") as other:
        assert in_child(visit) >= 2


@POWER
@FORMS
def test_signal_waits_for_the_undoing(form: str) -> None:
    """A handler that raises as soon as a failure is dealt with comes too late."""
    enter, _ = ENTERS[form]

    def interrupted(function: Callable[P, int]) -> Callable[P, int]:
        """Let a call succeed, and raise while a signal waits to be looked at."""

        def call(*args: P.args, **more: P.kwargs) -> int:
            function(*args, **more)
            # No call of Python's own, after which it would look.
            for _ in map(_thread.interrupt_main, [signal.SIGUSR1]):
                raise CutShort
            return 0

        return call

    fake = FakeLib(
        pyns_enter=interrupted(lib.pyns_enter),
        pyns_enter_all=interrupted(lib.pyns_enter_all),
        pyns_unshare_scoped=interrupted(lib.pyns_unshare_scoped),
    )

    def visit() -> str:
        signal.signal(signal.SIGUSR1, late)
        with inside(outer):
            replace(switch, lib=fake, _enter=fake.pyns_enter)
            with pytest.raises(BaseException) as caught:
                enter(inner).__enter__()
        return f"{caught.value!r} during {caught.value.__context__!r}"

    def late(*_: object) -> None:
        raise ZeroDivisionError

    with fresh("net") as outer, fresh("uts") as inner:
        assert in_child(visit) == "ZeroDivisionError() during CutShort()"


@POWER
def test_handler_that_enters() -> None:
    """A handler that enters and leaves, and then raises, leaves a thread at home."""

    def visit() -> int:
        armed, interrupted, home = False, 0, own_all()

        def handler(*_: object) -> None:
            nonlocal armed
            if armed:
                armed = False
                with uts:
                    pass
                raise CutShort

        signal.signal(signal.SIGALRM, handler)
        for _ in range(2000):
            where: list[str] = []
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 60e-6))
                for _ in range(4):
                    with net:
                        pass
                armed = False
            except CutShort as error:
                interrupted += 1
                frames = traceback.extract_tb(error.__traceback__)
                where = [frame.name for frame in frames]
            # No context manager is safe on the threshold of its __exit__.
            if "__exit__" in where and lib.pyns_depth():
                net.__exit__(None, None, None)
            assert own_all() == home, where
            assert lib.pyns_depth() == 0
        return interrupted

    with fresh("net") as net, fresh("uts") as uts:
        assert in_child(visit) > 100
