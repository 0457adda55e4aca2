"""The examples of the how-to about watching do what they say."""

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from commanding import COLOUR, ended, environment
from containers import runc
from naming import in_own_run
from starting import ROOT
from support import program
from terminals import COMMAND, screen
from test_docs_starting import ALL, parts_of
from typed_in import check, converted

PAGE: Final = "watch-namespaces"

CONTAINER: Final = "Who gets in"

ANYWHERE: Final = [
    # By whom it is watched is on the page, and so is what only the kernel can tell.
    ("What does a program do?", ("root",)),
    ("Without root", ("plain", "userns")),
    ("Forbid it", ALL),
    ("For other programs", ("root",)),
]


def _shell(line: str) -> None:
    """Type a command in, on a terminal that is as wide as that of the page."""
    typed = line.replace("pynamespaces", shlex.join(COMMAND), 1)
    script = 'stty -echo; echo; read _; stty columns 80; eval "$0"; echo "<ended $?>"'
    with tempfile.TemporaryDirectory() as folder:
        own, said = _quietly("unshare", Path(folder))
        with screen("sh", "-c", script, typed, **environment(**own)) as made:
            made.expect("\n")
            made.type("\n")
            text, _ = ended(made)
        print(COLOUR.sub("", text).rstrip("\n"))
        print(said.read_text(), end="")


def _quietly(name: str, folder: Path) -> tuple[dict[str, str], Path]:
    """Keep what a program says: on a terminal it may come amid what is told of it."""
    said, instead = folder / "said", folder / name
    said.touch()
    instead.write_text(
        f'#!/bin/sh\n[ -t 2 ] && exec 2>>{said}\nexec {program(name)} "$@"\n'
    )
    instead.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}, said


def _check(title: str, names: Mapping[str, object] = {}) -> None:
    """Type a section in, on terminals."""
    check(PAGE, title, {"shell": _shell, **names})


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.tier(*tiers)) for title, tiers in ANYWHERE],
)
def test_examples(title: str) -> None:
    """What needs nothing to be there runs as it stands."""
    program("unshare")
    if "jq" in converted(PAGE, title):
        program("jq")
    _check(title)


@ROOT
def test_container(tmp_path: Path) -> None:
    """What is said of a container is so of one that runc has started."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    converted(PAGE, CONTAINER)  # While the file can be read.
    with runc(folder) as container:

        def look() -> None:
            place = Path("/run/runc")
            place.mkdir()
            [state] = (folder / "state").iterdir()
            (place / "web").symlink_to(state)
            _check(CONTAINER, {"container_pid": container.pid})

        in_own_run(look)


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    tested = {CONTAINER, *(title for title, _ in ANYWHERE)}
    parts = {title: converted(PAGE, title) for title in parts_of(PAGE)}
    shown = {
        title for title, part in parts.items() if ">>>" in part.split("\n## ", 1)[1]
    }
    assert shown == tested
