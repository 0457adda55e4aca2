"""The examples of the how-to about finding namespaces do what they say."""

from pathlib import Path
from typing import Final

import pytest
from containers import runc
from exemplary import in_run_of
from naming import in_own_run
from starting import POWER, ROOT
from test_docs_starting import ALL, has_examples, parts_of
from typed_in import check, converted

PAGE: Final = "find-namespaces"

CONTAINER: Final = "From a process to its container, and back"

ANYWHERE: Final = [
    ("Which there are", ALL),
    ("Why is it still alive?", ALL),
    ("What has changed", ALL),
    ("Keep it, and read it elsewhere", ALL),
    ("As a picture", ALL),
    # Others see all that there is, or nearly.
    ("What was not seen", ("plain",)),
]

NAMED: Final = ("By a name", "By a socket")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder where examples may write."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.tier(*tiers)) for title, tiers in ANYWHERE],
)
def test_examples(title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    check(PAGE, title)


@POWER
@pytest.mark.parametrize("title", NAMED)
def test_named(title: str) -> None:
    """What is said of names is so of one that nobody else sees."""
    converted(PAGE, title)  # while the file can be read
    in_own_run(lambda: check(PAGE, title))


@ROOT
def test_container(tmp_path: Path) -> None:
    """What is said of a container is so of one that runc has started."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    converted(PAGE, CONTAINER)
    with runc(folder) as container:
        names = {"container_pid": container.pid}
        in_run_of(folder, lambda: check(PAGE, CONTAINER, names))


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    tested = {CONTAINER, *NAMED, *(title for title, _ in ANYWHERE)}
    parts = {title: converted(PAGE, title) for title in parts_of(PAGE)}
    assert {title for title, part in parts.items() if has_examples(part)} == tested
