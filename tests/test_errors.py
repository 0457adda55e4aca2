"""The exceptions: what they are, what they carry, how they read."""

import copy
import errno
import inspect
import os
import pickle
import traceback

import pytest

import pynamespaces
from pynamespaces import errors
from pynamespaces.errors import (
    CallError,
    ClosedNamespaceError,
    IrreversibleError,
    MultithreadedError,
    NamespaceError,
    NamespaceExistsError,
    NamespaceGoneError,
    NamespaceLimitError,
    NamespacePermissionError,
    NoSuchNamespaceError,
    NoSuchProcessError,
    NotANamespaceError,
    RestoreError,
    SpawnError,
    SystemCallError,
    UnsupportedError,
    WrongTypeError,
)

NET, UTS = pynamespaces.NamespaceType.NET, pynamespaces.NamespaceType.UTS

REFUSED: dict[type[SystemCallError], type[Exception]] = {
    SystemCallError: OSError,
    NamespacePermissionError: PermissionError,
    NoSuchNamespaceError: FileNotFoundError,
    NoSuchProcessError: ProcessLookupError,
    NamespaceExistsError: FileExistsError,
    NamespaceLimitError: OSError,
    UnsupportedError: OSError,
    MultithreadedError: OSError,
    WrongTypeError: ValueError,
    NotANamespaceError: ValueError,
    RestoreError: OSError,
    SpawnError: OSError,
}
"""The errors of system calls, and the builtin that each is too."""

OTHERS: dict[type[NamespaceError], type[Exception]] = {
    CallError: Exception,
    IrreversibleError: Exception,
    ClosedNamespaceError: ValueError,
    NamespaceGoneError: LookupError,
}


def make(kind: type[SystemCallError] = SystemCallError) -> SystemCallError:
    """Make an error that says all that one can say."""
    return kind(
        errno.EPERM,
        "Operation not permitted",
        "/run/netns/blue",
        syscall="setns",
        types=(NET, UTS),
        reason="the caller has no power",
        hint="get some",
    )


def facts(error: SystemCallError) -> tuple[object, ...]:
    """Return all that an error carries."""
    words = (error.syscall, error.types, error.reason, error.hint)
    return (error.errno, error.strerror, error.filename, *words, str(error))


@pytest.mark.parametrize(("kind", "builtin"), REFUSED.items())
def test_kinds_of_system_call_error(
    kind: type[SystemCallError], builtin: type[Exception]
) -> None:
    """An error of a system call is an OSError, ours, and the builtin of its errno."""
    assert issubclass(kind, (SystemCallError,))
    assert issubclass(kind, (NamespaceError,))
    assert issubclass(kind, (OSError,))
    assert issubclass(kind, (builtin,))


@pytest.mark.parametrize(("kind", "builtin"), OTHERS.items())
def test_kinds_of_other_error(
    kind: type[NamespaceError], builtin: type[Exception]
) -> None:
    """An error without a system call is no OSError, and the builtin that it is like."""
    assert issubclass(kind, (NamespaceError,))
    assert issubclass(kind, (builtin,))
    assert not issubclass(kind, (OSError,))


def test_no_subclass_of_another() -> None:
    """Each kind is beside the others, so no ``except`` catches more than it names."""
    kinds = [*REFUSED, *OTHERS]
    leaves = [kind for kind in kinds if kind is not SystemCallError]
    nested = [
        (one, other)
        for one in leaves
        for other in leaves
        if one is not other and issubclass(one, other)
    ]
    assert nested == []


def test_all_is_complete() -> None:
    """``errors.__all__`` has every exception of the module, in order."""
    defined = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
        # Those are what a SpawnError is, by its errno.
        if not (name.startswith("_") and issubclass(value, errors.SpawnError))
    ]
    assert errors.__all__ == sorted(defined)
    assert {NamespaceError, *REFUSED, *OTHERS} == {
        getattr(errors, name) for name in defined
    }


@pytest.mark.parametrize("name", errors.__all__)
def test_package_has_it(name: str) -> None:
    """Every exception can be had from the package itself."""
    assert getattr(pynamespaces, name) is getattr(errors, name)
    assert name in pynamespaces.__all__


@pytest.mark.parametrize("name", errors.__all__)
def test_says_when(name: str) -> None:
    """Every exception says in its docstring when it is raised."""
    assert inspect.getdoc(getattr(errors, name)) is not None
    assert vars(getattr(errors, name))["__doc__"]


@pytest.mark.parametrize("kind", REFUSED)
def test_carries(kind: type[SystemCallError]) -> None:
    """An error carries errno, text, path, call, types, reason and hint."""
    error = make(kind)
    assert (error.errno, error.strerror) == (errno.EPERM, "Operation not permitted")
    assert error.filename == "/run/netns/blue"
    assert (error.syscall, error.types) == ("setns", (NET, UTS))
    assert (error.reason, error.hint) == ("the caller has no power", "get some")


@pytest.mark.parametrize("kind", REFUSED)
def test_text(kind: type[SystemCallError]) -> None:
    """The text has all that is known, in the order of OSError's."""
    assert str(make(kind)) == (
        "[Errno 1] Operation not permitted [setns net,uts]: '/run/netns/blue': "
        "the caller has no power (get some)"
    )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemCallError(2, "No such file"), "[Errno 2] No such file"),
        (
            SystemCallError(2, "No such file", b"/x"),
            "[Errno 2] No such file: b'/x'",
        ),
        (
            SystemCallError(9, "Bad", syscall="ioctl(NS_GET_ID)"),
            "[Errno 9] Bad [ioctl(NS_GET_ID)]",
        ),
        (SystemCallError(9, "Bad", types=[NET]), "[Errno 9] Bad [net]"),
        (SystemCallError(9, "Bad", reason="why"), "[Errno 9] Bad: why"),
        (SystemCallError(9, "Bad", hint="what"), "[Errno 9] Bad (what)"),
    ],
)
def test_text_of_parts(error: SystemCallError, text: str) -> None:
    """What is not known is left out of the text."""
    assert str(error) == text


def test_defaults() -> None:
    """What nobody said is empty, or None."""
    error = SystemCallError(errno.EPERM, "no")
    assert (error.syscall, error.types) == ("", ())
    assert (error.filename, error.reason, error.hint) == (None, None, None)


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(kind: type[SystemCallError], protocol: int) -> None:
    """An error arrives in another process as itself, with all that it carries."""
    error = make(kind)
    arrived = pickle.loads(pickle.dumps(error, protocol))
    assert type(arrived) is type(make(kind))
    assert facts(arrived) == facts(error)


@pytest.mark.parametrize("kind", OTHERS)
def test_pickling_of_others(kind: type[NamespaceError]) -> None:
    """An error without a system call keeps its text when pickled."""
    arrived = pickle.loads(pickle.dumps(kind("the text")))
    assert (type(arrived), str(arrived)) == (kind, "the text")


def test_pickling_of_an_exit_status() -> None:
    """The exit status of a process that was called in comes along."""
    arrived = pickle.loads(pickle.dumps(CallError("the text", -9)))
    assert (str(arrived), arrived.exitcode) == ("the text", -9)
    assert CallError("the text").exitcode is None


def test_pickling_without_filename() -> None:
    """No path is still none after pickling."""
    error = SystemCallError(errno.EIO, "io", syscall="setns", types=[NET])
    arrived = pickle.loads(pickle.dumps(error))
    assert facts(arrived) == facts(error)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_copying(copier: type[object]) -> None:
    """A copy of an error carries the same."""
    assert facts(copier(make())) == facts(make())  # type: ignore[call-arg, arg-type]


def test_types_may_be_any_iterable() -> None:
    """The types are kept as a tuple, however they were given."""
    assert SystemCallError(1, "no", types=iter([NET])).types == (NET,)


def test_chaining() -> None:
    """The cause is kept, and shown where the error is."""
    cause = OSError(errno.ENOENT, "gone")
    with pytest.raises(SystemCallError) as caught:
        raise make() from cause
    assert caught.value.__cause__ is cause
    assert "gone" in "".join(traceback.format_exception(caught.value))


def test_caught_as_builtin() -> None:
    """Code that knows only builtins catches a refusal by them."""
    with pytest.raises(PermissionError, match="Operation not permitted"):
        raise make(NamespacePermissionError)


@pytest.mark.parametrize(
    ("number", "builtin"),
    [
        (errno.ENOENT, FileNotFoundError),
        (errno.ENOTDIR, NotADirectoryError),
        (errno.EISDIR, IsADirectoryError),
        (errno.EACCES, PermissionError),
        (errno.EPERM, PermissionError),
        (errno.EAGAIN, BlockingIOError),
        (errno.EEXIST, FileExistsError),
        (errno.ESRCH, ProcessLookupError),
        (errno.EINTR, InterruptedError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EINVAL, OSError),
    ],
)
def test_spawn_error_is_the_builtin(number: int, builtin: type[OSError]) -> None:
    """A SpawnError is the builtin of its errno, and stays all that when pickled."""
    error = SpawnError(
        number,
        os.strerror(number),
        "/bin/x",
        step="execve",
        syscall="execve",
        hint="no",
    )
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    for one in (error, same):
        assert isinstance(one, SpawnError)
        assert isinstance(one, builtin)
        assert (*facts(one), one.step) == (*facts(error), "execve")
        assert (one.errno, one.filename) == (number, "/bin/x")
