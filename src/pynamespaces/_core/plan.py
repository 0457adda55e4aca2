"""What is asked of a program that is to be started: where, and what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from .._types import NamespaceType
from . import create
from .idmap import IdMap

if TYPE_CHECKING:
    from _typeshed import StrOrBytesPath

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
    filter: bytes | None = None
    """Of its system calls, as :manpage:`seccomp(2)` takes it; who starts it answers."""

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

    @classmethod
    def of(cls, words: Sequence[StrOrBytesPath]) -> Texts:
        """
        Write some strings down.

        Raises:
            ValueError: One of them has a null byte.
        """
        try:
            text = os.fsencode("\0".join(cast("Sequence[str]", words)))
        except TypeError:  # Not all of them are str.
            text = b"\0".join([os.fsencode(word) for word in words])
        if text.count(b"\0") >= max(len(words), 1):
            raise ValueError("embedded null byte")
        return cls(text, len(words))

    @classmethod
    def of_environment(cls) -> Texts:
        """Copy it now: while a child is started, other threads may change it."""
        # The dict of bytes below os.environ: the mapping takes ten times as long.
        known: Mapping[bytes, bytes] = getattr(os.environ, "_data", os.environb)
        entries = [*map(b"=".join, known.items())]
        return cls(b"\0".join(entries), len(entries))


class Program(NamedTuple):
    """What is executed, and with what; None and -1 leave things as they are."""

    args: Texts
    files: Texts
    """Tried one after the other."""

    env: Texts
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
