"""The how-to about refusals: its examples work, and errors say what it quotes."""

import re
from typing import Final

import pytest
from provoking import need_own_user
from test_docs_starting import ALL, has_examples, parts_of
from typed_in import check, converted

from pynamespaces import NamespaceType
from pynamespaces._core.outcomes import no_way_back
from pynamespaces._table import TABLE

PAGE: Final = "know-why"

ADVICE: Final = "What to do about it"

ANYWHERE: Final = [
    ("Read the error", ALL),
    ("Catch what you can handle", ALL),
    ("Ask beforehand: what can be done here", ALL),
    ("Ask beforehand: can I get in there", ALL),
    # By whom it is typed in is on the page.
    ("On the command line", ("plain",)),
]


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.tier(*tiers)) for title, tiers in ANYWHERE],
)
def test_examples(title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    need_own_user()
    check(PAGE, title)


def test_advice_is_about_what_errors_say() -> None:
    """What the page quotes is in the text of an error, word for word."""
    quoted = re.findall(r"^\| `([^|]*)` \|", parts_of(PAGE)[ADVICE], re.MULTILINE)
    reasons = [row.reason for row in TABLE if row.reason]
    reasons += [str(no_way_back(type)) for type in NamespaceType]
    assert len(quoted) == len({*quoted}) > 10
    for text in quoted:
        assert any(text in reason for reason in reasons), text


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    parts = {title: converted(PAGE, title) for title in parts_of(PAGE)}
    shown = {title for title, part in parts.items() if has_examples(part)}
    assert shown == {title for title, _ in ANYWHERE}
