"""The command line, run as a program: through pipes, or on a terminal of a size."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pytest
from terminals import COMMAND, Screen, screen

from pynamespaces.cli import scanning
from pynamespaces.inventory import Inventory

ALL: Final = (
    *("list", "tree", "show", "exec", "run", "pin", "unpin", "netns", "trace"),
    *("doctor", "demo"),
)
"""The commands that there are."""

COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_PATIENCE: Final = 60.0


def environment(**changes: str) -> dict[str, str]:
    """Return the environment, without what would change how things are printed."""
    names = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **changes}


def pynamespaces(
    *arguments: str, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, without a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment() if env is None else env,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )


def check_refusal(
    done: subprocess.CompletedProcess[str], status: int, *words: str
) -> None:
    """It ended with a status, and one line, perhaps with a hint, that has the words."""
    assert done.returncode == status, done.stderr
    check_refusal_text(done.stderr, *words)


def check_refusal_text(text: str, *words: str) -> None:
    """It is one line, perhaps with a hint, that has the words."""
    line, *others = text.splitlines()
    assert line.startswith("pynamespaces: "), text
    assert "Traceback" not in text
    assert len(others) <= 1, text
    assert all(other.startswith("hint: ") for other in others), text
    for word in words:
        assert word in text


def lines_on_terminal(
    *arguments: str, width: int = 80, height: int = 40, **env: str
) -> list[str]:
    """
    Run a command on a terminal of a size, successfully.

    Return what it prints without its colours; other escape sequences are left.
    """
    text = text_on_terminal(*arguments, width=width, height=height, **env)
    return COLOUR.sub("", text).splitlines()


def text_on_terminal(
    *arguments: str, width: int = 80, height: int = 40, **env: str
) -> str:
    """Run a command on a terminal of a size, successfully; return what it prints."""
    # On a busy machine, standard error would show how far a scan is.
    with on_terminal(
        *arguments, width=width, height=height, stderr="/dev/null", **env
    ) as made:
        text, status = ended(made)
    assert status == 0, text
    return text


def ended(terminal: Screen) -> tuple[str, int]:
    """Return what is printed until the command ends, and its exit status."""
    found = terminal.match(r"<ended (\d+)>")
    return found.string[: found.start()].replace("\r\n", "\n"), int(found[1])


@contextmanager
def on_terminal(
    *arguments: str,
    width: int = 80,
    height: int = 40,
    stderr: str = "/dev/tty",
    **env: str,
) -> Iterator[Screen]:
    """Start a command on a terminal of a size."""
    # The size is to be there before the command is, and the screen has one of its own.
    script = 'stty -echo; echo; read _; stty columns $0 rows $1; err=$2; shift 2; "$@"'
    script = f'trap : INT; {script} 2>$err; echo "<ended $?>"'
    shell = ("sh", "-c", script, str(width), str(height), stderr)
    with screen(*shell, *COMMAND, *arguments, **environment(**env)) as made:
        made.expect("\n")
        made.type("\n")
        yield made


def found(monkeypatch: pytest.MonkeyPatch, inventory: Inventory) -> None:
    """Have commands of this process find an inventory."""
    monkeypatch.setattr(scanning, "scan", lambda *_, **__: inventory)


def check_harmless(text: str) -> None:
    """No terminal obeys anything of it, and all of it can be seen."""
    assert not {char for char in text if not char.isprintable() and char != "\n"}
