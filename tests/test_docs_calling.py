"""The examples of the how-to about calling functions do what they say."""

from pathlib import Path
from typing import Final

import pytest
from containers import runc
from starting import ROOT
from test_docs_starting import ALL, check_part, has_examples, parts_of
from working import tracked

PAGE: Final = "call-a-function"

CONTAINER: Final = "In a container"
PROCESSES: Final = "A pool of processes"

ANYWHERE: Final = [
    ("Without root", ALL),
    ("From asyncio", ALL),
    ("A pool of threads", ("root", "userns")),
    ("If it fails", ALL),
]


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.tier(*tiers)) for title, tiers in ANYWHERE],
)
def test_examples(title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    check_part(PAGE, title)


@ROOT
def test_in_a_container(tmp_path: Path) -> None:
    """What is said of a container is so in one that runc has started."""
    with runc(tmp_path) as container:
        (tmp_path / "rootfs/etc/hostname").write_text("web-1\n")
        check_part(PAGE, CONTAINER, {"container_pid": container.pid})


def test_pools_of_processes() -> None:
    """Pools of processes do what is shown."""
    with tracked():
        check_part(PAGE, PROCESSES)


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    tested = {CONTAINER, PROCESSES, *(title for title, _ in ANYWHERE)}
    parts = parts_of(PAGE).items()
    assert {title for title, part in parts if has_examples(part)} == tested
