"""`unshared` where it fails: beforehand, by the kernel, half-way, or at the end."""

import errno
import os
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from holding import become_root, in_own_userns
from support import in_child, own_all
from watching import bystanders, in_main_of_many, in_worker, mark, traced, unchanged

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    NamespaceLimitError,
    NamespacePermissionError,
    RestoreError,
    SystemCallError,
    TypeLike,
    _lib,
    unshare,
    unshared,
)
from pynamespaces._core import switch

powerful = pytest.mark.tier("root", "userns")
Run = Callable[[Callable[[], None]], None]

threaded = pytest.mark.parametrize(
    "run", [in_main_of_many, in_worker], ids=["main", "worker"]
)


# --- wrong arguments ---


@pytest.mark.parametrize("loopback", [False, True])
def test_no_types(loopback: bool) -> None:
    """At least one type must be given."""
    with pytest.raises(ValueError, match=r"type|net"):
        unshared(loopback=loopback)


def test_loopback_without_net() -> None:
    """A loopback needs a fresh net namespace."""
    with pytest.raises(ValueError, match="net"):
        unshared("uts", loopback=True)


@pytest.mark.parametrize("types", [("network",), ("net", "UTS"), ("",)], ids=repr)
def test_unknown_type(types: tuple[TypeLike, ...]) -> None:
    """What is no type is refused by a list of those that are."""
    with pytest.raises(
        ValueError, match=r"cgroup.*ipc.*mnt.*net.*pid.*time.*user.*uts"
    ):
        unshared(*types)


# --- refused beforehand ---


@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
@pytest.mark.parametrize("types", [("user",), ("uts", "user", "mnt")], ids="+".join)
def test_user(types: tuple[TypeLike, ...], run: Run) -> None:
    """A user namespace can never be left, so it is refused with the ways that work."""

    def enter() -> None:
        fresh = unshared(*types, unshare_fs=True)
        with unchanged(), pytest.raises(IrreversibleError, match="call"), fresh:
            pass

    run(enter)


@threaded
@pytest.mark.parametrize(
    ("types", "unshare_fs"),
    [
        (("mnt",), False),
        (("uts", "mnt"), False),
        (("time",), False),
        (("uts", "time"), True),
    ],
    ids=repr,
)
def test_threads(types: tuple[TypeLike, ...], unshare_fs: bool, run: Run) -> None:
    """What a process with threads could not undo is refused, with all the others."""

    def enter() -> None:
        fresh = unshared(*types, unshare_fs=unshare_fs)
        with unchanged(), pytest.raises(MultithreadedError) as caught, fresh:
            pass
        if "mnt" in types:
            assert "unshare_fs" in str(caught.value)

    run(enter)


def test_threads_in_own_userns() -> None:
    """So it is for an ordinary user."""

    def enter() -> None:
        with bystanders(2):
            for type in ("mnt", "time"):
                fresh = unshared(type, "uts")
                with unchanged(), pytest.raises(MultithreadedError), fresh:
                    pass

    in_own_userns(enter, "mnt", "time", "uts")


@pytest.mark.parametrize("types", [("net",), ("uts", "net")], ids="+".join)
def test_no_way_back(types: tuple[TypeLike, ...]) -> None:
    """A home that belongs to a stranger is not left."""

    def enter() -> None:
        become_root()
        unshare("uts")
        fresh = unshared(*types)
        with unchanged(), pytest.raises(IrreversibleError, match="net"), fresh:
            pass
        with unshared("uts"):
            pass

    in_child(enter)


@pytest.mark.tier("plain")
@pytest.mark.parametrize("type", ["cgroup", "ipc", "mnt", "net", "pid", "uts"])
def test_unprivileged(type: TypeLike) -> None:
    """Without power there is nothing fresh."""

    def enter() -> None:
        refused = (NamespacePermissionError, IrreversibleError)
        with unchanged(), pytest.raises(refused), unshared(type):
            pass

    in_child(enter)


# --- refused by the kernel ---


@pytest.mark.parametrize("type", ["cgroup", "ipc", "mnt", "net", "pid", "time", "uts"])
def test_limit(type: TypeLike) -> None:
    """A limit of zero is told by its name, and nothing else is made either."""

    def enter() -> None:
        Path(f"/proc/sys/user/max_{type}_namespaces").write_text("0")
        other: TypeLike = "ipc" if type == "uts" else "uts"
        fresh = unshared(type, other)
        with unchanged(), pytest.raises(NamespaceLimitError) as caught, fresh:
            pass
        assert f"user.max_{type}_namespaces" in str(caught.value)
        assert caught.value.errno == errno.ENOSPC
        with unshared(other):
            pass

    in_own_userns(enter, type, "uts", "ipc")


# --- half-way ---


class Failing:
    """The compiled shim, but for functions that fail."""

    def __init__(self, name: str, result: int) -> None:
        self._name, self._result, self._lib = name, result, _lib.lib

    def __getattr__(self, name: str) -> object:
        if name == self._name:
            return lambda: self._result
        return getattr(self._lib, name)


@powerful
@pytest.mark.parametrize("run", [in_child, in_worker], ids=["alone", "worker"])
@pytest.mark.parametrize(
    ("function", "call"),
    [("pyns_make_private", "mount"), ("pyns_loopback_up", "ioctl")],
)
def test_step_fails(
    monkeypatch: pytest.MonkeyPatch, function: str, call: str, run: Run
) -> None:
    """A step after the fresh ones are made that fails puts the thread back."""

    def enter() -> None:
        fresh = unshared("mnt", "net", "uts", loopback=True, unshare_fs=True)
        with unchanged(), pytest.raises(SystemCallError) as caught, fresh:
            pass
        assert caught.value.errno == errno.ENODEV
        assert call in caught.value.syscall
        monkeypatch.undo()
        with unchanged(), fresh as members:
            assert own_all()["net"] == str(members["net"].id)

    monkeypatch.setattr(switch, "lib", Failing(function, -errno.ENODEV))
    run(enter)


@powerful
def test_opening_fails() -> None:
    """Fresh ones that cannot be opened, for want of descriptors, are left again."""

    def enter() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        errors = []
        with unchanged():
            free = os.dup(0)
            os.close(free)
            for limit in range(free, free + 12):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                try:
                    with unshared("net", "uts", "ipc", loopback=True):
                        pass
                except NamespaceLimitError as error:
                    errors.append(error.errno)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert set(errors) == {errno.EMFILE}
        assert len(errors) > 3

    in_child(enter)


def enter_failing(*types: TypeLike) -> dict[str, object]:
    """Be in fresh ones in a worker, and say what came of leaving under faults."""

    def enter() -> dict[str, object]:
        try:
            with unshared(*types) as fresh:
                raise KeyError("body")
        except RestoreError as error:
            context: BaseException | None = error
            while context is not None and not isinstance(context, KeyError):
                context = context.__context__
            answer: dict[str, object] = {"body": repr(context)}
        answer["closed"] = all(member.closed for member in fresh.values())
        mark()
        for later in (unshared("uts"), Namespace.current("uts"), fresh):
            try:
                with later:
                    answer[repr(type(later))] = "entered"
            except RestoreError:
                pass
            except ValueError:
                answer["after"] = "closed"
        return answer

    before = own_all()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(enter).result()
    answer["others"] = own_all() == before
    return answer


@powerful
@pytest.mark.parametrize("when", ["1+", "2+"])
def test_cannot_leave(when: str) -> None:
    """A way back that fails keeps the body's error, and loses the thread for all."""
    inject = f"setns:error=EPERM:when={when}"
    answer, calls = traced(enter_failing, "net", "uts", inject=inject)
    assert answer == {
        "body": "KeyError('body')",
        "closed": True,
        "after": "closed",
        "others": True,
    }
    assert calls[-1] == []


@powerful
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOMEM])
def test_unshare_fails(number: int) -> None:
    """An unshare that fails is what it is, and nothing was changed."""
    inject = f"unshare:error={errno.errorcode[number]}:when=1"
    answer, calls = traced(unshare_failing, "net", "uts", inject=inject)
    assert answer == [number, True, True]
    assert len(calls[1]) == 1


def unshare_failing(*types: TypeLike) -> list[object]:
    """Try to be in fresh ones twice, the first time under a fault."""
    before, fresh = own_all(), unshared(*types)
    mark()
    try:
        fresh.__enter__()
    except SystemCallError as error:
        mark()
        same = own_all() == before
        with fresh as members:
            again = own_all()["uts"] == str(members["uts"].id)
        return [error.errno, same, again]
    return []
