"""How each row of the table about starting programs is provoked."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provoking import (
    FakeLib,
    bind,
    drop_capabilities,
    give_up_root,
    own_user,
    refusal,
    replace,
)
from refusals_of_setns import POWER, Case, child
from support import missing

from pynamespaces import SpawnError, lowlevel, run
from pynamespaces._core import residents, spawn

_EMPTY = ["true"]


def cgroup2() -> Path:
    """Return where the second version of cgroups is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return missing("cgroup2", "no cgroup2 is mounted")


@contextmanager
def fresh_cgroups(*names: str) -> Iterator[Path]:
    """Make cgroups, each below one before it; the first is removed at last."""
    made: list[Path] = []
    top = cgroup2() / f"pynamespaces-{os.getpid()}"
    try:
        for name in ("", *names):
            (top / name).mkdir()
            made.append(top / name)
        yield top
    finally:
        for folder in reversed(made):
            if folder.exists():
                folder.rmdir()


def _into_cgroup_of_others() -> None:
    give_up_root()
    run(_EMPTY, cgroup=cgroup2())


def _into_removed_cgroup() -> None:
    with fresh_cgroups() as folder:
        fd = os.open(folder, os.O_RDONLY)
        folder.rmdir()
        try:
            run(_EMPTY, cgroup=fd)
        finally:
            os.close(fd)


def _into_invalid_cgroup() -> None:
    with fresh_cgroups("threaded", "domain") as folder:
        (folder / "threaded" / "cgroup.type").write_text("threaded")
        run(_EMPTY, cgroup=folder / "domain")


def _as_init_to_be() -> None:
    own_user(lowlevel.CLONE_NEWPID)
    run(_EMPTY, die_with_parent=True)


def _killed() -> None:
    replace(spawn, lib=FakeLib(pyns_spawn=refusal(errno.ECANCELED)))
    run(_EMPTY, new="uts")


def _with_covered_proc() -> None:
    own_user(lowlevel.CLONE_NEWNS)
    bind("/dev/null", "/proc/uptime")
    run(_EMPTY, new=("user", "pid", "mnt"))


def _without_place_for_proc() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = os.open("/", os.O_RDONLY)
        os.chroot(folder)
        try:
            run(_EMPTY, new=("pid", "mnt"), init=False)
        finally:
            os.fchdir(home)
            os.chroot(".")


def _as_another_user() -> None:
    drop_capabilities()
    run(_EMPTY, join=[], user=1)


def _with_capabilities() -> None:
    drop_capabilities()
    run(_EMPTY, join=[], caps=["net_admin"])


def _no_program() -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(b"\0no program")
        os.fchmod(file.fileno(), 0o755)
    try:
        run([file.name], join=[])
    finally:
        os.unlink(file.name)


def _with_init_of_no_program() -> None:
    file = open("/etc/passwd", "rb")  # noqa: SIM115 - for as long as the child lives
    replace(residents, open_for=lambda spawn: setattr(spawn, "resident", file.fileno()))
    run(_EMPTY, new=("user", "pid"))


def _with_init_of_another_version() -> None:
    replace(residents, _IMPORTED=(0, 0), _kept=[])
    run(_EMPTY, new=("user", "pid"))


_INTO = "clone3(CLONE_INTO_CGROUP)"

STARTING = [
    Case("cgroup-power", child(_into_cgroup_of_others), SpawnError, errno.EACCES,
         _INTO, (), "may not write to cgroup.procs", None, ("root", "plain")),
    Case("cgroup-gone", child(_into_removed_cgroup), SpawnError, errno.ENOENT, _INTO,
         (), "no such cgroup", None, ("root",)),
    Case("cgroup-directory", child(lambda: run(_EMPTY, cgroup="/etc/passwd")),
         SpawnError, errno.ENOTDIR, "open(cgroup)", (), "a cgroup is a directory"),
    Case("cgroup-kind", child(_into_invalid_cgroup), SpawnError, errno.EOPNOTSUPP,
         _INTO, (), "cannot have processes", "none below it", ("root",)),
    Case("no-init-yet", child(_as_init_to_be), SpawnError, errno.EINVAL,
         "clone3(CLONE_PARENT)", (), "the init of a fresh pid", "start that init",
         own_user=True),
    Case("child-killed", child(_killed), SpawnError, errno.ECANCELED, "clone3", (),
         "killed before it could execute"),
    Case("proc-covered", child(_with_covered_proc), SpawnError, errno.EPERM,
         "mount(proc)", ("mnt",), "is covered", "mount_proc=False", own_user=True),
    Case("proc-place", child(_without_place_for_proc), SpawnError, errno.ENOENT,
         "mount(proc)", ("mnt",), "no directory /proc", "mount_proc=False", POWER),
    Case("id-unmapped", child(lambda: run(_EMPTY, new="user", user=70000)), SpawnError,
         errno.EINVAL, "setresuid", (), "does not map the id", "uid_map",
         own_user=True),
    Case("id-power", child(_as_another_user), SpawnError,
         errno.EPERM, "setresuid", (), "CAP_SETUID", None, ("root", "plain")),
    Case("caps-power", child(_with_capabilities),
         SpawnError, errno.EPERM, "capset", (), "CAP_SETPCAP"),
    Case("program-missing", child(lambda: run(["/nonexistent"], join=[])), SpawnError,
         errno.ENOENT, "execve", (), "no such program"),
    Case("program-refused", child(lambda: run(["/etc/passwd"], join=[])), SpawnError,
         errno.EACCES, "execve", (), "may not be executed"),
    Case("program-format", child(_no_program), SpawnError, errno.ENOEXEC, "execve", (),
         "it is no program"),
    Case("directory-missing", child(lambda: run(_EMPTY, join=[], cwd="/nonexistent")),
         SpawnError, errno.ENOENT, "chdir", (), "no such directory"),
    Case("init-gone", child(_with_init_of_another_version), SpawnError, errno.ENOENT,
         "open(init)", (), "another is in its place", own_user=True),
    Case("init-refused", child(_with_init_of_no_program), SpawnError, errno.EACCES,
         "execveat", ("pid",), "that the init is in", own_user=True),
]  # fmt: skip
