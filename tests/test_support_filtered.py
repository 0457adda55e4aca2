"""`support` under seccomp filters: what it says is what the operations then do."""

import errno
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from creating import children, kill_calls
from provoking import (
    _GENERIC,
    _SYSCALLS,
    mount,
    need_own_user,
    own_mounts,
    refuse_calls,
)
from support import TIER, in_child
from test_support_refused import ONE_THREAD_AND_MORE, Beside, told, told_after, why

from pynamespaces import (
    CallError,
    Namespace,
    NamespaceError,
    NamespaceSet,
    NetNamespace,
    TypeLike,
    unpin,
)
from pynamespaces.probing import Explanation, Support, _answering, explain, support
from pynamespaces.probing._operations import TRIES

_IS_X86 = _SYSCALLS is not _GENERIC
_SYSCALLS |= (
    {"mount": 165, "setpgid": 109, "sched_setaffinity": 203}
    if _IS_X86
    else {"mount": 40, "setpgid": 154, "sched_setaffinity": 122}
)

PINNED: tuple[TypeLike, ...] = ("cgroup", "ipc", "net", "pid", "time", "user", "uts")
"""The types of which one's own can be pinned."""

POWER = pytest.mark.tier("root", "userns")


@pytest.fixture(scope="module")
def found() -> Support:
    """What this process may do without a filter."""
    return support()


def state() -> object:
    """Return what tries could leave behind."""
    # The library keeps a pidfd of each thread, from its first use on.
    Namespace.current("net").close()
    mounts = Path("/proc/self/mountinfo").read_text()
    folder = Path("/run/netns")
    names = sorted(os.listdir(folder)) if folder.is_dir() else None
    return mounts, names, os.listdir("/proc/self/fd"), children()


def _create() -> bool:
    """Return whether a name can be created, where nobody sees it."""
    name = f"filtered-{os.getpid()}"
    try:
        with NetNamespace.create(name):
            NetNamespace.delete(name)
    except (NamespaceError, OSError):
        return False
    return True


def _pin(folder: Path, type: TypeLike) -> bool:
    path = folder / type
    try:
        Namespace.current(type).pin(path)
        unpin(path)
    except (NamespaceError, OSError):
        return False
    return True


@POWER
@pytest.mark.parametrize("has_folder", [True, False])
@pytest.mark.parametrize("call", ["unshare", "mount", None])
def test_names(call: str | None, has_folder: bool) -> None:
    """Names are said to work if one can be created: that takes both of these calls."""

    def inside() -> tuple[bool, bool]:
        own_mounts()
        mount("none", "/run", "tmpfs")
        if has_folder:
            Path("/run/netns").mkdir()
        if call:
            refuse_calls(**{call: errno.EPERM})
        before = state()
        # That the folder is there matters to none of the others.
        tried = told() if has_folder else told("names")
        assert state() == before
        return tried.general["names"].works, _create()

    works, is_created = in_child(inside)
    assert works == is_created
    if call:
        assert not works


@POWER
@pytest.mark.parametrize("refuse", [lambda name: refuse_calls(**{name: 1}), kill_calls])
@pytest.mark.parametrize("call", ["mount", "sched_setaffinity", "unshare"])
def test_pin(
    call: str, refuse: Callable[[str], None], found: Support, tmp_path: Path
) -> None:
    """To pin takes none of these calls, so a filter of them is no reason."""

    def inside() -> tuple[Support, dict[TypeLike, bool]]:
        own_mounts()
        refuse(call)
        return told("pin"), {type: _pin(tmp_path, type) for type in PINNED}

    tried, works = in_child(inside)
    assert {type: tried[type]["pin"].works for type in PINNED} == works
    assert works["net"] == found["net"]["pin"].works


@ONE_THREAD_AND_MORE
@pytest.mark.parametrize("refuse", [lambda name: refuse_calls(**{name: 1}), kill_calls])
def test_without_groups(
    beside: Beside, refuse: Callable[[str], None], found: Support
) -> None:
    """That no process group can be made changes nothing."""
    tried = told_after(lambda: refuse("setpgid"), beside=beside)
    assert [*map(bool, tried)] == [
        bool(each) and (each.name != "subids" or tried.general["subids"].works)
        for each in found
    ]


def test_hanging_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a try has started ends with it, though it is of another process group."""
    reader, writer = os.pipe()

    def hang(_: object) -> None:
        if os.fork() == 0:
            os.setsid()
            os.write(writer, b".")
        signal.pause()

    monkeypatch.setitem(TRIES, "clone3", hang)
    monkeypatch.setattr(_answering, "PATIENCE", 0.5)
    found = told("clone3").general["clone3"]
    assert why(found) == "the kernel did not answer in time"
    os.close(writer)
    assert os.read(reader, 2) == b"."
    # Nobody has the other end any more.
    assert select.select([reader], [], [], 0)[0]
    assert os.read(reader, 1) == b""
    os.close(reader)


@ONE_THREAD_AND_MORE
def test_killed_for_unshare(beside: Beside) -> None:
    """Where unshare(2) kills, it kills a child, and the caller is told."""
    need_own_user()
    tried = told_after(
        lambda: kill_calls("unshare"),
        *("new", "exists", "clone3", "join"),
        beside=beside,
    )
    assert "has been killed" in why(tried["user"]["new"])
    assert tried["net"]["exists"]
    assert tried.general["clone3"]
    if TIER != "plain":
        # By the caller's own, where none can be made.
        assert tried["pid"]["join"]
        assert tried["net"]["join"]


def test_explain_killed_for_unshare() -> None:
    """The same of `explain`."""
    need_own_user()

    def inside() -> Explanation:
        fresh = NamespaceSet.new("user", "net")
        kill_calls("unshare")
        return explain(fresh)

    explained = in_child(inside)
    assert explained.join
    assert "can never be left" in (explained["user"].enter.reason or "")


@ONE_THREAD_AND_MORE
def test_pidfd_open_hidden(beside: Beside, found: Support) -> None:
    """Without pidfd_open(2), what takes it is told, and the rest is found out."""
    tried = told_after(
        lambda: refuse_calls(pidfd_open=errno.ENOSYS),
        *("pidfd_open", "pidfd_namespaces", "exists", "new", "enter", "pin"),
        beside=beside,
    )
    hidden = "a seccomp filter hides the call, which came with Linux 5.3"
    for name in ("pidfd_open", "pidfd_namespaces"):
        assert why(tried.general[name]) == hidden
    for name in ("exists", "new", "enter", "pin"):
        assert tried["net"][name].works == found["net"][name].works


def test_copy_without_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that ends before it has answered is an error, with its exit status."""
    monkeypatch.setattr(_answering, "try_all", lambda *_: os._exit(3))
    with pytest.raises(CallError) as caught:
        support()
    assert caught.value.exitcode == 3
