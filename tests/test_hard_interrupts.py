"""Entering that is cut short: by hooks, arguments, and signals at any moment."""

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

import pytest
from provoking import replace
from support import in_child, own_all
from targets import POWER, fresh

from pynamespaces import Namespace, NamespaceSet, unshared
from pynamespaces._core import switch
from pynamespaces._lib import Target, lib

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


def cut_short(*_: object) -> None:
    """Be a hook or a handler that raises."""
    raise CutShort


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
def test_two_signals_at_once() -> None:
    """Where a second handler raises just when the first is dealt with, it is undone."""

    def visit() -> bool:
        signals = {signal.SIGUSR1, signal.SIGUSR2}
        for number in signals:
            signal.signal(number, cut_short)
        enter = lib.pyns_enter

        def enter_and_be_interrupted(target: Target) -> int:
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            result = enter(target)
            for number in signals:
                signal.raise_signal(number)
            # Both arrive now: one is raised here, the other as soon as Python looks.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            return result

        before = own_all()
        replace(switch, _enter=enter_and_be_interrupted)
        with pytest.raises(CutShort) as caught:
            namespace.__enter__()
        assert isinstance(caught.value.__context__, CutShort)
        assert own_all() == before
        return lib.pyns_depth() == 0

    with fresh("uts") as namespace:
        assert in_child(visit)


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
