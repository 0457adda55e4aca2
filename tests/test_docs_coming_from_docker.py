"""What replaces ``docker exec`` does in a container of runc what ``runc exec`` does."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from coming import (
    IN_PYTHON,
    ON_COMMAND_LINE,
    WELL,
    blocks,
    commanded,
    rows,
    text_of,
    typed,
    typed_all,
    words_of,
)
from commanding import text_on_terminal
from containers import runc
from exemplary import in_run_of
from refusals_of_starting import fresh_cgroups
from starting import ROOT

PAGE: Final = "docker-exec"

CMD: Final = ["/bin/busybox", "sh", "-c"]

TELL: Final = """
for type in mnt net pid uts; do /bin/busybox readlink /proc/self/ns/$type; done
/bin/busybox grep -E '^(Uid|Gid|Groups|NoNewPrivs)' /proc/self/status
pwd; echo "$GREETING"
"""
"""A script that says where it is, and as whom."""

ALIKE: Final = {
    "docker exec": [],
    "-e": ["--env", "GREETING=hello"],
    "--env-file": ["--env", "GREETING=hello"],
    "-u": ["--user", "101:102"],
    "-w": ["--cwd", "/etc"],
    "--cwd": ["--cwd", "/etc"],
    "--no-new-privs": ["--no-new-privs"],
    "-g": ["--additional-gids", "7"],
}
"""What of ``runc exec`` is to say the same."""

CHECKS: Final = {
    "-d": "value.wait() == 0",
    "-i": WELL,
    "--privileged": WELL,
    "-c": WELL,
    "--preserve-fds": WELL,
    "--pid-file": "os.waitpid(value, 0)[1] == 0",
}


CMD_LINE: Final = [*CMD, TELL]


def names_for(folder: Path) -> dict[str, object]:
    """Return what lines are about that no block of the page says."""
    (folder / "env").write_text("# as docker has them\nPATH=/bin\nGREETING=hello\n")
    return {"cmd": CMD_LINE, "path": str(folder / "env")}


def by_runc(folder: Path, *options: str) -> str:
    """Return what the script says that runc has started."""
    words = ["runc", "--root", str(folder / "state"), "exec", *options]
    return subprocess.check_output(
        [*words, f"pyns-{os.getpid()}", *CMD_LINE], text=True
    )


def told_without(text: str, *fields: str) -> list[str]:
    """Return the lines of what was said that are not of these fields."""
    return [line for line in text.splitlines() if not line.startswith(fields)]


@ROOT
def test_python(tmp_path: Path) -> None:
    """A line starts the program in the container where runc does, and as the same."""
    found = {row.known[0]: row.ours[0] for row in rows(PAGE, IN_PYTHON)}
    assert {*found} == {*ALIKE, *CHECKS, "--cgroup"}
    others = [(found[option], check) for option, check in CHECKS.items()]
    with users_in(tmp_path) as folder:
        names = names_for(folder)
        for option, words in ALIKE.items():
            before = blocks(PAGE)[1] + "value = " if option == "--env-file" else ""
            code = before + found[option]
            mine = in_run_of(folder, partial(typed, PAGE, code, 1, names))
            # The container of the tests has them all.
            but = () if option == "--no-new-privs" else ("NoNewPrivs",)
            theirs = told_without(by_runc(folder, *words), *but)
            assert told_without(mine, *but) == theirs, option
        in_run_of(folder, lambda: typed_all(PAGE, others, 1, names))


@ROOT
def test_cgroup(tmp_path: Path) -> None:
    """A line starts the program in a cgroup."""
    code = next(r.ours[0] for r in rows(PAGE, IN_PYTHON) if "--cgroup" in r.known)
    show = ["/bin/busybox", "grep", "0::", "/proc/self/cgroup"]
    with users_in(tmp_path) as folder, fresh_cgroups() as cgroup:
        names = {"cmd": show, "folder": cgroup}
        assert cgroup.name in in_run_of(folder, lambda: typed(PAGE, code, 1, names))


@ROOT
def test_commands(tmp_path: Path) -> None:
    """A command starts the program in the container where runc does."""
    found = rows(PAGE, ON_COMMAND_LINE)
    options = {"-u": ["--user", "101:102"], "-w": ["--cwd", "/etc"]}
    with users_in(tmp_path) as folder:
        for row in found:
            words = words_of(row.ours[0], CMD_LINE, {})[1:]
            if "--pty" in words:
                out = in_run_of(folder, partial(text_on_terminal, *words))
            else:
                done = in_run_of(folder, partial(commanded, words))
                assert done.status == 0, done.out
                out = done.out
            theirs = by_runc(folder, *options.get(row.known[0].split()[2], []))
            but = "NoNewPrivs"
            assert told_without(out, but) == told_without(theirs, but), row.id


@contextmanager
def users_in(tmp_path: Path) -> Iterator[Path]:
    """Run a container that knows a user; return its folder."""
    text_of(PAGE)  # while the file can be read
    folder = tmp_path / "container"
    folder.mkdir()
    with runc(folder):
        etc = folder / "rootfs/etc"
        (etc / "passwd").write_text("web:x:101:102:::\n")
        (etc / "group").write_text("web:x:102:\n")
        yield folder
