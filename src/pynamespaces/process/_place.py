"""Reading what a program's namespaces are to be, before anything is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .._core import create, spawn
from .._core.capabilities import capability
from .._namespace import Namespace
from .._refusals import spawn_error
from .._types import NamespaceType, TypeLike, parse_types
from ..lowlevel._arguments import Descriptor, descriptor

if TYPE_CHECKING:
    from _typeshed import StrOrBytesPath

    from .._core.idmap import IdMap

Join: TypeAlias = Namespace | Iterable[Namespace] | Mapping[NamespaceType, Namespace]
New: TypeAlias = TypeLike | Iterable[TypeLike]
Caps: TypeAlias = Literal["keep", "drop"] | Iterable[str]

_T = NamespaceType
_NO_CGROUP: Final = -1


class Place:
    """What was asked for, checked; the namespaces stay whose they are."""

    __slots__ = ("_cgroup", "_join", "_joins", "_where")

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
        members = _members(join)
        types = _types(new)
        for namespace in members:
            if namespace.type in types:
                raise ValueError(
                    f"{namespace.type} is both in join and in new: a program has one"
                )
        if init and _T.PID not in types:
            raise ValueError("init needs a fresh pid namespace")
        self._joins = join is not None
        self._join = members
        self._cgroup = cgroup
        self._where = spawn.Where(
            new=types,
            uid_map=uid_map,
            gid_map=gid_map,
            time_offsets=time_offsets,
            hostname=hostname,
            loopback=loopback,
            mount_proc=mount_proc,
            init=init is not False,
            die_with_parent=die_with_parent,
            caps=_capabilities(caps),
            no_new_privs=no_new_privs,
        )
        plan = create.Plan(types, uid_map, gid_map, time_offsets, hostname)
        create.refuse_misplaced(plan)
        # What is wrong with them is told now, before there are pipes.
        if hostname is not None:
            create.name_bytes(hostname)
        if time_offsets is not None:
            create.offsets_text(time_offsets)

    @property
    def mnt(self) -> Namespace | None:
        """The mount namespace that is joined."""
        for namespace in self._join:
            if namespace.type is _T.MNT and not namespace.is_current():
                return namespace
        return None

    def is_asked_for(self) -> bool:
        """Return whether the program differs from one of `subprocess`'s."""
        where = self._where
        return (
            self._joins
            or bool(where.new)
            or self._cgroup is not None
            or where.caps is not None
            or where.no_new_privs
            or where.die_with_parent
        )

    @contextmanager
    def held(self) -> Iterator[spawn.Where]:
        """Lend descriptors of all that is joined, and of the cgroup."""
        with ExitStack() as stack:
            joined = [
                (namespace.type, stack.enter_context(namespace._hold()))
                for namespace in self._join
                if not namespace.is_current()
            ]
            cgroup = _NO_CGROUP
            if self._cgroup is not None:
                cgroup = _open_cgroup(self._cgroup, stack.callback)
            yield self._where._replace(join=tuple(joined), cgroup=cgroup)


def _members(join: Join | None) -> list[Namespace]:
    if join is None:
        return []
    if isinstance(join, Namespace):
        return [join]
    members = list(join.values() if isinstance(join, Mapping) else join)
    for index, namespace in enumerate(members):
        if not isinstance(namespace, Namespace):
            kind = type(namespace).__name__
            raise TypeError(f"what is joined are Namespaces, not {kind}")
        for other in members[:index]:
            if other.type is namespace.type:
                raise ValueError(
                    f"two namespaces of type {other.type}: {other!r}, {namespace!r}"
                )
    return members


def _types(new: New) -> tuple[NamespaceType, ...]:
    return parse_types((new,) if isinstance(new, str) else tuple(new))


def _capabilities(caps: Caps | None) -> spawn.Caps:
    if caps is None or caps == "keep":
        return caps
    if caps == "drop":
        return frozenset()
    if isinstance(caps, str):
        raise ValueError(f"caps are 'keep', 'drop' or a list of names, not {caps!r}")
    return frozenset(capability(name) for name in caps)


def _open_cgroup(
    cgroup: StrOrBytesPath | Descriptor, callback: Callable[..., object]
) -> int:
    """Open a cgroup's directory for the time of the call, or lend the caller's."""
    if not isinstance(cgroup, str | bytes | os.PathLike):
        return descriptor(cgroup)
    try:
        fd = os.open(cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        number = error.errno or errno.EIO
        path = os.fsdecode(cgroup)
        raise spawn_error(number, "cgroup", "open", (), path) from None
    callback(os.close, fd)
    return fd
