"""The examples of the how-to about sockets and files do what they say."""

from pathlib import Path
from typing import Final

import pytest
from containers import runc
from exemplary import in_run_of
from provoking import need_own_user
from starting import ROOT
from test_docs_starting import check_part, has_examples, parts_of

PAGE: Final = "sockets-and-files"

CONTAINER: Final = "From a container"

ANYWHERE: Final = (
    "Without root",
    "UDP, and all other kinds",
    "With asyncio",
    "With other libraries",
    "Names of hosts",
    "A file",
    "The name of the host",
)


@pytest.mark.parametrize("title", ANYWHERE)
def test_examples(title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    need_own_user()
    check_part(PAGE, title)


@ROOT
def test_container(tmp_path: Path) -> None:
    """What is said of a container is so of one that runc has started."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    parts_of(PAGE)  # while the file can be read
    with runc(folder) as container:
        names = {"container_pid": container.pid}
        in_run_of(folder, lambda: check_part(PAGE, CONTAINER, names))


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    parts = parts_of(PAGE).items()
    shown = {title for title, part in parts if has_examples(part)}
    assert shown == {CONTAINER, *ANYWHERE}
