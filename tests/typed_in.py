"""Pages typed in, line by line, where numbers that are shown differ each time."""

import doctest
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from commanding import environment
from terminals import COMMAND
from test_docs_starting import parts_of

from pynamespaces._types import override

_CONSOLE: Final = re.compile(r"^```console\n\$ (.*)\n((?:.*\n)*?)```$", re.MULTILINE)


class Checker(doctest.OutputChecker):
    """Numbers are others each time; so are users, and where branches begin."""

    @override
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Return whether it is the same but for these, and for blanks."""
        return super().check_output(_plain(want), _plain(got), optionflags)


def _plain(text: str) -> str:
    # Whether a trace has looked in time to be sure is not for a test.
    text = text.replace("?)", ")")
    text = re.sub(r"\s*…\s*", "...", re.sub("[│├└─]", "", text))
    return re.sub(r"\d+", "#", re.sub(r"\b(root|nobody)\b", "who", text))


def _typed_in_shell(found: re.Match[str]) -> str:
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
def converted(page: str, title: str) -> str:
    """Return a section in which all examples are Python's."""
    return _CONSOLE.sub(_typed_in_shell, parts_of(page)[title])


def check(page: str, title: str, names: Mapping[str, object] = {}) -> None:
    """Type a section in, line by line, and compare what is shown."""
    both = {"shell": shell, **names}
    text, place = converted(page, title), f"{page}: {title}"
    test = doctest.DocTestParser().get_doctest(text, both, place, None, None)
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=flags)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries > 0
