"""The programs of the folder ``examples``, run as their readers would."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from naming import in_own_run
from starting import LIMIT

T = TypeVar("T")

TESTS: Final = Path(__file__).parent
EXAMPLES: Final = TESTS.parent / "examples"
PAGE: Final = TESTS.parent / "docs/examples.md"


def command(name: str | Path, *args: str, machine: str | None = None) -> list[str]:
    """Return the command of an example, or of a copy of one; on a machine of these."""
    under = [] if machine is None else [str(TESTS / "under.py"), machine]
    path = EXAMPLES / f"{name}.py" if isinstance(name, str) else name
    return [
        *([sys.executable, *under] if under else []),
        *(sys.executable, str(path), *args),
    ]


def example(
    name: str | Path,
    *args: str,
    machine: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run an example until it ends."""
    return subprocess.run(
        command(name, *args, machine=machine),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
        stdin=subprocess.DEVNULL,
        env=env,
    )


def check_refusal(
    done: subprocess.CompletedProcess[str], status: int, *words: str
) -> None:
    """It has done nothing, and says so in one line that has the words."""
    assert (done.returncode, done.stdout) == (status, ""), done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    for word in words:
        assert word in line


def in_run_of(folder: Path, function: Callable[[], T]) -> T:
    """Run in a child for which a container of `containers.runc` is called web."""
    [state] = (folder / "state").iterdir()

    def inside() -> T:
        place = Path("/run/runc")
        place.mkdir()
        (place / "web").symlink_to(state)
        return function()

    return in_own_run(inside)


def check_typed_in(title: str, folder: Path) -> None:
    """Type in what a section of the page has in consoles; compare what is shown."""
    (folder / "examples").symlink_to(EXAMPLES)
    tools = folder / "tools"
    tools.mkdir()
    (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tools / "python").chmod(0o755)
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"}
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    consoles = re.findall(r"^```console\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    typed = re.findall(
        r"^\$ (.*\n(?:> .*\n)*)((?:[^$].*\n)*)", "".join(consoles), re.MULTILINE
    )
    assert typed
    for script, expected in typed:
        done = subprocess.run(
            ["sh", "-c", script.replace("\n> ", "\n")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT,
            cwd=folder,
            env=env,
        )
        same = doctest.OutputChecker().check_output
        assert same(expected, done.stdout, doctest.ELLIPSIS), done.stdout


def shown(text: str) -> str:
    """Leave out what is another each time: numbers, and how wide columns are."""
    return re.sub(r" +", " ", re.sub(r"\d+", "#", text))
