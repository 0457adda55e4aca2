"""Examples that are only shown: they run, where what they name is there."""

import ast
import asyncio
import os
import re
import socket
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from commanding import lines_on_terminal
from commanding import pynamespaces as typed
from provoking import need_own_user
from starting import POWER, ROOT, living
from support import ALL_TYPES, program
from targets import holder

from pynamespaces import (
    NetNamespace,
    ThreadPoolExecutor,
    create_subprocess_exec,
)

DOCS: Final = Path(__file__).parents[1] / "docs"

Names = dict[str, object]


def shown(page: str, language: str = "python") -> list[str]:
    """Return the blocks of a page that are in a language."""
    text = (DOCS / page).read_text()
    if page.endswith(".rst"):
        found = re.findall(
            rf"^\.\. code-block:: {language}\n\n((?: .*\n|\n)+)", text, 8
        )
        return [textwrap.dedent(block) for block in found]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run_block(block: str, names: Names) -> None:
    """Run what a page shows, with names that it takes for granted."""
    exec(compile(block, "a page", "exec"), names)  # noqa: S102 - it is ours


def script(name: str, line: str, folder: Path) -> None:
    """Make a program that a page calls by its name."""
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)


@POWER
def test_first_page(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first page shows is done to a process that there is."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    script("make", "echo make has run", tmp_path)
    names: Names = {}
    [block] = shown("index.md")
    with holder("net") as pid:
        run_block(block.replace("1234", str(pid)), names)
        link = os.readlink(f"/proc/{pid}/ns/net")
    server = names["server"]
    assert isinstance(server, socket.socket)
    server.close()
    told = capfd.readouterr().out.splitlines()
    assert "make has run" in told
    assert f"{link} {pid} ({pid},)" in told


def test_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    """What the reference shows of questions answers them."""
    [block] = shown("reference/what-works.rst")
    run_block(block.replace("1234", str(os.getpid())), {})
    lines = capsys.readouterr().out.splitlines()
    assert {*lines} >= {f"{type} True None" for type in ALL_TYPES}
    assert len(lines) in (len(ALL_TYPES), len(ALL_TYPES) + 1)


@POWER
def test_threads(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown for asyncio happens in the namespace, and the loop stays."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    script("ip", "readlink /proc/self/ns/net", tmp_path)
    seen = []
    ns = NetNamespace.new("net")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("nobody calls")

    async def main() -> None:
        names: Names = {
            "asyncio": asyncio,
            "create_subprocess_exec": create_subprocess_exec,
            "function": lambda: seen.append(os.readlink("/proc/thread-self/ns/net")),
            "ns": ns,
            "serve": serve,
            "ThreadPoolExecutor": ThreadPoolExecutor,
        }
        [block] = shown("explanation/threads.md")
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        await eval(compile(block, "threads.md", "exec", flags), names)
        process, server, pool = (names[x] for x in ("process", "server", "pool"))
        assert isinstance(process, asyncio.subprocess.Process)
        assert isinstance(server, asyncio.Server)
        assert isinstance(pool, ThreadPoolExecutor)
        assert await process.wait() == 0
        with closing(NetNamespace.from_socket(server.sockets[0].fileno())) as found:
            assert found == ns
        server.close()
        await server.wait_closed()
        pool.shutdown()

    home = os.readlink("/proc/thread-self/ns/net")
    with closing(ns):
        asyncio.run(main())
    assert [*seen, capfd.readouterr().out.strip()] == [str(ns.id)] * 3
    assert os.readlink("/proc/thread-self/ns/net") == home


@pytest.mark.parametrize("name", ["__main__", "a_module"])
def test_guard(name: str) -> None:
    """The guard that is shown lets a script run, and nothing when it is imported."""
    calls = []
    [block] = shown("explanation/calling.md")
    run_block(block, {"__name__": name, "main": lambda: calls.append(name)})
    assert calls == ["__main__"] * (name == "__main__")


def columns(line: str) -> list[str]:
    """Return what is in a line of a table."""
    return re.split(r"\s{2,}", line.strip())


_TREE: Final = re.compile(r"(?:[│ ]  )*(?:[├└]─ )?(?:\d+ \S.*|\(\d+ process.*\))")


def test_list() -> None:
    """The table of the reference has the columns that there are."""
    command, *lines = shown("reference/cli.md", "console")[0].splitlines()
    real = typed(*command.split()[2:]).stdout.splitlines()
    assert columns(lines[0]) == columns(real[0])
    assert {len(columns(line)) for line in [*lines, *real]} == {len(columns(lines[0]))}


def test_tree() -> None:
    """The tree of the reference has the branches that there are."""
    need_own_user()
    command, *lines = shown("reference/cli.md", "console")[1].splitlines()
    with living(new=("user", "uts")) as process:
        real = typed(*command.split()[2:]).stdout.splitlines()
        branch = rf".*[├└]─ {process.pid} cat  user:\[\d+\]  uts:\[\d+\]"
        assert any(re.fullmatch(branch, line) for line in real)
    for line in [*lines, *real]:
        assert _TREE.fullmatch(line), line


@ROOT
def test_trace() -> None:
    """The calls that the reference shows are told with the columns that there are."""
    command, _, *lines = shown("reference/cli.md", "console")[2].splitlines()
    call = ["--", program("unshare"), "--net", "true"]
    real = lines_on_terminal(*command.split()[2:], *call, width=80)
    told = [line for line in real if line.startswith("TIME")]
    assert [columns(line) for line in told] == [columns(lines[0])]
    change = re.compile(r" {39}[a-z]+ \d+ -> \d+(?: \(new\))?")
    assert any(change.fullmatch(line) for line in real)
    calls = [line for line in lines[1:] if not line.startswith(" ")]
    assert all(change.fullmatch(line) for line in lines[1:] if line not in calls)
    assert all(len(columns(line)) == len(columns(lines[0])) for line in calls)
