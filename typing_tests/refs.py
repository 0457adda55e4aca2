"""What type checkers know of references; checked, never run."""

from collections.abc import Iterable
from typing import assert_type

from pynamespaces import (
    Namespace,
    NamespaceId,
    NamespaceRef,
    NetNamespace,
    TypeLike,
    UserNamespace,
)


def of_a_type(net: NetNamespace, user: UserNamespace) -> None:
    """A reference leads back to the class that it was made from."""
    assert_type(net.ref(), NamespaceRef[NetNamespace])
    assert_type(net.ref().resolve(), NetNamespace)
    assert_type(Namespace.from_pid(1, "user").ref().resolve(), UserNamespace)
    assert_type(user.ref().id, NamespaceId)


def of_any(namespace: Namespace, type: TypeLike) -> None:
    """Where the type is not known, it is a Namespace."""
    assert_type(namespace.ref(), NamespaceRef[Namespace])
    assert_type(Namespace.current(type).ref().resolve(), Namespace)


def from_bytes(net: NetNamespace) -> None:
    """Bytes do not tell the type."""
    data = bytes(net.ref())
    assert_type(data, bytes)
    assert_type(NamespaceRef.from_bytes(data), NamespaceRef[Namespace])
    assert_type(NamespaceRef.from_bytes(bytearray(data)).resolve(), Namespace)
    NamespaceRef.from_bytes("text")  # type: ignore[arg-type]
    NamespaceRef.from_bytes(7)  # type: ignore[arg-type]


def unspecific(refs: Iterable[NamespaceRef]) -> list[Namespace]:
    """Without an argument, it is a reference to any."""
    return [ref.resolve() for ref in refs]


def passed_on(net: NetNamespace, user: UserNamespace) -> None:
    """A reference to a subclass is one to the base, and not the reverse."""
    unspecific([net.ref(), user.ref()])
    wide: NamespaceRef[Namespace] = net.ref()
    narrow: NamespaceRef[NetNamespace] = wide  # type: ignore[assignment]
    print(wide, narrow)


def not_to_be_made(ref: NamespaceRef[NetNamespace]) -> None:
    """It is not made by hand, and not changed."""
    NamespaceRef(ref.id)  # type: ignore[call-arg]
    ref.id = ref.id  # type: ignore[misc]
