"""`explain`: where a thread and its programs could go, said before and found after."""

import errno
import json
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from holding import Holder, become_root, holder
from provoking import another_process, another_thread, give_up_root, need_own_user
from support import ALL_TYPES, TIER, in_child, own_all

from pynamespaces import (
    Namespace,
    NamespaceError,
    NamespaceSet,
    NamespaceType,
    NoSuchProcessError,
    run,
    unshare,
)
from pynamespaces._lib import lib
from pynamespaces.probing import Explanation, _explain, explain


def _works(function: Callable[[], object]) -> bool:
    def work() -> None:
        function()

    try:
        in_child(work)
    except (NamespaceError, OSError):
        return False
    return True


def _enter(target: Namespace | NamespaceSet) -> None:
    with target:
        pass


def assert_agrees(target: NamespaceSet, told: Explanation) -> None:
    """What was said is what happens."""
    for type, namespace in target.items():
        access = told[type]
        assert access.id == namespace.id
        assert access.can_enter == _works(partial(_enter, namespace)), access
        joined = _works(partial(run, ["true"], join=namespace, check=True))
        assert access.can_join == joined, access
        for outcome in (access.enter, access.join):
            assert outcome.works == (outcome.reason is None)
    differing = target.differing(NamespaceSet.current())
    assert told.enter.works == _works(partial(_enter, differing)), told.enter
    joined = _works(partial(run, ["true"], join=differing, check=True))
    assert told.join.works == joined, told.join


def test_own() -> None:
    """All of one's own are shared, and nothing needs to be tried."""
    told = explain(os.getpid())
    assert {access.type for access in told} == {*ALL_TYPES}
    assert all(access.shared for access in told)
    assert all(access.can_enter and access.can_join for access in told)
    assert told.enter
    assert told.join
    assert len(told) == len(ALL_TYPES)


def test_container(target: Holder) -> None:
    """Of a container, what is shared is told from what can be entered."""
    told = explain(target.pid)
    shared = {access.type for access in told if access.shared}
    assert shared == {"user", "time"}
    with another_thread():
        beside = explain(target.pid)
    assert "threads" in (beside["mnt"].enter.reason or "")
    assert "unshare_fs=True" in (beside["mnt"].enter.hint or "")
    assert not beside.enter
    assert beside["net"] == told["net"]
    assert beside.join
    with closing(NamespaceSet.from_pid(target.pid)) as members:
        assert_agrees(members, told)


def test_own_root_and_working_directory(target: Holder) -> None:
    """A thread that has its own may enter a mount namespace beside others."""

    def inside() -> bool:
        from pynamespaces import lowlevel

        with another_thread():
            lowlevel.unshare(lowlevel.CLONE_FS)
            return explain(target.pid, "mnt")["mnt"].can_enter

    assert in_child(inside)


@contextmanager
def _rootless() -> Iterator[int]:
    """Have a process in a user namespace of its own, which owns some others."""

    def prepare() -> None:
        become_root()
        unshare("uts", "net", "ipc", "mnt")

    need_own_user()
    with another_process(prepare) as pid:
        yield pid


def test_rootless() -> None:
    """What a user namespace owns can be joined with it, though not alone."""
    with _rootless() as pid:
        told = explain(pid)
        assert told["user"].enter.reason == "a user namespace can never be left"
        assert told["user"].can_join
        assert told.join
        assert not told.enter
        if TIER == "plain":
            assert "CAP_SYS_ADMIN" in (told["net"].join.reason or "")
            assert told["net"].join.errno == errno.EPERM
        assert told["pid"].shared
        with closing(NamespaceSet.from_pid(pid)) as members:
            assert_agrees(members, told)


def test_types() -> None:
    """Only what is asked for is told of."""
    with _rootless() as pid:
        told = explain(pid, "uts", "net")
        assert {access.type for access in told} == {"uts", "net"}
        members = NamespaceSet.from_pid(pid)
        assert explain(members, "uts", "net") == told
        alone = explain(members["uts"])
        assert [*alone] == [told["uts"]]
        assert alone.join == told["uts"].join
        with pytest.raises(ValueError, match="has no net namespace"):
            explain(members["uts"], "net")
        with pytest.raises(ValueError, match="not a namespace type"):
            explain(pid, "network")  # type: ignore[arg-type]


def test_closed() -> None:
    """A namespace that was closed can be explained as little as entered."""
    with Namespace.current("uts") as own:
        pass
    own.close()
    with pytest.raises(ValueError, match="is closed"):
        explain(own)


@pytest.mark.tier("root", "plain")
def test_hidden_process() -> None:
    """Of a process that may not be looked into, all is refused for one reason."""

    def inside() -> Explanation:
        give_up_root()
        return explain(1)

    told = in_child(inside)
    assert {access.type for access in told} == {*ALL_TYPES}
    reasons = {outcome.reason for access in told for outcome in access[3:5]}
    assert reasons == {told.join.reason} == {told.enter.reason}
    assert "may not look into the process (ptrace access" in (told.enter.reason or "")
    assert all(access.id is None for access in told)
    data = json.loads(told.to_json())
    assert data["namespaces"][0]["id"] is None


def test_no_process() -> None:
    """A process that is not there is an error."""
    with pytest.raises(NoSuchProcessError):
        explain(2**22 + 1)
    with pytest.raises(ValueError, match="out of range"):
        explain(0)


def test_is_plain_data() -> None:
    """It can be pickled, compared, hashed, and written as JSON."""
    with _rootless() as pid:
        told = explain(pid, "uts", "user")
    assert pickle.loads(pickle.dumps(told)) == told
    assert hash(told) == hash(pickle.loads(pickle.dumps(told)))
    assert told != object()
    assert "'user'" in repr(told)
    data = json.loads(told.to_json(indent=2))
    assert data["join"]["works"] is True
    assert {found["type"] for found in data["namespaces"]} == {"uts", "user"}
    assert data["namespaces"][0]["id"] == str(next(iter(told)).id)


@pytest.mark.tier("root", "userns")
def test_pid_pending() -> None:
    """Where children are born elsewhere, one's own pid namespace is not entered yet."""

    def inside() -> tuple[bool, bool]:
        unshare("pid")
        told = explain(os.getpid(), "pid", "uts")
        return told["pid"].shared, told["uts"].shared

    assert in_child(inside) == (False, True)


def test_lost_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that could not come back once enters nothing, but starts programs."""
    from provoking import FakeLib

    fake = FakeLib(pyns_lost=lambda: errno.EPERM)
    monkeypatch.setattr(_explain, "lib", fake)
    with _rootless() as pid:
        told = explain(pid)
    assert "this thread is lost" in (told["uts"].enter.reason or "")
    assert "this thread is lost" in (told.enter.reason or "")
    assert told.join
    assert lib.pyns_lost() == 0


def test_nothing_runs_and_nobody_moves(tmp_path: Path) -> None:
    """No program is run in there, whatever is there, and the thread stays."""
    before = own_all()
    with _rootless() as pid, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        for name in ("true", " ", "-"):
            (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
            (tmp_path / name).chmod(0o755)
        assert explain(pid).join
    assert not (tmp_path / "ran").exists()
    assert own_all() == before


@pytest.mark.tier("root", "userns")
def test_set_of_several() -> None:
    """A set may be of namespaces that no process has."""
    made = NamespaceSet([Namespace.new("uts"), Namespace.new("net")])
    told = explain(made)
    assert [access.type for access in told] == [NamespaceType.UTS, NamespaceType.NET]
    assert told.enter
    assert told.join
    with made, holder("ipc") as process:
        here = explain(process.pid)
        assert here["uts"].shared
        assert here["ipc"].can_enter
