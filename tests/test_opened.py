"""What an opened namespace tells, and what becomes of it."""

import copy
import gc
import os
import pickle
from collections.abc import Callable, Iterator

import pytest
from provoking import another_process, need_own_user, own_user
from support import ALL_TYPES, identity, in_child, own

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespaceId,
    NamespacePermissionError,
    NamespaceType,
    NetNamespace,
    PidNamespace,
    UserNamespace,
    UtsNamespace,
    lowlevel,
)

POWER = pytest.mark.tier("root", "userns")


@pytest.fixture
def uts() -> Iterator[Namespace]:
    """Open a namespace for a test."""
    namespace = Namespace.current("uts")
    yield namespace
    namespace.close()


@pytest.mark.parametrize("type", ALL_TYPES)
def test_id(type: str) -> None:
    """The id is that of the link, and plain data."""
    namespace = Namespace.current(NamespaceType(type))
    assert isinstance(namespace.id, NamespaceId)
    assert str(namespace.id) == os.readlink(f"/proc/self/ns/{type}")
    assert (namespace.id.dev, namespace.id.ino) == own(type)
    if namespace.id.unique is not None:
        assert namespace.id.unique == lowlevel.ns_get_id(namespace)
        handle = lowlevel.name_to_handle_at(namespace)
        assert int.from_bytes(handle[:8], "little") == namespace.id.unique


def test_repr(uts: Namespace) -> None:
    """The text for programmers has class, id and descriptor, or that it is closed."""
    link = os.readlink("/proc/self/ns/uts")
    assert repr(uts) == f"<UtsNamespace {link} fd={uts.fileno()}>"
    uts.close()
    assert repr(uts) == f"<UtsNamespace {link} closed>"


# --- equality ---


def test_equal_by_identity(uts: Namespace) -> None:
    """Two openings of one namespace are equal, and one key."""
    again = Namespace.from_pid(os.getpid(), "uts")
    assert again == uts
    assert hash(again) == hash(uts)
    assert len({again, uts}) == 1
    assert again is not uts


def test_different(uts: Namespace) -> None:
    """Namespaces of other types, and other things, are not equal."""
    assert uts != Namespace.current("net")
    assert uts != uts.id
    assert uts != "uts"
    assert uts.__eq__(3) is NotImplemented
    assert len({Namespace.current(NamespaceType(type)) for type in ALL_TYPES}) == 8


@POWER
def test_different_of_one_type(uts: Namespace) -> None:
    """Two namespaces of one type are not equal."""
    with another_process(lambda: lowlevel.unshare(lowlevel.CLONE_NEWUTS)) as pid:
        assert Namespace.from_pid(pid, "uts") != uts


# --- closing ---


def test_close(uts: Namespace) -> None:
    """Closing gives the descriptor back, once; again does nothing."""
    fd = uts.fileno()
    assert not uts.closed
    uts.close()
    assert uts.closed
    other = os.dup(0)
    assert other == fd
    uts.close()
    os.fstat(other)
    os.close(other)


@pytest.mark.parametrize(
    "use",
    [
        lambda ns: ns.fileno(),
        lambda ns: ns.owner(),
        lambda ns: ns.is_current(),
        lambda ns: ns.enter(),
        lambda ns: ns.__enter__(),
        Namespace.from_fd,
        lowlevel.setns,
        lowlevel.ns_get_nstype,
    ],
)
def test_use_after_close(uts: Namespace, use: Callable[[Namespace], object]) -> None:
    """Whatever needs the descriptor is a ClosedNamespaceError, a ValueError too."""
    uts.close()
    with pytest.raises(ClosedNamespaceError, match="closed") as caught:
        use(uts)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("type", ["user", "pid"])
def test_use_of_parent_after_close(type: str) -> None:
    """What only one type can do needs the descriptor as well."""
    namespace = Namespace.current(NamespaceType(type))
    namespace.close()
    assert isinstance(namespace, (UserNamespace, PidNamespace))
    with pytest.raises(ClosedNamespaceError):
        namespace.parent()
    if isinstance(namespace, UserNamespace):
        with pytest.raises(ClosedNamespaceError):
            _ = namespace.owner_uid


def test_known_after_close(uts: Namespace) -> None:
    """Type, id, equality and hash need no descriptor."""
    before = (uts.type, uts.id, hash(uts))
    uts.close()
    assert (uts.type, uts.id, hash(uts)) == before
    assert uts == Namespace.current("uts")


@pytest.mark.filterwarnings("error")
def test_dropped() -> None:
    """What nobody holds closes itself, without a warning."""
    fd = Namespace.current("uts").fileno()
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


# --- what cannot be done ---


@pytest.mark.parametrize("kind", [Namespace, NetNamespace, UserNamespace])
def test_direct_construction(kind: type[Namespace]) -> None:
    """An object is made only by the ways to open one, which the text names."""
    with pytest.raises(TypeError, match=f"{kind.__name__} is opened by from_pid"):
        kind()
    with pytest.raises(TypeError):
        kind(3)  # type: ignore[call-arg]


@pytest.mark.parametrize("attempt", [copy.copy, copy.deepcopy, pickle.dumps])
def test_no_copies(uts: Namespace, attempt: Callable[[object], object]) -> None:
    """A descriptor cannot be copied or sent, and the text names what can."""
    with pytest.raises(TypeError, match=r"\.ref\(\)"):
        attempt(uts)
    assert identity(uts.fileno()) == own("uts")


def test_no_attributes(uts: Namespace) -> None:
    """What is told cannot be overwritten, and there is no room for more."""
    for name in ("type", "id", "closed", "anything"):
        with pytest.raises(AttributeError):
            setattr(uts, name, None)


# --- owner and parent ---


def test_owner() -> None:
    """The owner is the user namespace in which the namespace was made."""
    need_own_user()

    def owned() -> tuple[bool, bool]:
        own_user(lowlevel.CLONE_NEWUTS)
        owner = Namespace.current("uts").owner()
        return type(owner) is UserNamespace, owner == Namespace.current("user")

    assert in_child(owned) == (True, True)


def test_owner_of_user_namespace() -> None:
    """The owner of a user namespace is its parent, and who made it is told."""
    need_own_user()
    with another_process(own_user) as pid:
        user = UserNamespace.from_pid(pid, "user")
        here = Namespace.current("user")
        assert user.owner() == user.parent() == here
        assert type(user.parent()) is UserNamespace
        assert user.owner_uid == os.geteuid()


@pytest.mark.parametrize("type", ["user", "pid"])
def test_parent_outside(type: str) -> None:
    """The parent of one's own is not to be had: there is none, or it is outside."""
    namespace = Namespace.current(NamespaceType(type))
    assert isinstance(namespace, (UserNamespace, PidNamespace))
    with pytest.raises(NamespacePermissionError, match="lies outside"):
        namespace.parent()


def test_owner_outside() -> None:
    """The owner of what is above the caller's user namespace is not to be had."""
    need_own_user()

    def ask() -> None:
        outer = Namespace.current("uts")
        own_user()
        outer.owner()

    with pytest.raises(NamespacePermissionError, match="lies outside"):
        in_child(ask)


@POWER
def test_parent_of_pid_namespace() -> None:
    """The parent of a pid namespace is the one from which it was made."""

    def ask() -> tuple[bool, bool]:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        with another_process() as pid:
            parent = PidNamespace.from_pid(pid, "pid").parent()
            return type(parent) is PidNamespace, parent == Namespace.current("pid")

    assert in_child(ask) == (True, True)


# --- is_current ---


@pytest.mark.parametrize("type", ALL_TYPES)
def test_is_current(type: str) -> None:
    """The thread's own namespaces are those where it is."""
    assert Namespace.current(NamespaceType(type)).is_current()


@POWER
def test_is_not_current() -> None:
    """A namespace that the thread has left is not."""

    def leave() -> tuple[bool, bool]:
        before = Namespace.current("uts")
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)
        return before.is_current(), Namespace.current("uts").is_current()

    assert in_child(leave) == (False, True)


def test_subclass_of_a_subclass() -> None:
    """A subclass that a program makes is what its methods return."""

    class Named(UtsNamespace):
        pass

    namespace = Named.from_path("/proc/self/ns/uts")
    assert type(namespace) is Named
    assert namespace == Namespace.current("uts")
