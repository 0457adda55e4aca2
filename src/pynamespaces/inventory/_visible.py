"""Names that others have chosen, made fit to be looked at."""

from typing import Final

_BYTES: Final = range(0xDC80, 0xDD00)


def visible(text: str) -> str:
    r"""
    Return text with all that a terminal would obey, or not show, written out.

    What cannot be printed is escaped as in Python, and a byte that is not UTF-8 is
    ``\xff``. What is returned can be encoded, and is one line.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code in _BYTES:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
