"""The examples of the how-to about finding namespaces do what they say."""

import doctest
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from commanding import environment
from containers import runc
from naming import in_own_run
from starting import POWER, ROOT
from terminals import COMMAND
from test_docs_starting import ALL, has_examples, parts_of

from pynamespaces._types import override

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

_CONSOLE: Final = re.compile(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", re.MULTILINE)


class Checker(doctest.OutputChecker):
    """Numbers are others each time; so are users, and where branches begin."""

    @override
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Return whether it is the same but for these, and for blanks."""
        return super().check_output(_plain(want), _plain(got), optionflags)


def _plain(text: str) -> str:
    text = re.sub(r"\s*…\s*", "...", re.sub("[│├└─]", "", text))
    return re.sub(r"\d+", "#", re.sub(r"\b(root|nobody)\b", "who", text))


def typed_in_shell(found: re.Match[str]) -> str:
    """Return an example that types a command in, for one of a shell."""
    line, said = found.groups()
    said = re.sub(r"^$", "<BLANKLINE>", said.rstrip("\n"), flags=re.MULTILINE)
    return f">>> shell({line!r})\n{said}\n\n" if said else f">>> shell({line!r})\n"


def shell(line: str) -> None:
    """Type a command in, by a process that is called as on the page."""
    done = subprocess.run(
        ["sh", "-c", line.replace("pynamespaces", shlex.join(COMMAND), 1)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    own = Path("/proc/self/comm").read_text().strip()
    # Where the tests are, as in mounts of their own, is not what the page is about.
    itself = re.compile(rf"\b{os.getpid()} {re.escape(own)}(  [a-z]+:\[\d+\])*")
    print(itself.sub("4211 python3", done.stdout), end="")


@cache
def converted(title: str) -> str:
    """Return a section in which all examples are Python's."""
    return _CONSOLE.sub(typed_in_shell, parts_of(PAGE)[title])


def check(title: str, names: Mapping[str, object] = {}) -> None:
    """Type a section in, line by line, and compare what is shown."""
    both = {"shell": shell, **names}
    parser = doctest.DocTestParser()
    test = parser.get_doctest(converted(title), both, f"{PAGE}: {title}", None, None)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=flags)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0


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
    check(title)


@POWER
@pytest.mark.parametrize("title", NAMED)
def test_named(title: str) -> None:
    """What is said of names is so of one that nobody else sees."""
    converted(title)  # while the file can be read
    in_own_run(lambda: check(title))


@ROOT
def test_container(tmp_path: Path) -> None:
    """What is said of a container is so of one that runc has started."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    converted(CONTAINER)
    with runc(folder) as container:

        def look() -> None:
            place = Path("/run/runc")
            place.mkdir()
            [state] = (folder / "state").iterdir()
            (place / "web").symlink_to(state)
            check(CONTAINER, {"container_pid": container.pid})

        in_own_run(look)


def test_all_are_tested() -> None:
    """No section with examples is left out."""
    tested = {CONTAINER, *NAMED, *(title for title, _ in ANYWHERE)}
    parts = {title: converted(title) for title in parts_of(PAGE)}
    assert {title for title, part in parts.items() if has_examples(part)} == tested
