"""Where a picture or a page is written: a file, or standard output."""

from __future__ import annotations

from . import output
from .failures import Failure

STANDARD_OUTPUT = "-"


def save(path: str, text: str) -> None:
    """
    Write text to a file, or to standard output.

    Raises:
        Failure: The file cannot be written.
    """
    if path == STANDARD_OUTPUT:
        output.write(text if text.endswith("\n") else text + "\n")
        return
    try:
        # What names hold that is not UTF-8 is written as escapes.
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"cannot write {path!r}: {error.strerror}") from None
