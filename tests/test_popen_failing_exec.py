"""Programs that cannot be executed, and what is left wherever starting fails."""

import errno
import os
import pickle
import resource
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from creating import children, descriptors, nothing_happens
from provoking import drop_capabilities
from starting import OURS, ROOT, Marker, Ours, makable, marker, refused
from support import in_child, missing, run_python
from watching import in_main_of_many, in_worker

from pynamespaces import Popen, SpawnError, run

__all__ = ["marker"]

# --- who, where, what ---


@pytest.mark.parametrize("names", [["net_admin"], ["CAP_SYS_ADMIN", "chown"]])
def test_caps(names: list[str], marker: Marker) -> None:
    """What the caller has not, a program cannot have."""

    def check() -> None:
        drop_capabilities()
        refused("caps", errno.EPERM, *marker, caps=names)

    in_child(check)


@OURS
@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_chdir(
    ours: Ours, kind: Callable[[str], str | Path], marker: Marker, tmp_path: Path
) -> None:
    """Where there is no directory, its name is told."""
    missing, file = str(tmp_path / "none"), str(tmp_path / "file")
    Path(file).touch()
    for cwd, number in ((missing, errno.ENOENT), (file, errno.ENOTDIR)):
        error = refused("chdir", number, *marker, cwd=kind(cwd), **ours)
        assert os.fsdecode(error.filename) == cwd


@OURS
def test_execve(ours: Ours, tmp_path: Path) -> None:
    """What is no program is told as the standard library does, by its name."""
    unmarked, odd = tmp_path / "unmarked", tmp_path / "odd"
    unmarked.write_text("#!/bin/sh\n")
    odd.write_bytes(b"\x7fELF")
    odd.chmod(0o755)
    lost = tmp_path / "lost"
    lost.write_text("#!/no/such/interpreter\n")
    lost.chmod(0o755)
    names = ["no-such-program", "/no/such", "./none", str(unmarked), str(odd)]
    names += [str(tmp_path), f"{unmarked}/none", str(lost), "n" * 300, ""]
    for name in names:
        with pytest.raises(OSError) as expected:
            subprocess.Popen([name])
        number = expected.value.errno
        assert number is not None
        error = refused("execve", number, name, **ours)
        assert error.filename == expected.value.filename == name
    too_much = ["/bin/true", *["x" * 100_000] * 100]
    refused("execve", errno.E2BIG, *too_much, **ours)


@OURS
def test_executable(ours: Ours) -> None:
    """It is the executable's name that is told, if there is one."""
    with pytest.raises(FileNotFoundError) as caught:
        Popen(["true"], executable="/no/such", **ours)
    assert isinstance(caught.value, SpawnError)
    assert caught.value.filename == "/no/such"
    with pytest.raises(FileNotFoundError) as caught:
        Popen("true", shell=True, executable="/no/shell", cwd="/", **ours)
    assert caught.value.filename == "/no/shell"


# --- from wherever it is started ---


@OURS
@pytest.mark.parametrize(
    "run_in", [in_child, in_main_of_many, in_worker], ids=["alone", "main", "worker"]
)
def test_nothing_is_left(
    ours: Ours, run_in: Callable[[Callable[[], object]], object]
) -> None:
    """No child waits to be reaped, and the next program starts well."""

    def check() -> None:
        for _ in range(3):
            refused("execve", errno.ENOENT, "/no/such", **ours)
            refused("chdir", errno.ENOENT, "true", cwd="/no/such", **ours)
        assert run(["true"], **ours).returncode == 0

    run_in(check)


NO_CHILD = """
import os, sys
from pynamespaces import run
for program in ("/no/such", "/"):
    try:
        run([program], new=("user", *sys.argv[1:]), cwd="/proc")
    except OSError as error:
        print(error.step)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none")
"""


@pytest.mark.parametrize("type", ["uts", "pid", "net"])
def test_no_child(type: str) -> None:
    """There is nobody to wait for."""
    found = run_python(NO_CHILD, type).stdout.split()
    assert found == ["execve", "execve", "none"]


def start_with_room(room: int) -> bool:
    """Start a program with room for so many descriptors, if that will do."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(descriptors())
    # Room is below the limit only.
    for _ in set(range(highest)) - descriptors().keys():
        os.dup(0)
    before = descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + room, hard))
    number = 0
    try:
        run(["true"], stdout=subprocess.PIPE, new=("user", "pid", "uts"))
    except OSError as error:
        number = error.errno or -1
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert descriptors() == before
    assert children() == []
    assert number in (0, errno.EMFILE)
    return number == 0


def test_descriptors_run_out() -> None:
    """With too few descriptors left it fails as a whole, or works."""
    works = [in_child(partial(start_with_room, room)) for room in range(15)]
    assert works == sorted(works)
    assert (works[2], works[-1]) == (False, True)


def limit_processes(limit: int) -> str:
    """Start a program with an init where few processes are allowed."""
    try:
        run(["true"], new=("pid", "uts"))
    except SpawnError as error:
        return error.step if isinstance(error, BlockingIOError) else repr(error)
    return f"works with {limit}"


@ROOT
def test_processes_run_out(pids: Path) -> None:
    """Where there is no room for the program beside its init, neither is left."""

    def check(limit: int) -> str:
        (pids / "cgroup.procs").write_text(str(os.getpid()))
        (pids / "pids.max").write_text(str(limit))
        with nothing_happens():
            return limit_processes(limit)

    found = [in_child(partial(check, limit)) for limit in range(1, 7)]
    assert found[0] == "clone"
    assert found[-1] == "works with 6"
    assert {*found} <= {"clone", "init", *(f"works with {n}" for n in range(7))}


@pytest.fixture
def pids() -> Iterator[Path]:
    """A cgroup in which processes can be limited."""
    folder = Path("/sys/fs/cgroup/pids")
    if not folder.is_dir():
        folder = Path("/sys/fs/cgroup")
    folder /= f"pyns-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        missing("pids", f"no cgroup can be made: {error}")
    if not (folder / "pids.max").exists():
        folder.rmdir()
        missing("pids", "the cgroup does not limit processes")
    yield folder
    folder.rmdir()


def test_pickles() -> None:
    """The error arrives elsewhere as it was."""
    error = refused("execve", errno.ENOENT, "/no/such", new=makable("uts"))
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert (arrived.step, str(arrived)) == (error.step, str(error))
    assert (arrived.errno, arrived.filename) == (errno.ENOENT, "/no/such")
