"""User namespaces: who made them, and the maps of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .. import _core, lowlevel
from .._namespace import Namespace
from .._types import NamespaceType

if TYPE_CHECKING:
    from .._core.idmap import IdMap


class UserNamespace(Namespace, type=NamespaceType.USER):
    """
    A user namespace: its own ids and capabilities (:manpage:`user_namespaces(7)`).

    It cannot be entered and left again; only a new process or thread can join it.
    """

    __slots__ = ()

    @property
    def owner_uid(self) -> int:
        """The uid that made it, as the caller's user namespace has it."""
        return lowlevel.ns_get_owner_uid(self)

    @property
    def uid_map(self) -> IdMap:
        """
        The map of its uids; without triples where none has been written.

        Outer ids are as the caller's user namespace has them (of that one itself, as
        its parent does). A helper task rests inside while it is read; no thread is
        moved.

        Raises:
            NamespacePermissionError: The caller has no power over it, and may look
                into no process that is in it.
        """
        with self._hold() as fd:
            return _core.maps.read_map(fd, "uid")

    @property
    def gid_map(self) -> IdMap:
        """The map of its gids, as `uid_map` of its uids."""
        with self._hold() as fd:
            return _core.maps.read_map(fd, "gid")

    def parent(self) -> UserNamespace:
        """
        Open the parent user namespace.

        Raises:
            NamespacePermissionError: It has none, or it lies outside the caller's.
        """
        return cast("UserNamespace", self._adopt(lowlevel.ns_get_parent(self)))
