"""
What comes back from a process in which a function was called.

An answer is a letter, the length of the rest, and the rest, which is pickled. A
process that is killed on the way leaves one that is too short, or none.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from .. import _core
from .._types import override
from ..errors import CallError
from . import settle

HEAD: Final = 9
"""The length of what says how long the rest is."""

VALUE: Final = b"V"
RAISED: Final = b"R"
EXITED: Final = b"X"
UNFIT: Final = b"U"
REFUSED: Final = b"E"
HANDLE: Final = b"H"


class Answer(NamedTuple):
    """What a process said."""

    letter: bytes
    rest: bytes | bytearray

    def head(self) -> bytes:
        return self.letter + len(self.rest).to_bytes(HEAD - 1, "big")


class RemoteTraceback(Exception):  # noqa: N818 - no error, but the cause of one
    """Where in another process an exception was raised."""

    @override
    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


# --- in that process ----------------------------------------------------------------


def outcome(work: Callable[[], object]) -> Answer:
    """Do the work, and return what is to be said of it."""
    try:
        value = settle.refuse_unrun(work())
    except SystemExit as error:
        said = exit_status(error), _described(error.code)
        return Answer(EXITED, pickle.dumps((said, text_of(error))))
    except BaseException as error:  # noqa: BLE001 - the caller's to handle
        return _raised(error)
    try:
        return Answer(VALUE, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    except BaseException as error:  # noqa: BLE001 - whatever its methods raise
        what = f"what it returned, {_described(value)}, cannot be pickled"
        return Answer(UNFIT, pickle.dumps((what, text_of(error))))


def _raised(error: BaseException) -> Answer:
    text = text_of(error)
    try:
        pickled = pickle.dumps((error, text))
        # Those with arguments of their own are often lost only here.
        if type(pickle.loads(pickled)[0]) is type(error):
            return Answer(RAISED, pickled)
    except BaseException:  # noqa: BLE001 - the code of the exception's class
        pass
    what = f"it raised {_described(error)}, which cannot be pickled"
    return Answer(UNFIT, pickle.dumps((what, text)))


def refused(error: BaseException) -> Answer:
    """Return what is to be said where the work could not be begun."""
    # What ends a process, as a main module may when it is imported, is not to end the
    # caller.
    if isinstance(error, Exception):
        with suppress(Exception):  # As above.
            return Answer(REFUSED, pickle.dumps((error, text_of(error))))
    said = CallError(f"the process could not begin: {_described(error)}")
    return Answer(REFUSED, pickle.dumps((said, text_of(error))))


def exit_status(error: SystemExit) -> int:
    """Return the exit status that ``sys.exit`` stands for."""
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def text_of(error: BaseException) -> str:
    """Return the traceback as text."""
    try:
        with _core.away.nothing_imported():
            return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - of an exception that cannot be printed
        return f"{type(error).__name__}\n"


def _described(value: object) -> str:
    try:
        text = repr(value)
    except BaseException:  # noqa: BLE001 - whatever it does
        return f"a {type(value).__qualname__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


# --- in the one that has called -----------------------------------------------------


def value_of(answer: Answer, exitcode: int | None) -> object:
    """Return the value that an answer has, or raise what it says."""
    loaded: object
    try:
        loaded = pickle.loads(answer.rest)
    except OSError:
        raise  # Of a signal handler's, more likely than of what is unpickled.
    except Exception as error:
        raise CallError(
            f"what the function returned cannot be unpickled here: {_described(error)}",
            exitcode,
        ) from error
    if answer.letter == VALUE:
        return loaded
    assert isinstance(loaded, tuple)
    said, text = loaded
    told = _exception(answer.letter, said, exitcode)
    if answer.letter == REFUSED and not isinstance(told, CallError):
        raise told  # By this package, as it would be here.
    raise told from RemoteTraceback(text)


def _exception(letter: bytes, said: object, exitcode: int | None) -> BaseException:
    if letter == UNFIT:
        return CallError(f"the function is through, but {said}", exitcode)
    if letter == EXITED:
        assert isinstance(said, tuple)
        status, code = said
        return CallError(f"the function ended by sys.exit({code})", status)
    assert isinstance(said, BaseException)
    return said
