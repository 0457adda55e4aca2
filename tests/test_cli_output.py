"""How commands print: on terminals, into pipes, and what of names is printed."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import inventories
import pytest
from commanding import (
    check_harmless,
    ended,
    environment,
    found,
    lines_on_terminal,
    pynamespaces,
    text_on_terminal,
)
from holding import Holder, holder
from rich.cells import cell_len
from support import run_python
from terminals import COMMAND, screen

from pynamespaces.cli import command, output
from pynamespaces.inventory import Inventory

PR_SET_NAME = 15
NAME = b"[red]\x1b[31m\n\xff"
SHOWN = r"[red]\x1b[31m\n\xff"


@pytest.fixture(scope="module")
def hostile() -> Iterator[Holder]:
    """A process in namespaces of its own whose name a terminal would obey."""
    own = Path("/proc/self/comm").read_bytes()
    libc = ctypes.CDLL(None)
    # The holder is a child, which inherits the name.
    libc.prctl(PR_SET_NAME, NAME, 0, 0, 0)
    try:
        with holder("user", "uts") as made:
            libc.prctl(PR_SET_NAME, own.rstrip(b"\n"), 0, 0, 0)
            yield made
    finally:
        libc.prctl(PR_SET_NAME, own.rstrip(b"\n"), 0, 0, 0)


@pytest.mark.parametrize("width", [80, 160])
def test_table_is_aligned(width: int, hostile: Holder) -> None:
    """On a terminal the columns begin below their heads, and nothing is too wide."""
    lines = lines_on_terminal("list", "--type", "uts,user", width=width)
    head, *rows = [line for line in lines if not line.startswith("pynamespaces")]
    starts = [head.index(word) for word in ("TYPE", "USER", "NAME", "COMMAND")]
    assert any(str(os.stat(f"/proc/{hostile.pid}/ns/uts").st_ino) in r for r in rows)
    for row in rows:
        assert cell_len(row) <= width
        for start in starts:
            assert row[start - 2 : start] == "  "
            assert row[start] != " "


@pytest.mark.parametrize("width", [80, 160])
def test_long_lines_are_cut(width: int) -> None:
    """On a terminal a command line that does not fit ends with dots."""
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "long " * 50],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        shown = lines_on_terminal("show", str(process.pid), width=width)
        process.communicate()
    (line,) = [line for line in shown if line.lstrip().startswith("command")]
    assert len(line) == width
    assert line.endswith("…")


@pytest.mark.parametrize("words", ["list", "tree", "tree user", "tree pid --all"])
def test_names_are_harmless(words: str, hostile: Holder) -> None:
    """Of a name no terminal obeys anything; it is not read as markup either."""
    for text in (
        pynamespaces(*words.split()).stdout,
        "\n".join(lines_on_terminal(*words.split(), width=250, height=60)),
    ):
        check_harmless(text)
        if words.startswith("tree user") or words == "tree":
            assert SHOWN in text


@pytest.mark.parametrize("name", ["nested", "hostile", "small", "foreign", "partial"])
@pytest.mark.parametrize(
    "words",
    ["list", "tree", "tree --all", "tree user", "tree pid --all", "list --json"],
)
def test_whatever_names_hold(
    name: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each inventory can be printed in each way, with nothing that does harm."""
    found(monkeypatch, getattr(inventories, name)())
    assert command(words.split()) == 0
    printed = capsys.readouterr()
    check_harmless(printed.out)
    check_harmless(printed.err)


def test_colours_are_for_terminals() -> None:
    """There are colours on a terminal, and none elsewhere, or with NO_COLOR."""
    options = ("list", "--type", "uts")
    assert "\x1b[" in text_on_terminal(*options)
    assert "\x1b" not in text_on_terminal(*options, NO_COLOR="1")
    assert "\x1b[" in text_on_terminal(*options, NO_COLOR="")
    assert "\x1b" not in text_on_terminal(*options, TERM="dumb")
    plain = pynamespaces(*options, env=environment(FORCE_COLOR="1"))
    assert "\x1b" not in plain.stdout


def test_ascii() -> None:
    """Where standard output cannot have them, no other characters are printed."""
    env = environment(PYTHONIOENCODING="ascii")
    for words in (["tree", "--all"], ["list"]):
        done = pynamespaces(*words, env=env)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
    assert "`- " in pynamespaces("tree", "--all", env=env).stdout


HELPS = ("--help", "list --help", "--version")
"""What click prints itself."""


@pytest.mark.parametrize("words", ["list", "list --json", "tree --all", *HELPS])
def test_reader_that_goes(words: str) -> None:
    """When nobody reads any more, it ends in silence."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, *words.split()],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert done.returncode == 141
    assert done.stderr.decode() in ("", _unreadable(done.stderr.decode()))


def _unreadable(text: str) -> str:
    """Return the one line that is allowed, that something could not be read."""
    line = text.partition("\n")[0] + "\n"
    return line if "could not be read" in line else ""


@pytest.mark.parametrize("words", ["list", "list --json", "tree"])
def test_full_disk(words: str) -> None:
    """Output that cannot be written is a failure of one line."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == (
        "pynamespaces: cannot write standard output: No space left on device"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["list", *HELPS])
def test_closed_output(words: str) -> None:
    """So is output that is closed."""
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"]
    done = subprocess.run(
        [*shell, *COMMAND, *words.split()],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "pynamespaces: standard output is closed\n"


def test_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends a command with 130, and without a traceback."""

    def interrupted(*_: object, **__: object) -> Inventory:
        raise KeyboardInterrupt

    monkeypatch.setattr("pynamespaces.cli.scanning.scan", interrupted)
    assert command(["list"]) == 130
    printed = capsys.readouterr()
    assert (printed.out, printed.err.strip()) == ("", "")


@pytest.mark.parametrize("module", ["click", "pynamespaces.cli.list"])
def test_interrupt_at_the_beginning(module: str) -> None:
    """So does one that comes while it is still being loaded."""
    code = (
        "import sys\n"
        "from pynamespaces.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv[1:] = ['list']\n"
        "sys.exit(main())\n"
    )
    done = run_python(code, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


SLOW = """
import time
from pynamespaces.cli import command, scanning
from pynamespaces.inventory import Inventory

def slow(types, *, progress):
    for done in range(8):
        progress(done, 8)
        time.sleep(0.1)
    return Inventory()

scanning.scan = slow
command(["list"])
print("<ended 0>")
"""


def test_progress() -> None:
    """A scan that takes long shows how far it is, and nothing of that is left."""
    with screen(sys.executable, "-c", SLOW, TERM="xterm") as made:
        text, _ = ended(made)
    assert "scanning" in text
    assert "7/8" in text
    # What was drawn is erased before the table.
    assert text.rindex("\x1b[2K") < text.index("COMMAND")


def test_narrow_terminal() -> None:
    """What cannot fit is cut at the end of the line, not wrapped."""
    for line in lines_on_terminal("list", "--type", "uts", width=30):
        if not line.startswith("pynamespaces"):
            assert cell_len(line) <= 30


def test_columns_that_mean_something_whole_are_not_cut() -> None:
    """Only names, paths and command lines are made narrower, down to eight cells."""
    heads = [output.Column("NS"), output.Column("PATH", may_be_cut=True)]
    head, row = output.table_lines(heads, [["4026531840", "/proc/1234/ns/net"]], 22)
    assert [text for text, _ in row] == ["4026531840", "  ", "/proc/123…"]
    assert len(head) == 3
    _, row = output.table_lines(heads, [["4026531840", "/proc/1234/ns/net"]], 5)
    assert [text for text, _ in row] == ["4026531840", "  ", "/proc/1…"]


def test_wide_characters_are_aligned() -> None:
    """A character that takes two cells counts as two."""
    heads = [output.Column("NAME"), output.Column("X")]
    _, wide, narrow = output.table_lines(heads, [["日本", "1"], ["abcd", "2"]], None)
    assert [text for text, _ in wide] == ["日本", "  ", "1"]
    assert [text for text, _ in narrow] == ["abcd", "  ", "2"]
