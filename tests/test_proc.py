"""What is read from /proc: of the calling thread, and None where it cannot be."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from provoking import (
    CAP_SYS_ADMIN,
    CAP_SYS_CHROOT,
    another_process,
    another_thread,
    bind,
    drop_capabilities,
    hide_proc,
    need_own_user,
    own_mounts,
    own_user,
    refuse_calls,
)
from support import ALL_TYPES, in_child

from pynamespaces import _proc, lowlevel

POWER = pytest.mark.tier("root", "userns")


def test_task_ids() -> None:
    """The ids of all threads are told, also of those that Python did not start."""

    def ids() -> bool:
        with another_thread() as tid:
            return sorted(_proc.task_ids() or ()) == sorted([os.getpid(), tid])

    assert in_child(ids)


def test_status_field() -> None:
    """A field of the thread's own status is told without its name."""

    def tids() -> tuple[str | None, int]:
        with ThreadPoolExecutor(1) as pool:
            tid = pool.submit(lambda: _proc.status_field("Pid")).result()
            return tid, len(pool._threads)

    own = _proc.status_field("Pid")
    assert own == str(os.getpid())
    assert in_child(tids)[0] != own
    assert _proc.status_field("Tgid") == own
    assert _proc.status_field("Nonsense") is None


@POWER
def test_capability_of_this_thread() -> None:
    """A thread that gave up a capability has it no more, and the others do."""

    def ask() -> tuple[bool | None, ...]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(drop_capabilities, CAP_SYS_ADMIN).result()
            there = [
                pool.submit(_proc.has_capability, number).result()
                for number in (CAP_SYS_ADMIN, CAP_SYS_CHROOT)
            ]
        return _proc.has_capability(CAP_SYS_ADMIN), *there

    assert in_child(ask) == (True, False, True)


def test_filter_of_this_thread() -> None:
    """A filter is seen by the thread that has it."""

    def ask() -> tuple[bool, bool]:
        before = _proc.is_filtered()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(refuse_calls).result()
            return pool.submit(_proc.is_filtered).result(), (
                _proc.is_filtered() == before
            )

    assert in_child(ask) == (True, True)


@pytest.mark.parametrize("file", ["uid_map", "gid_map"])
def test_mapped_ids(file: str) -> None:
    """An id is mapped where a line of the map has it, and none is without lines."""
    need_own_user()

    def ask() -> list[bool | None]:
        lowlevel.unshare(lowlevel.CLONE_NEWUSER)
        return [_proc.maps_id(file, number) for number in (0, 65534)]

    def ask_mapped() -> list[bool | None]:
        own_user()
        return [_proc.maps_id(file, number) for number in (0, 1, 65534)]

    assert in_child(ask) == [False, False]
    assert in_child(ask_mapped) == [True, False, False]


def test_ranges_of_mapped_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ends of a range belong to it, and what comes after does not."""
    text = "         0       1000          1\n         5     100000         10\n"
    monkeypatch.setattr(_proc, "_read", lambda _: text)
    found = [n for n in range(20) if _proc.maps_id("uid_map", n)]
    assert found == [0, *range(5, 15)]


@POWER
@pytest.mark.parametrize(("to_mount", "seen"), [(False, True), (True, False)])
def test_chroot(tmp_path: Path, to_mount: bool, seen: bool) -> None:
    """A chroot to a folder is seen, one to a mount point is not."""
    (tmp_path / "proc").mkdir()

    def ask() -> bool:
        own_mounts()
        if to_mount:
            bind(str(tmp_path), str(tmp_path))
        bind("/proc", f"{tmp_path}/proc")
        os.chroot(tmp_path)
        return _proc.is_chrooted()

    assert in_child(ask) is seen
    assert not _proc.is_chrooted()


def test_namespace_types() -> None:
    """The links of the thread are told, those for children too."""
    types = _proc.namespace_types()
    assert types is not None
    assert set(types) <= {*ALL_TYPES, "pid_for_children", "time_for_children"}
    assert {"mnt", "net", "user"} <= set(types)


def test_namespace_limit() -> None:
    """The limit is that of the thread's own user namespace."""
    need_own_user()

    def limit() -> int | None:
        own_user()
        Path("/proc/sys/user/max_uts_namespaces").write_text("7")
        return _proc.namespace_limit("uts")

    assert in_child(limit) == 7
    assert _proc.namespace_limit("nonsense") is None


@pytest.mark.parametrize(
    ("text", "clone", "restricted"),
    [("0\n", 0, False), ("1\n", 1, True), (None, None, False), ("", None, False)],
)
def test_switches_of_distributions(
    text: str | None,
    clone: int | None,
    restricted: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Debian's and AppArmor's switches are numbers, which may not be there."""
    paths = []

    def read(path: str) -> str | None:
        paths.append(path)
        return text

    monkeypatch.setattr(_proc, "_read", read)
    assert _proc.unprivileged_userns_clone() == clone
    assert _proc.apparmor_restricts_userns() is restricted
    assert paths == [
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    ]


def test_pid_of_pidfd() -> None:
    """A pidfd's process is told while it lives, and None when it is gone."""
    with another_process() as pid:
        pidfd = lowlevel.pidfd_open(pid)
        assert _proc.pidfd_pid(pidfd) == pid
    assert _proc.pidfd_pid(pidfd) is None
    os.close(pidfd)
    with open("/proc/self/maps") as file:
        assert _proc.pidfd_pid(file.fileno()) is None


@POWER
def test_pid_of_pidfd_by_a_foreign_proc() -> None:
    """The number is the one by which this /proc knows the process."""

    def below() -> tuple[bool, bool]:
        # In here /proc is still that of the namespace above.
        pid = _proc.pidfd_pid(lowlevel.pidfd_open(os.getpid()))
        return os.getpid() == 1, os.readlink("/proc/self") == str(pid)

    def above() -> tuple[bool, bool]:
        lowlevel.unshare(lowlevel.CLONE_NEWPID)
        return in_child(below)

    assert in_child(above) == (True, True)


def test_namespace_path() -> None:
    """A path is that of a link."""
    assert _proc.namespace_path(7, "net") == "/proc/7/ns/net"
    assert _proc.namespace_path("thread-self", "uts") == "/proc/thread-self/ns/uts"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (_proc.task_ids, None),
        (lambda: _proc.status_field("Pid"), None),
        (lambda: _proc.has_capability(0), None),
        (_proc.is_filtered, False),
        (lambda: _proc.maps_id("uid_map", 0), None),
        (_proc.is_chrooted, False),
        (_proc.namespace_types, None),
        (lambda: _proc.namespace_limit("net"), None),
        (_proc.unprivileged_userns_clone, None),
        (_proc.apparmor_restricts_userns, False),
        (lambda: _proc.pidfd_pid(lowlevel.pidfd_open(os.getpid())), None),
    ],
)
def test_without_proc(question: Callable[[], object], answer: object) -> None:
    """Without /proc nothing is known, and nothing fails."""
    need_own_user()

    def ask() -> object:
        own_user()
        hide_proc()
        return question()

    assert in_child(ask) is answer
