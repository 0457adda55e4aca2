"""How commands fail: one line, perhaps a hint, and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import click

from ..errors import NamespaceError
from . import output

USAGE: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
READER_GONE: Final = 128 + signal.SIGPIPE


class Failure(click.ClickException):
    """Something that could not be done, and what works instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def told(work: Callable[[], object]) -> int:
    """Do the work of a command; return its exit status, failures being told."""
    if sys.stdout is None:
        sys.stdout = output.Closed()
    try:
        status = _status_of(work)
        output.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except output.ReaderGoneError:
        _drop_output()
        return READER_GONE
    except output.OutputError as error:
        _drop_output()
        _tell(str(error))
        return 1
    return status


def _status_of(work: Callable[[], object]) -> int:
    stdout = sys.stdout
    try:
        result = work()
    except click.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        context = error.ctx
        path = context.command_path if context is not None else "pynamespaces"
        _tell(error.format_message(), f"see {path} --help")
        return USAGE
    except click.ClickException as error:
        _tell(error.format_message(), getattr(error, "hint", None))
        return error.exit_code
    except (NamespaceError, OSError) as error:
        _tell(message_of(error), getattr(error, "hint", None))
        return 1
    except (ValueError, OverflowError) as error:
        # Something that nobody has thought of: who develops wants to see where.
        if sys.flags.dev_mode:
            raise
        name = type(error).__name__
        _tell(f"{name}: {error}", "PYTHONDEVMODE=1 shows where this is from")
        return 1
    except SystemExit:
        # By click: after completing, or because nobody reads its help; then it has
        # replaced the stream.
        if sys.stdout is stdout:
            raise
        sys.stdout = stdout
        raise output.ReaderGoneError from None
    # Commands return nothing, or the status of a program.
    return result if isinstance(result, int) else 0


def message_of(error: Exception) -> str:
    """Return what an error says, without its hint, which has a line of its own."""
    hint: str | None = getattr(error, "hint", None)
    return str(error).removesuffix(f" ({hint})")


def _tell(message: str, hint: str | None = None) -> None:
    output.note(message)
    if hint:
        output.note(hint, "hint")


def _drop_output() -> None:
    """Have what is still to be written go nowhere, in silence."""
    with suppress(OSError):
        fd = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(null, fd)
        os.close(null)
