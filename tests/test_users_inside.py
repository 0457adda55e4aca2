"""Users and groups by files of a target that means harm."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from starting import LIMIT, prepared
from terminals import told

from pynamespaces import NamespaceSet, run

LINES = [
    "huge:x:" + "9" * 5000 + ":0::/:/bin/sh",
    "above:x:4294967296:0::/:/bin/sh",
    "nobody:x:4294967295:0::/:/bin/sh",
    "script:x:\u0660:0::/:/bin/sh",
    "signed:x:+0:0::/:/bin/sh",
    *(
        f"good:x:0:0:full{end}{name}:x:0:0::/:/bin/sh"
        for end, name in [
            ("\u2028", "paragraph"),
            ("\x0c", "form"),
            ("\x85", "next"),
            ("\r", "return"),
            ("\r\x1e", "record"),
        ]
    ),
    "short:x",
    "lone:x:0:" + "9" * 5000 + "::/:/bin/sh",
    "last:x:0:0",
]
NOBODY = (
    *("huge", "above", "nobody", "script", "signed", "short", ""),
    *("paragraph", "form", "next", "return", "\x1erecord"),
)
"""Names that a careless reader would find, or fail at."""


@contextmanager
def _target(
    folder: Path, make: Callable[[Path], None], more: str = ""
) -> Iterator[str]:
    """Keep a process that sees other files of users and groups; give its pid."""
    script = more
    for name in ("passwd", "group"):
        make(folder / name)
        script += f"\nmount --bind {folder}/{name} /etc/{name}"
    with prepared(script, "--user", "--map-root-user", "--mount") as pid:
        yield str(pid)


def _write(path: Path) -> None:
    path.write_text("\n".join(LINES), newline="\n")


def _check_started(pid: str, user: str | None = None, group: str | None = None) -> None:
    with closing(NamespaceSet.from_pid(int(pid), "user", "mnt")) as there:
        done = run(["true"], join=there, user=user, group=group, timeout=LIMIT)
        assert done.returncode == 0


def test_names_that_are_none(tmp_path: Path) -> None:
    """A line ends where it ends, and ids are ASCII digits in their range."""
    with _target(tmp_path, _write) as pid:
        _check_started(pid, user="last", group="good")
        for name in NOBODY:
            with pytest.raises(KeyError):
                _check_started(pid, user=name)
            with pytest.raises(KeyError):
                _check_started(pid, group=name)


def test_names_of_the_command_line(tmp_path: Path) -> None:
    """The command line reads them by the same rules, and says what is lacking."""
    with _target(tmp_path, _write) as pid:
        done = told("exec", pid, "-u", "last", "--", "sh", "-c", "id -u; id -g")
        assert (done.stdout.split(), done.stderr) == (["0", "0"], "")
        for name in ("huge", "above", "script", "paragraph"):
            done = told("exec", pid, "-u", name, "--", "true")
            assert done.returncode == 1
            assert f"there is no user '{name}' in there" in done.stderr
            done = told("exec", pid, "-u", "last", "-g", name, "--", "true")
            assert f"there is no group '{name}' in there" in done.stderr
        done = told("exec", pid, "-u", "lone", "--", "true")
        assert "give --group too" in done.stderr


def _check_not_read(pid: str, why: str) -> None:
    with pytest.raises(OSError, match=why):
        _check_started(pid, user="root")
    with pytest.raises(OSError, match=why):
        _check_started(pid, group="root")
    done = told("exec", pid, "--user", "root", "--", "true")
    assert done.returncode == 1
    assert f"/etc/passwd in there: {why}" in done.stderr
    assert "as numbers" in done.stderr.splitlines()[1]
    assert told("exec", pid, "-u", "0", "-g", "0", "--", "true").returncode == 0


def test_pipe(tmp_path: Path) -> None:
    """A FIFO whose writer says nothing is not waited for."""
    held = "\n".join(
        f"exec {fd}<>{tmp_path}/{name}" for fd, name in [(8, "passwd"), (9, "group")]
    )
    with _target(tmp_path, os.mkfifo, held) as pid:
        _check_not_read(pid, "no regular file")


def test_directory() -> None:
    """A directory is refused as well, and no descriptor is left of it."""
    script = "mount -t tmpfs none /etc\nmkdir /etc/passwd /etc/group"
    with prepared(script, "--user", "--map-root-user", "--mount") as pid:
        before = os.listdir("/proc/self/fd")
        _check_not_read(str(pid), "no regular file")
        assert os.listdir("/proc/self/fd") == before


def test_large_file(tmp_path: Path) -> None:
    """A file that would take all memory is not read to its end, nor in part."""

    def make(path: Path) -> None:
        path.write_text("root:x:0:0::/:/bin/sh\n")
        os.truncate(path, 1 << 40)

    with _target(tmp_path, make) as pid:
        _check_not_read(pid, "more than 16 MiB")
