"""What type checkers know of errors, types and lowlevel; checked, never run."""

from typing import assert_type

from pynamespaces import (
    CloneFlag,
    ClosedNamespaceError,
    MultithreadedError,
    Namespace,
    NamespaceError,
    NamespaceGoneError,
    NamespacePermissionError,
    NamespaceType,
    NotANamespaceError,
    SystemCallError,
    TypeLike,
    lowlevel,
)


def attributes(error: SystemCallError) -> None:
    """What every refusal carries."""
    assert_type(error.syscall, str)
    assert_type(error.types, tuple[NamespaceType, ...])
    assert_type(error.reason, str | None)
    assert_type(error.hint, str | None)


def as_builtins(
    permission: NamespacePermissionError,
    closed: ClosedNamespaceError,
    gone: NamespaceGoneError,
    other: NotANamespaceError,
) -> None:
    """Each is the builtin that callers know, and one of ours."""
    plain: PermissionError = permission
    value: ValueError = closed
    lookup: LookupError = gone
    both: tuple[OSError, ValueError] = (other, other)
    ours: tuple[NamespaceError, ...] = (permission, closed, gone, other)
    system: OSError = closed  # type: ignore[assignment]
    print(plain, value, lookup, both, ours, system)


def caught() -> None:
    """What is caught has what its class has."""
    try:
        Namespace.from_pid(1, "net")
    except MultithreadedError as error:
        assert_type(error.hint, str | None)
    except NamespaceError as error:
        error.errno  # type: ignore[attr-defined]  # noqa: B018


def making() -> None:
    """What else is told is told by name."""
    SystemCallError(1, "no", "/x", syscall="setns", types=[NamespaceType.NET])
    SystemCallError(1, "no", b"/x", reason=None, hint="do")
    SystemCallError(1, "no", "/x", "setns")  # type: ignore[call-arg]


def types(name: str) -> None:
    """A type is a string; any string is not a type."""
    assert_type(NamespaceType.NET.flag, CloneFlag)
    assert_type(NamespaceType.from_flag(1), NamespaceType)
    assert_type(NamespaceType(name), NamespaceType)
    text: str = NamespaceType.NET
    number: int = CloneFlag.CLONE_NEWNET
    like: TypeLike = "net"
    unlike: TypeLike = name  # type: ignore[assignment]
    print(text, number, like, unlike)


def calls(namespace: Namespace) -> None:
    """The low level speaks in plain integers."""
    assert_type(lowlevel.CLONE_NEWNET, int)
    assert_type(lowlevel.PIDFD_THREAD, int)
    assert_type(lowlevel.pidfd_open(1, lowlevel.PIDFD_THREAD), int)
    assert_type(lowlevel.pidfd_getfd(3, 0), int)
    assert_type(lowlevel.clone3(lowlevel.CLONE_NEWNET, set_tid=[1]), tuple[int, int])
    assert_type(lowlevel.clone3(cgroup=3), tuple[int, int])
    assert_type(lowlevel.ns_get_userns(namespace), int)
    assert_type(lowlevel.ns_get_id(3), int)
    assert_type(lowlevel.ns_get_pid_in_pidns(3, 1), int)
    info = lowlevel.ns_mnt_get_info(3)
    assert_type(info, lowlevel.MountNamespaceInfo)
    assert_type(info.nr_mounts, int)
    assert_type(lowlevel.ns_mnt_get_next(3), tuple[int, lowlevel.MountNamespaceInfo])
    assert_type(lowlevel.name_to_handle_at(3), bytes)
    assert_type(lowlevel.open_by_handle_at(b""), int)
    lowlevel.setns(namespace, CloneFlag.CLONE_NEWNET)
    lowlevel.unshare(CloneFlag.CLONE_NEWNET | CloneFlag.CLONE_FS)
    lowlevel.setns("3")  # type: ignore[arg-type]
    lowlevel.open_by_handle_at("x")  # type: ignore[arg-type]
