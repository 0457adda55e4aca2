"""What may be joined: a namespace, a set of them, or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ._namespace import Namespace
from ._set import NamespaceSet
from ._types import NamespaceType

Join: TypeAlias = Namespace | Iterable[Namespace] | Mapping[NamespaceType, Namespace]


def members_of(join: Join) -> Sequence[Namespace]:
    """
    Return what is to be joined, at most one of each type.

    Raises:
        TypeError: Something of it is no namespace.

        ValueError: Two are of one type.
    """
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


def kept(join: Join) -> NamespaceSet:
    """Return a set of one's own, which does not mind if the others are closed."""
    found: list[Namespace] = []
    try:
        for namespace in members_of(join):
            with namespace._hold() as fd:
                found.append(Namespace.from_fd(fd))
    except BaseException:
        for namespace in found:
            namespace.close()
        raise
    return NamespaceSet(found)
