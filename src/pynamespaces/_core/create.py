"""Fresh namespaces: the caller stays where it is, and no process is left behind."""

import errno
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

from .._lib import Creation, Setup, lib, new_creation
from .._types import NamespaceType, flags_of, shown
from . import maps
from .idmap import IdMap
from .outcomes import refusal

_T = NamespaceType
_BILLION: Final = 10**9
_CLOCKS: Final = ("monotonic", "boottime")
_LONGEST_NAME: Final = 64
_NOTHING: Final = -1

NO_OWNER: Final = -1

Made = TypeVar("Made")


class Plan(NamedTuple):
    """How fresh namespaces are to be set up; what is None is left as it comes."""

    types: tuple[NamespaceType, ...]
    uid_map: IdMap | None = None
    gid_map: IdMap | None = None
    time_offsets: Mapping[str, float] | None = None
    hostname: str | bytes | None = None
    loopback: bool = True
    owner: int = NO_OWNER
    """A descriptor of the user namespace to make them in."""


def fresh(plan: Plan, adopt: Callable[[int], Made]) -> list[Made]:
    """
    Make namespaces, all or none.

    Args:
        plan: Which, and how.

        adopt: Takes over the descriptor of one, also if it fails.

    Returns:
        What *adopt* made of each, in the order of ``plan.types``.

    Raises:
        ValueError: The plan cannot be; nothing was made.
    """
    _refuse_contradictions(plan)
    creation = new_creation()
    creation.flags = int(flags_of(plan.types))
    creation.owner = plan.owner
    write_setup(creation.setup, plan)
    creation.count = len(plan.types)
    for index, type in enumerate(plan.types):
        creation.nstypes[index] = int(type.flag)

    uids = IdMap.root() if plan.uid_map is None else plan.uid_map
    gids = IdMap.root() if plan.gid_map is None else plan.gid_map
    lines = maps.own_line(uids, "uid"), maps.own_line(gids, "gid")
    by_itself = _T.USER in plan.types and None not in lines
    if by_itself:
        creation.setup.uid_map = lines[0] or b""
        creation.setup.gid_map = lines[1] or b""

    sys.audit("pynamespaces.clone3", plan.types)
    creation.fds = [_NOTHING] * len(creation.fds)
    try:
        # Again where a signal has ended the task; Python handles it in between.
        while (result := lib.pyns_create(creation)) == -errno.EINTR:
            pass
        if result < 0:
            raise refusal(result, plan.types)
        if _T.USER in plan.types and not by_itself:
            user = creation.fds[plan.types.index(_T.USER)]
            maps.write_maps(user, uids, gids)
        return [adopt(_take(creation, index)) for index in range(len(plan.types))]
    except BaseException:
        for fd in creation.fds:
            if fd != _NOTHING:
                os.close(fd)
        raise


def write_setup(setup: Setup, plan: Plan) -> None:
    """Write down how they are set up, but for the maps."""
    setup.loopback = bool(plan.loopback) and _T.NET in plan.types
    setup.hostname_length = -1
    if plan.hostname is not None:
        name = name_bytes(plan.hostname)
        setup.hostname, setup.hostname_length = name, len(name)
    if plan.time_offsets is not None:
        setup.time_offsets = offsets_text(plan.time_offsets)


def _take(creation: Creation, index: int) -> int:
    """Return a descriptor that is then no longer the record's to close."""
    fd, creation.fds[index] = creation.fds[index], _NOTHING
    return fd


def _refuse_contradictions(plan: Plan) -> None:
    """Refuse what would otherwise reach nothing, or what is not the plan's."""
    if not plan.types:
        raise ValueError("name at least one type to make, such as 'net'")
    if _T.PID in plan.types:
        raise ValueError(
            "a fresh pid namespace has no life without its init: start one with "
            'Popen(new="pid")'
        )
    refuse_misplaced(plan)
    if _T.USER in plan.types and plan.owner != NO_OWNER:
        raise ValueError("a fresh user namespace is its own owner of the others")


def refuse_misplaced(plan: Plan) -> None:
    """Refuse what is to be set up in no fresh namespace, or cannot be."""
    for map in (plan.uid_map, plan.gid_map):
        if map is not None and not isinstance(map, IdMap):
            raise TypeError(f"a map is an IdMap, not {type(map).__name__}")
    for option, wanted, given in (
        ("uid_map", _T.USER, plan.uid_map is not None),
        ("gid_map", _T.USER, plan.gid_map is not None),
        ("time_offsets", _T.TIME, plan.time_offsets is not None),
        ("hostname", _T.UTS, plan.hostname is not None),
    ):
        if given and wanted not in plan.types:
            raise ValueError(f"{option} needs a fresh {wanted} namespace")


def name_bytes(name: str | bytes) -> bytes:
    """
    Return a host or domain name as the kernel takes it.

    Raises:
        TypeError: It is neither str nor bytes.

        ValueError: It is longer than 64 bytes, or has a null byte.
    """
    if not isinstance(name, str | bytes):
        raise TypeError(f"a name must be str or bytes, not {type(name).__name__}")
    encoded = os.fsencode(name)
    if len(encoded) > _LONGEST_NAME or b"\0" in encoded:
        raise ValueError(
            f"a name has at most {_LONGEST_NAME} bytes, none of them null: {name!r}"
        )
    return encoded


def offsets_text(offsets: Mapping[str, float]) -> bytes:
    """
    Return clock offsets, in seconds, as ``timens_offsets`` takes them.

    Raises:
        ValueError: A clock is unknown, or an offset is not finite.
    """
    if not isinstance(offsets, Mapping):
        kind = type(offsets).__name__
        raise TypeError(f"offsets are a mapping of clocks to seconds, not {kind}")
    lines = []
    for clock, seconds in offsets.items():
        if clock not in _CLOCKS:
            known = " and ".join(repr(name) for name in _CLOCKS)
            raise ValueError(f"{clock!r} has no offset: only {known} have")
        lines.append("{} {} {}".format(clock, *_split_seconds(seconds)))
    return "\n".join(lines).encode()


def _split_seconds(seconds: float) -> tuple[int, int]:
    """Return whole seconds, maybe negative, and nanoseconds, never negative."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        kind = type(seconds).__name__
        raise TypeError(f"an offset is in seconds, an int or a float, not {kind}")
    # As a float, an int may be more than there can be.
    if not abs(seconds) < 2**63:
        raise ValueError(f"an offset of {shown(seconds)} seconds cannot be")
    if isinstance(seconds, int):
        return seconds, 0
    fraction, whole = math.modf(seconds)
    return divmod(int(whole) * _BILLION + round(fraction * _BILLION), _BILLION)
