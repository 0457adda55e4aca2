"""At which step a program could not be started, and the exception that says so."""

from __future__ import annotations

import errno
import os
from typing import Final

from .._lib import Spawn, lib
from .._refusals import spawn_error
from .._types import types_of
from ..errors import SpawnError, SystemCallError
from .plan import Program, Where

# Of each step of the shim: the step of a SpawnError, and the system call.
_STEPS: Final = {
    lib.PYNS_STEP_NONE: ("clone", "clone3"),
    lib.PYNS_STEP_MEMORY: ("clone", "malloc"),
    lib.PYNS_STEP_CLONE: ("clone", "clone3"),
    lib.PYNS_STEP_UNSHARE: ("clone", "unshare"),
    lib.PYNS_STEP_SETNS: ("setns", "setns"),
    lib.PYNS_STEP_SETGROUPS: ("setgroups", "write"),
    lib.PYNS_STEP_UID_MAP: ("uid_map", "write"),
    lib.PYNS_STEP_GID_MAP: ("gid_map", "write"),
    lib.PYNS_STEP_TIME_OFFSETS: ("time_offsets", "write"),
    lib.PYNS_STEP_NAME: ("hostname", "sethostname"),
    lib.PYNS_STEP_LOOPBACK: ("loopback", "ioctl(SIOCSIFFLAGS)"),
    lib.PYNS_STEP_PROPAGATION: ("propagation", "mount"),
    lib.PYNS_STEP_CGROUP: ("cgroup", "clone3(CLONE_INTO_CGROUP)"),
    lib.PYNS_STEP_MOUNT_PROC: ("mount_proc", "mount(proc)"),
    lib.PYNS_STEP_INIT: ("init", "execveat"),
    lib.PYNS_STEP_GUARD: ("init", "execveat"),
    lib.PYNS_STEP_GROUPS: ("user", "setgroups"),
    lib.PYNS_STEP_GID: ("user", "setresgid"),
    lib.PYNS_STEP_UID: ("user", "setresuid"),
    lib.PYNS_STEP_CAPS: ("caps", "capset"),
    lib.PYNS_STEP_NO_NEW_PRIVS: ("caps", "prctl(PR_SET_NO_NEW_PRIVS)"),
    lib.PYNS_STEP_CHDIR: ("chdir", "chdir"),
    lib.PYNS_STEP_SESSION: ("execve", "setpgid"),
    lib.PYNS_STEP_STDIO: ("execve", "dup2"),
    lib.PYNS_STEP_EXECVE: ("execve", "execve"),
    lib.PYNS_STEP_FILTER: ("supervise", "seccomp"),
}

# What files of /proc a step writes.
_PATHS: Final = {
    "setgroups": "/proc/self/setgroups",
    "uid_map": "/proc/self/uid_map",
    "gid_map": "/proc/self/gid_map",
    "time_offsets": "/proc/self/timens_offsets",
}


def refusal(spawn: Spawn, number: int, where: Where, program: Program) -> SpawnError:
    step, syscall = _STEPS.get(spawn.step, ("clone", "clone3"))
    types = types_of(spawn.nstype)
    if number == lib.PYNS_EINIT:
        number, step, syscall = errno.EINVAL, "clone", "clone3(CLONE_PARENT)"
    elif number == errno.ECANCELED:
        syscall = "clone3"
    elif step == "clone":
        types = types or where.new
    filename: str | None = _PATHS.get(step)
    if step == "execve" and syscall == "execve":
        filename = program.name
    elif step == "chdir":
        filename = program.directory
    if step == "supervise":
        return _refusal_of_filter(number)
    return spawn_error(number, step, syscall, types, filename)


# Why a filter with a listener was refused, and what to do about it.
_FILTER: Final = {
    errno.EBUSY: (
        "the calls of this process are supervised already, and that does not nest",
        "start the program from outside of the one that is supervised",
    ),
    errno.EACCES: (
        "it takes CAP_SYS_ADMIN, or that the program can gain no privileges",
        None,
    ),
    errno.EPERM: ("a seccomp filter or a security module forbids it", None),
    errno.ENOSYS: (
        "this kernel, or a filter around this process, has no seccomp filters",
        None,
    ),
    errno.EINVAL: ("it needs Linux 5.5: user notifications", None),
}


def _refusal_of_filter(number: int) -> SpawnError:
    reason, hint = _FILTER.get(number, (None, None))
    return SpawnError(
        number,
        os.strerror(number),
        syscall="seccomp",
        reason=reason,
        hint=hint,
        step="supervise",
    )


# Which step it was that made a namespace beforehand: by the call, or the file written.
_BY_CALL: Final = {
    "sethostname": "hostname",
    "mount": "propagation",
    "newuidmap": "uid_map",
    "newgidmap": "gid_map",
}


def step_of(error: SystemCallError) -> SpawnError:
    """Turn the failure to make a namespace beforehand into one to start a program."""
    step = _BY_CALL.get(error.syscall, "clone")
    if error.syscall == "write":
        name = os.path.basename(os.fsdecode(error.filename))
        step = {"timens_offsets": "time_offsets"}.get(name, name)
    return SpawnError(
        error.errno or errno.EIO,
        error.strerror or "",
        error.filename,
        syscall=error.syscall,
        types=error.types,
        reason=error.reason,
        hint=error.hint,
        step=step,
    )
