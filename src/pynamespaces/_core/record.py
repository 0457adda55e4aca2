"""Writing down for the shim how a program is to be started."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from .._lib import Spawn, Text, lib, new_ints, new_text
from .._refusals import spawn_error
from .._types import NamespaceType, flags_of
from ..errors import SystemCallError
from . import create, maps, residents, steps
from .idmap import IdMap, Kind
from .plan import Program, Where

_T = NamespaceType
_NOTHING: Final = -1

_INSTRUCTION: Final = 8
"""The size of struct sock_filter."""

_MOST_INSTRUCTIONS: Final = 4096


def write_program(spawn: Spawn, program: Program) -> list[object]:
    """Write down what is executed; return what must be kept alive meanwhile."""
    kept: list[object] = []
    spawn.args = _kept_text(program.args.text, kept)
    spawn.arg_count = program.args.number
    spawn.files = _kept_text(program.files.text, kept)
    spawn.file_count = program.files.number
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


def write_where(
    spawn: Spawn, where: Where, stack: ExitStack, kept: list[object]
) -> None:
    """
    Write down where it starts; what is made for that lives as long as *stack*.

    What else must be kept alive meanwhile is added to *kept*.
    """
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
    if _T.NET in here or where.hostname is not None or where.time_offsets is not None:
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
    spawn.mount_proc = bool(where.mount_proc) and {_T.PID, _T.MNT} <= {*where.new}
    spawn.at_home = where.at_home
    if where.has_init or where.die_with_parent:
        _open_resident(spawn)
        spawn.init = spawn.resident if where.has_init else _NOTHING
        spawn.guard = spawn.resident if where.die_with_parent else _NOTHING
    spawn.cgroup = where.cgroup
    spawn.no_new_privs = bool(where.no_new_privs)
    if where.filter is not None:
        _write_filter(spawn, where.filter, kept)
    if where.caps == "keep":
        spawn.caps = lib.PYNS_CAPS_KEEP
    elif where.caps is not None:
        spawn.caps = lib.PYNS_CAPS_ONLY
        spawn.cap_set = sum(1 << cap for cap in where.caps)


def _write_filter(spawn: Spawn, filter: bytes, kept: list[object]) -> None:
    length, rest = divmod(len(filter), _INSTRUCTION)
    if rest or not 0 < length <= _MOST_INSTRUCTIONS:
        raise ValueError(
            f"a filter of {len(filter)} bytes is none of whole instructions"
        )
    spawn.filter = _kept_text(filter, kept)
    spawn.filter_length = length


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

    That is a user namespace whose maps only others may write, and one of time: execve
    would enter that, but later than the caller goes on; before Linux 6.2, not at all.
    """
    types: list[NamespaceType] = []
    if _T.USER in where.new:
        uids, gids = _maps(where)
        if None in (maps.own_line(uids, "uid"), maps.own_line(gids, "gid")):
            types = [_T.USER]
    if _T.TIME in where.new:
        types = [type for type in (_T.USER, _T.TIME) if type in where.new]
    if not types:
        return {}
    plan = where.plan(tuple(types))
    if _T.TIME in types:
        # Who has joined a user namespace has no power over what is outside of it.
        plan = plan._replace(owner=dict(where.join).get(_T.USER, create.NO_OWNER))
    try:
        made = create.fresh(plan, _closed_by(stack))
    except SystemCallError as error:
        raise steps.step_of(error) from None
    return dict(zip(types, made, strict=True))


def _closed_by(stack: ExitStack) -> Callable[[int], int]:
    """Return what takes a descriptor over for a stack, and returns its number."""

    def adopt(fd: int) -> int:
        stack.callback(os.close, fd)
        return fd

    return adopt
