"""Namespaces that cannot be made: refused, told why, and nothing is left."""

import errno
import os
import resource
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from creating import POWER, TYPES, children, descriptors, member, nothing_happens
from holding import in_own_userns
from provoking import drop_capabilities, libc, refuse_calls
from support import in_child, own_all
from watching import in_worker

from pynamespaces import (
    ClosedNamespaceError,
    IdMap,
    IrreversibleError,
    Namespace,
    NamespaceLimitError,
    NamespacePermissionError,
    NamespaceSet,
    NetNamespace,
    SystemCallError,
    TimeNamespace,
    TypeLike,
    UserNamespace,
    unshared,
)

PR_SET_DUMPABLE, PR_GET_DUMPABLE = 4, 3


def check_refused(
    error: type[Exception], make: Callable[[], object], match: str | None = None
) -> Exception:
    """Check that making is refused, and leaves nothing."""
    with nothing_happens():
        before = descriptors()
        with pytest.raises(error, match=match) as caught:
            make()
        assert descriptors() == before
    return caught.value


# --- arguments ---

MAP = IdMap([(0, 1000, 1)])


@pytest.mark.parametrize(
    ("types", "options", "error", "match"),
    [
        ((), {}, ValueError, "at least one type"),
        (("pid",), {}, ValueError, r'Popen\(new="pid"\)'),
        ((*TYPES, "pid"), {}, ValueError, r'Popen\(new="pid"\)'),
        (("nett",), {}, ValueError, "'cgroup', 'ipc'"),
        ((5,), {}, TypeError, "is not a namespace type"),
        (("net",), {"uid_map": MAP}, ValueError, "uid_map needs a fresh user"),
        (("net",), {"gid_map": MAP}, ValueError, "gid_map needs a fresh user"),
        (("user",), {"hostname": "x"}, ValueError, "hostname needs a fresh uts"),
        (("uts",), {"time_offsets": {}}, ValueError, "needs a fresh time"),
        (("uts",), {"hostname": "n" * 65}, ValueError, "at most 64 bytes"),
        (("uts",), {"hostname": "ö" * 33}, ValueError, "at most 64 bytes"),
        (("uts",), {"hostname": "a\0b"}, ValueError, "none of them null"),
        (("uts",), {"hostname": 5}, TypeError, "not int"),
        (("time",), {"time_offsets": {"realtime": 1}}, ValueError, "'monotonic' and"),
        (("time",), {"time_offsets": {"monotonic": "1"}}, TypeError, "not str"),
        (("time",), {"time_offsets": {"monotonic": True}}, TypeError, "not bool"),
        (("time",), {"time_offsets": {"boottime": 2**63}}, ValueError, "cannot be"),
        (("time",), {"time_offsets": {"boottime": 1e300}}, ValueError, "cannot be"),
        (("time",), {"time_offsets": {"boottime": float("nan")}}, ValueError, "nan"),
        (("time",), {"time_offsets": {"boottime": -float("inf")}}, ValueError, "inf"),
        (("time",), {"time_offsets": ["monotonic"]}, TypeError, None),
        (("user",), {"uid_map": [(0, 0, 1)]}, TypeError, None),
        (("user",), {"gid_map": []}, TypeError, None),
        (("uts",), {"owner": 5}, TypeError, "UserNamespace"),
    ],
)
def test_arguments(
    types: tuple[TypeLike, ...],
    options: Mapping[str, object],
    error: type[Exception],
    match: str | None,
) -> None:
    """What cannot be is refused before any system call, and said."""

    def check() -> None:
        events: list[str] = []
        sys.addaudithook(lambda event, _: events.append(event))
        with pytest.raises(error, match=match):
            NamespaceSet.new(*types, **options)  # type: ignore[arg-type]
        assert not [event for event in events if event.startswith("pynamespaces.")]
        if len(types) == 1:
            with pytest.raises(error, match=match):
                Namespace.new(types[0], **options)  # type: ignore[call-overload]

    in_child(check)


def test_class_of_another_type() -> None:
    """A class of one type does not make another."""
    check_refused(ValueError, lambda: NetNamespace.new("uts"), "is of type net")


def test_wrong_owner() -> None:
    """An owner is a user namespace that is open, and not for a fresh one."""
    net = Namespace.current("net")
    user = UserNamespace.new("user")

    def make(owner: object, *types: TypeLike) -> Callable[[], NamespaceSet]:
        return lambda: NamespaceSet.new(*types, owner=owner)  # type: ignore[arg-type]

    check_refused(TypeError, make(net, "uts"), "an owner is a UserNamespace")
    check_refused(ValueError, make(user, "user", "uts"), "its own owner")
    user.close()
    check_refused(ClosedNamespaceError, make(user, "uts"))
    net.close()


# --- the next child would be an init ---


@POWER
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
def test_pending_pid_namespace(run: Callable[[Callable[[], None]], None]) -> None:
    """A thread whose next child is an init keeps it for a child of its own."""

    def check() -> None:
        net = NetNamespace.current("net")
        with unshared("pid"):
            attempts: list[Callable[[], object]] = [
                lambda: Namespace.new("uts"),
                lambda: NamespaceSet.new("user", "net"),
                net.socket,
            ]
            for attempt in attempts:
                check_refused(IrreversibleError, attempt, "init of a fresh pid")
            assert in_child(os.getpid) == 1
        Namespace.new("uts").close()
        net.close()

    run(check)


def test_init_is_running() -> None:
    """While that init runs, the helper task is an ordinary process beside it."""

    def check() -> None:
        with unshared("pid"):
            reader, writer = os.pipe()
            init = os.fork()
            if init == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            os.close(reader)
            with nothing_happens():
                Namespace.new("uts").close()
                NamespaceSet.new("user", "mnt").close()
            os.close(writer)
            os.waitpid(init, 0)

    in_own_userns(check, "pid")


# --- limits ---


def make_with_room(room: int) -> bool:
    """Make five namespaces with room for so many descriptors, if that will do."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(descriptors())
    # Room is below the limit only.
    for _ in set(range(highest)) - descriptors().keys():
        os.dup(0)
    before = descriptors()
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + room, hard))
    try:
        made = NamespaceSet.new("user", "net", "uts", "ipc", "mnt")
    except NamespaceLimitError as error:
        text = f"{errno.errorcode[error.errno or 0]} {error}"
    else:
        text = ""
        made.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert descriptors() == before
    assert children() == []
    assert not text or text.startswith("EMFILE")
    assert not text or "RLIMIT_NOFILE" in text
    return not text


def test_descriptors_run_out() -> None:
    """With room for fewer descriptors than it takes, all or none are made."""
    made = [in_child(partial(make_with_room, room)) for room in range(12)]
    assert made == sorted(made)
    assert (made[4], made[-1]) == (False, True)


@pytest.mark.parametrize("type", TYPES)
def test_limit_of_namespaces(type: TypeLike) -> None:
    """A limit on namespaces of one type is told by its name; none is made."""

    def check() -> None:
        Path(f"/proc/sys/user/max_{type}_namespaces").write_text("0")
        others: tuple[TypeLike, ...] = ("ipc", "uts")
        error = check_refused(
            NamespaceLimitError, lambda: Namespace.new(type), f"max_{type}_namespaces"
        )
        assert isinstance(error, NamespaceLimitError)
        assert (error.errno, error.types) == (errno.ENOSPC, (type,))
        with pytest.raises(NamespaceLimitError):
            NamespaceSet.new(*dict.fromkeys((*others, type)))

    in_own_userns(check)


# --- power ---


@pytest.mark.parametrize("type", [type for type in TYPES if type != "user"])
def test_without_power(type: TypeLike) -> None:
    """Without power only those with a user namespace are made."""

    def check() -> None:
        drop_capabilities()
        error = check_refused(
            NamespacePermissionError, lambda: Namespace.new(type), "no CAP_SYS_ADMIN"
        )
        assert "user namespace along with it" in str(error)
        if os.geteuid() != 0:  # Root's id takes CAP_SETFCAP to map.
            NamespaceSet.new("user", type).close()

    in_child(check)


def test_filtered() -> None:
    """Where a filter forbids unshare, as in a container, that is said."""

    def check() -> None:
        refuse_calls(unshare=errno.EPERM)
        check_refused(NamespacePermissionError, lambda: Namespace.new("user"))

    in_child(check)


def test_without_clone3() -> None:
    """Where a filter hides clone3, as older containers' do, it works."""

    def check() -> None:
        refuse_calls(clone3=errno.ENOSYS)
        NamespaceSet.new("user", "net").close()

    in_child(check)


@pytest.mark.tier("plain", "root")
def test_undumpable() -> None:
    """A process that may not write its own files in /proc is told why."""

    def check() -> None:
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 65534)  # Which makes it undumpable.
        else:
            libc.prctl(PR_SET_DUMPABLE, 0)
        state = libc.prctl(PR_GET_DUMPABLE), children()
        with pytest.raises(NamespacePermissionError) as caught:
            Namespace.new("user")
        assert "may not write its own files in /proc" in str(caught.value)
        assert "execute a program" in str(caught.value)
        assert (libc.prctl(PR_GET_DUMPABLE), children()) == state

    in_child(check)


def test_late_failure() -> None:
    """What fails when all is made leaves nothing either."""

    def check() -> None:
        types: tuple[TypeLike, ...] = ("user", "mnt", "net", "uts", "time")
        for offsets in ({"monotonic": -1e9}, {"monotonic": 1, "boottime": -1e9}):
            with pytest.raises(SystemCallError) as caught:
                NamespaceSet.new(*types, time_offsets=offsets)
            assert caught.value.errno == errno.ERANGE

    with nothing_happens():
        before = own_all(), descriptors()
        in_child(check)
        check()
        assert (own_all(), descriptors()) == before
    with closing(NamespaceSet.new("user", "time")) as made:
        assert set(member(made, TimeNamespace).offsets.values()) == {0}
