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
    if sys.stdout is not None:
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
