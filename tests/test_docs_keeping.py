"""The examples of the how-to about names and pins do what they say."""

import os
from typing import Final

import pytest
from naming import in_own_run
from provoking import need_own_user
from starting import POWER
from support import program
from test_docs_starting import check_part, has_examples, parts_of
from typed_in import check, converted

PAGE: Final = "name-and-keep"

UNPRIVILEGED: Final = "Without root"

WITH_POWER: Final = (
    "A network with a name",
    "Names that are taken, gone or stale",
    "Any type, by a file",
    "A reference that keeps nothing",
)


@POWER
@pytest.mark.parametrize("title", WITH_POWER)
def test_with_power(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of names and files is so where nobody else sees them."""
    folder = os.path.dirname(program("ip"))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{folder}")
    converted(PAGE, title)  # while the file can be read

    def type_in() -> None:
        # A mount of one's own, too, which a file may be pinned on.
        os.chdir("/run")
        check(PAGE, title)

    in_own_run(type_in)


def test_without_root() -> None:
    """Names are to be had in a mount namespace of one's own."""
    need_own_user()
    check_part(PAGE, UNPRIVILEGED)


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    parts = {title: converted(PAGE, title) for title in parts_of(PAGE)}
    shown = {title for title, part in parts.items() if has_examples(part)}
    assert shown == {UNPRIVILEGED, *WITH_POWER}
