"""Starting programs: the plan of a child, and the engine in C that carries it out."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Literal, NamedTuple

from .._lib import Spawn, Text, lib, new_ints, new_spawn, new_text
from .._refusals import spawn_error
from .._types import NamespaceType, flags_of, types_of
from ..errors import SpawnError, SystemCallError
from . import create, maps, residents
from .idmap import IdMap, Kind

_T = NamespaceType
_NOTHING: Final = -1

Caps = Literal["keep"] | frozenset[int] | None
"""All that the caller has there, or only some, or what the kernel's rules say."""


class Where(NamedTuple):
    """In which namespaces a program starts, and how they are set up."""

    join: tuple[tuple[NamespaceType, int], ...] = ()
    """Types, and descriptors of what the caller is not in."""

    at_home: int = _NOTHING
    """The caller's own pid namespace, if its children are born in another."""

    new: tuple[NamespaceType, ...] = ()
    uid_map: IdMap | None = None
    gid_map: IdMap | None = None
    time_offsets: Mapping[str, float] | None = None
    hostname: str | bytes | None = None
    loopback: bool = True
    mount_proc: bool = True
    init: bool = True
    die_with_parent: bool = False
    cgroup: int = _NOTHING
    caps: Caps = None
    no_new_privs: bool = False

    @property
    def has_init(self) -> bool:
        return self.init and _T.PID in self.new

    def check(self) -> None:
        """Refuse what cannot be, before anything is done."""
        if self[3:7] == (None, None, None, None):
            return
        create.refuse_misplaced(
            create.Plan(self.new, self.uid_map, self.gid_map, self.time_offsets,
                        self.hostname)
        )  # fmt: skip
        if self.hostname is not None:
            create.name_bytes(self.hostname)
        if self.time_offsets is not None:
            create.offsets_text(self.time_offsets)

    def plan(self, types: tuple[NamespaceType, ...]) -> create.Plan:
        """Return how those of the fresh namespaces are made that are of some types."""
        user, time, uts = (type in types for type in (_T.USER, _T.TIME, _T.UTS))
        return create.Plan(
            types,
            uid_map=self.uid_map if user else None,
            gid_map=self.gid_map if user else None,
            time_offsets=self.time_offsets if time else None,
            hostname=self.hostname if uts else None,
            loopback=self.loopback,
        )


class Texts(NamedTuple):
    """Strings for the shim: one after the other, with a null byte between them."""

    text: bytes
    number: int


class Program(NamedTuple):
    """What is executed, and with what; None and -1 leave things as they are."""

    args: Texts
    files: Texts
    """Tried one after the other."""

    env: Texts | None
    cwd: bytes | None
    stdio: tuple[int, int, int, int, int, int]
    """For stdin, stdout and stderr: which end to read from, and which to write to."""

    close_fds: bool
    pass_fds: Sequence[int]
    uid: int | None
    gid: int | None
    groups: Sequence[int] | None
    umask: int
    restore_signals: bool
    new_session: bool
    process_group: int
    name: str
    """The program, as an error names it."""

    directory: str | None


class Child:
    """
    A child that is to become a program, and what is open of it.

    Dropping it closes that. It also ends the program, unless that has been adopted:
    then it is somebody else's to reap.
    """

    __slots__ = ("_spawn",)

    def __init__(self) -> None:
        # All stands in the record from the moment that it is so, and the record closes
        # it when it goes: a signal handler that raises, wherever, loses nothing.
        self._spawn = new_spawn()

    def adopt(self) -> None:
        """Leave the program alone when this object is dropped."""
        self._spawn.adopted = True

    def start(self, where: Where, program: Program, stack: ExitStack) -> None:
        """
        Start the program; the calling thread stays where it is.

        Args:
            where: Where.

            program: What.

            stack: Closes what is needed only to start it.

        Raises:
            SpawnError: It has not begun, and nothing of it is left.
        """
        _refuse_closed(program.pass_fds)
        kept = _write_program(self._spawn, program)
        _write_where(self._spawn, where, stack)
        if where.join:
            sys.audit("pynamespaces.setns", tuple(type for type, _ in where.join))
        sys.audit("pynamespaces.clone3", where.new)
        try:
            self._carry_out(where, program)
        except BaseException:
            self.abandon()
            raise
        finally:
            kept.clear()

    def _carry_out(self, where: Where, program: Program) -> None:
        spawn = self._spawn
        result = lib.pyns_spawn(spawn)
        while result in (1, -errno.EINTR):
            # Python handles signals in between, and a handler may raise.
            result = lib.pyns_spawn_wait(spawn)
        if result < 0:
            raise _refusal(spawn, -result, where, program)

    def abandon(self) -> None:
        """Kill it and reap it, wherever it is; close what is open. Twice is allowed."""
        lib.pyns_spawn_abandon(self._spawn)

    @property
    def pid(self) -> int:
        """The process to wait for: the program, or its init."""
        return self._spawn.pid

    @property
    def pidfd(self) -> int:
        """Of the process to wait for; it stays this object's."""
        return self._spawn.pidfd

    @property
    def has_init(self) -> bool:
        return self._spawn.program_pidfd != _NOTHING

    @property
    def program_pidfd(self) -> int:
        """Of the program itself, which with an init is another."""
        spawn = self._spawn
        return spawn.program_pidfd if self.has_init else spawn.pidfd

    def status(self, status: int) -> int:
        """
        Return how the program ended, once it is reaped, and end its guard.

        Args:
            status: What :manpage:`wait(2)` said. An init cannot end by a signal, and
                says by another way how the program ended.
        """
        spawn = self._spawn
        if spawn.guard_pidfd != _NOTHING:
            lib.pyns_end_guard(spawn)
        if spawn.channel == _NOTHING:
            return status
        said = lib.pyns_read_status(spawn.channel)
        return status if said < 0 else said


def _refuse_closed(fds: Sequence[int]) -> None:
    """Refuse what is not open, before one of ours gets its number and is passed on."""
    for fd in fds:
        try:
            os.fstat(fd)
        except OSError as error:
            number = error.errno or errno.EBADF
            raise spawn_error(number, "execve", "fcntl") from None


# --- the record -----------------------------------------------------------------------


def _write_program(spawn: Spawn, program: Program) -> list[object]:
    """Write down what is executed; return what must be kept alive meanwhile."""
    kept: list[object] = []
    spawn.args = _kept_text(program.args.text, kept)
    spawn.arg_count = program.args.number
    spawn.files = _kept_text(program.files.text, kept)
    spawn.file_count = program.files.number
    if program.env is not None:
        spawn.env = _kept_text(program.env.text, kept)
        spawn.env_count = program.env.number
    if program.cwd is not None:
        spawn.cwd = _kept_text(program.cwd, kept)
    spawn.stdio = program.stdio
    spawn.close_fds = program.close_fds
    if program.pass_fds:
        spawn.keep_fds = fds = new_ints("int", sorted(program.pass_fds))
        spawn.keep_count = len(program.pass_fds)
        kept.append(fds)
    if program.groups is not None:
        spawn.groups = gids = new_ints("unsigned int", list(program.groups))
        spawn.group_count = len(program.groups)
        kept.append(gids)
    if program.uid is not None:
        spawn.has_uid, spawn.uid = True, program.uid
    if program.gid is not None:
        spawn.has_gid, spawn.gid = True, program.gid
    spawn.umask = program.umask
    spawn.restore_signals = program.restore_signals
    spawn.new_session = program.new_session
    spawn.process_group = program.process_group
    return kept


def _kept_text(text: bytes, kept: list[object]) -> Text:
    copy = new_text(text)
    kept.append(copy)
    return copy


def _write_where(spawn: Spawn, where: Where, stack: ExitStack) -> None:
    """Write down where it starts; what is made for that lives as long as *stack*."""
    becomes_root = _becomes_root(spawn, where)
    made = _make_beforehand(where, stack)
    spawn.userns = made.get(_T.USER, _NOTHING)
    spawn.timens = made.get(_T.TIME, _NOTHING)
    here = tuple(type for type in where.new if type not in made) if made else where.new
    spawn.flags = int(flags_of(here))
    joins_user = joins_time = False
    if where.join:
        spawn.join_count = len(where.join)
        for index, (type, fd) in enumerate(where.join):
            spawn.join_types[index], spawn.join_fds[index] = int(type.flag), fd
            joins_user |= type is _T.USER
            joins_time |= type is _T.TIME
    create.write_setup(spawn.setup, where.plan(here))
    if _T.USER in here:
        uids, gids = _maps(where)
        spawn.setup.uid_map = maps.own_line(uids, "uid") or b""
        spawn.setup.gid_map = maps.own_line(gids, "gid") or b""
    spawn.be_root = joins_user or becomes_root
    # Ids that change would make this process undumpable, if it shared its memory.
    spawn.apart = (
        joins_time
        or _T.TIME in made
        or bool(spawn.be_root or spawn.has_uid or spawn.has_gid)
        or spawn.group_count >= 0
    )
    spawn.mount_proc = where.mount_proc and _T.PID in where.new and _T.MNT in where.new
    spawn.at_home = where.at_home
    if where.has_init or where.die_with_parent:
        _open_resident(spawn)
        spawn.init = spawn.resident if where.has_init else _NOTHING
        spawn.guard = spawn.resident if where.die_with_parent else _NOTHING
    spawn.cgroup = where.cgroup
    spawn.no_new_privs = where.no_new_privs
    if where.caps == "keep":
        spawn.caps = lib.PYNS_CAPS_KEEP
    elif where.caps is not None:
        spawn.caps = lib.PYNS_CAPS_ONLY
        spawn.cap_set = sum(1 << cap for cap in where.caps)


def _open_resident(spawn: Spawn) -> None:
    try:
        residents.open_for(spawn)
    except OSError as error:
        number = error.errno or errno.EIO
        raise spawn_error(number, "init", "open(init)", (), error.filename) from None


def _maps(where: Where) -> tuple[IdMap, IdMap]:
    uids = IdMap.root() if where.uid_map is None else where.uid_map
    gids = IdMap.root() if where.gid_map is None else where.gid_map
    return uids, gids


def _becomes_root(spawn: Spawn, where: Where) -> bool:
    """Return whether who the caller is has no id in a fresh user namespace."""
    if _T.USER not in where.new:
        return False
    becomes = False
    own: tuple[tuple[Kind, int, bool], ...] = (
        ("uid", os.geteuid(), spawn.has_uid),
        ("gid", os.getegid(), spawn.has_gid),
    )
    for ids, (kind, number, is_given) in zip(_maps(where), own, strict=True):
        if is_given or maps.is_mapped(ids, kind, number):
            continue
        if not maps.has_root(ids, kind):
            option = "user" if kind == "uid" else "group"
            raise ValueError(
                f"the {kind}_map maps neither 0 nor the caller's own {number}: "
                f"say as whom the program is to run ({option}=...)"
            )
        becomes = True
    return becomes


def _make_beforehand(where: Where, stack: ExitStack) -> dict[NamespaceType, int]:
    """
    Make what the child could not make itself; return descriptors, which *stack* closes.

    That is a user namespace whose maps only others may write, and before Linux 6.2 one
    of time, which execve(2) did not enter.
    """
    types: list[NamespaceType] = []
    if _T.USER in where.new:
        uids, gids = _maps(where)
        if None in (maps.own_line(uids, "uid"), maps.own_line(gids, "gid")):
            types = [_T.USER]
    if _T.TIME in where.new and not _execve_enters_time():
        types = [type for type in (_T.USER, _T.TIME) if type in where.new]
    if not types:
        return {}
    try:
        made = create.fresh(where.plan(tuple(types)), _closed_by(stack))
    except SystemCallError as error:
        raise _step_of(error) from None
    return dict(zip(types, made, strict=True))


def _closed_by(stack: ExitStack) -> Callable[[int], int]:
    """Return what takes a descriptor over for a stack, and returns its number."""

    def adopt(fd: int) -> int:
        stack.callback(os.close, fd)
        return fd

    return adopt


def _execve_enters_time() -> bool:
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.partition("-")[0])) >= (6, 2)


# --- failures -------------------------------------------------------------------------

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
}

# What files of /proc a step writes.
_PATHS: Final = {
    "setgroups": "/proc/self/setgroups",
    "uid_map": "/proc/self/uid_map",
    "gid_map": "/proc/self/gid_map",
    "time_offsets": "/proc/self/timens_offsets",
}


def _refusal(spawn: Spawn, number: int, where: Where, program: Program) -> SpawnError:
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
    return spawn_error(number, step, syscall, types, filename)


# Which step it was that made a namespace beforehand: by the call, or the file written.
_BY_CALL: Final = {
    "sethostname": "hostname",
    "mount": "propagation",
    "newuidmap": "uid_map",
    "newgidmap": "gid_map",
}


def _step_of(error: SystemCallError) -> SpawnError:
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
