"""Reading what a program's namespaces are to be, before anything is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from .._core import plan
from .._core.capabilities import capability
from .._members import Join, members_of
from .._namespace import Namespace
from .._refusals import spawn_error
from .._types import NamespaceType, TypeLike, parse_types
from ..lowlevel._arguments import Descriptor, descriptor

if TYPE_CHECKING:
    from contextlib import ExitStack

    from _typeshed import StrOrBytesPath

    from .._core.idmap import IdMap

New: TypeAlias = TypeLike | Iterable[TypeLike]
Caps: TypeAlias = Literal["keep", "drop"] | Iterable[str]

_T = NamespaceType


class Place:
    """What was asked for, checked; the namespaces stay whose they are."""

    __slots__ = ("_cgroup", "_members", "_where", "is_asked_for")

    is_asked_for: bool
    """Whether the program is to differ from one of `subprocess`'s."""

    def __init__(
        self,
        *,
        join: Join | None = None,
        new: New = (),
        uid_map: IdMap | None = None,
        gid_map: IdMap | None = None,
        time_offsets: Mapping[str, float] | None = None,
        hostname: str | None = None,
        loopback: bool = True,
        mount_proc: bool = True,
        init: bool | None = None,
        die_with_parent: bool = False,
        cgroup: StrOrBytesPath | Descriptor | None = None,
        caps: Caps | None = None,
        no_new_privs: bool = False,
    ) -> None:
        self._members = () if join is None else members_of(join)
        types = _types(new)
        for namespace in self._members:
            if namespace.type in types:
                raise ValueError(
                    f"{namespace.type} is both in join and in new: a program has one"
                )
        if init and _T.PID not in types:
            raise ValueError("init needs a fresh pid namespace")
        self._cgroup = cgroup
        self._where = where = plan.Where(
            new=types,
            uid_map=uid_map,
            gid_map=gid_map,
            time_offsets=time_offsets,
            hostname=hostname,
            loopback=loopback,
            mount_proc=mount_proc,
            init=init is not False,
            die_with_parent=die_with_parent,
            caps=None if caps is None else _capabilities(caps),
            no_new_privs=no_new_privs,
        )
        where.check()
        self.is_asked_for = bool(
            types
            or join is not None
            or cgroup is not None
            or caps is not None
            or no_new_privs
            or die_with_parent
        )

    def joined_mnt(self) -> Namespace | None:
        """Return the mount namespace that the program will see, if not the caller's."""
        for namespace in self._members:
            if namespace.type is _T.MNT and not namespace.is_current():
                return namespace
        return None

    def hold(self, stack: ExitStack) -> plan.Where:
        """Lend descriptors of all that is joined, and of the cgroup, to a stack."""
        where = self._where
        if self._members:
            where = self._hold_members(where, stack)
        if self._cgroup is not None:
            cgroup = _open_cgroup(self._cgroup, stack)
            where = where._replace(cgroup=cgroup)
        return where

    def _hold_members(self, where: plan.Where, stack: ExitStack) -> plan.Where:
        joined = []
        for namespace in self._members:
            if namespace._is_where_children_are():
                continue
            held = stack.enter_context(namespace._hold())
            if namespace.type is _T.PID and namespace.is_current():
                # No process can join one that it is below of.
                where = where._replace(at_home=held)
            else:
                joined.append((namespace.type, held))
        return where._replace(join=tuple(joined))


def _types(new: New) -> tuple[NamespaceType, ...]:
    return parse_types((new,) if isinstance(new, str) else tuple(new))


def _capabilities(caps: Caps) -> plan.Caps:
    if caps == "keep":
        return "keep"
    if caps == "drop":
        return frozenset()
    if isinstance(caps, str):
        raise ValueError(  # noqa: TRY004 - strings there are that it takes
            f"caps are 'keep', 'drop' or a list of names, not {caps!r}"
        )
    return frozenset(capability(name) for name in caps)


def _open_cgroup(cgroup: StrOrBytesPath | Descriptor, stack: ExitStack) -> int:
    """Open a cgroup's directory for the time of the call, or lend the caller's."""
    if not isinstance(cgroup, str | bytes | os.PathLike):
        return descriptor(cgroup)
    try:
        fd = os.open(cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        number = error.errno or errno.EIO
        path = os.fsdecode(cgroup)
        raise spawn_error(number, "cgroup", "open(cgroup)", (), path) from None
    stack.callback(os.close, fd)
    return fd
