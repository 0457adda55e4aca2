"""What container engines leave in files, written for processes of ours."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from holding import Holder, holder
from support import missing

from pynamespaces import _proc
from pynamespaces._core import engines, inits

ID = "2403ccfe427f1dc7b6120dccb9ac58c2f8456950380d587a9f33ea7f00dd303d"
OTHER = "2403aaaa427f1dc7b6120dccb9ac58c2f8456950380d587a9f33ea7f00dd303d"

Make = Callable[[Path], object]


def started(pid: int) -> int:
    """Return when a process began, as runc writes it."""
    return int(_proc.stat_fields(pid)[19])


class Machine:
    """Folders as those in which engines write, that nobody else has."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.lib = folder / "lib"
        self.own_run = folder / "own"
        self.home = folder / "home"
        for each in (self.run, self.lib, self.own_run, self.home):
            each.mkdir()

    def state(self, pid: int, place: str, *, start: int = 0, **more: object) -> Path:
        """Write what runc does of a container with a first process."""
        text = {"init_process_pid": pid, "init_process_start": start or started(pid)}
        return self.write(f"{place}/state.json", text | more)

    def docker(self, id: str, name: str) -> Path:
        """Write what Docker does of the name of a container."""
        path = f"lib/docker/containers/{id}/config.v2.json"
        return self.write(path, {"ID": id, "Name": f"/{name}"})

    def write(self, path: str, found: object) -> Path:
        """Write a file of JSON."""
        file = self.run.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
        return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """No engines but those that the test has."""
    made = Machine(tmp_path)
    monkeypatch.setattr(engines, "RUN", str(made.run))
    monkeypatch.setattr(engines, "LIB", str(made.lib))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made.own_run))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(made.home))
    return made


@pytest.fixture
def inside() -> Iterator[Holder]:
    """A process of ours that files and cgroups may say is a container's."""
    with holder() as made:
        yield made


def found(wanted: str) -> int:
    """Return the first process of a container."""
    pidfd = inits.open_init(wanted)
    try:
        pid = _proc.pidfd_pid(pidfd)
    finally:
        os.close(pidfd)
    assert pid is not None
    return pid


@contextmanager
def cgroup(name: str) -> Iterator[Path]:
    """Make a cgroup, and take all out of it at the end."""
    roots = [Path("/sys/fs/cgroup") / each for each in (".", "unified", "pids")]
    for root in roots:
        folder = root / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / "cgroup.procs").exists():
            break
        folder.rmdir()  # Where version 1 is, these are no cgroups.
    else:
        missing("cgroups", "no cgroup can be made here")
    try:
        yield folder
    finally:
        for pid in (folder / "cgroup.procs").read_text().split():
            (folder.parent / "cgroup.procs").write_text(pid)
        folder.rmdir()


def deep(path: Path) -> None:
    """Write what would take more stack than there is."""
    path.write_text('{"Name":' + "[" * 200_000)


def huge(path: Path) -> None:
    """Write more than there is memory for."""
    path.touch()
    os.truncate(path, 1 << 40)


def linked(path: Path) -> None:
    """Make a link to what would be right."""
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


HOSTILE: dict[str, Make] = {
    "nothing": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(os.urandom(4096)),
    "another encoding": lambda path: path.write_text("{}", encoding="utf-16"),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a number": lambda path: path.write_text("9" * 5000),
    "deep": deep,
    "huge": huge,
    "fifo": os.mkfifo,
    "directory": lambda path: path.mkdir(),
    "link": linked,
    "loop": lambda path: path.symlink_to(path),
    "zero": lambda path: path.symlink_to("/dev/zero"),
}
"""What may be in the place of a file."""


def put(make: Make, path: Path) -> None:
    """Put something in the place of a file."""
    if make is not linked:
        path.unlink()
    make(path)
