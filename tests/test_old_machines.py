"""On old and strict machines: what works, what is refused and why, what is told."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import pytest
from doing import OPERATIONS
from machines import MACHINES
from old_kernels import need_filters
from outcomes import Seen, doctor_says, seen
from provoking import need_own_user
from support import TIER

from pynamespaces.probing import Operation

_SOME: Final = ("5.10", "docker", "no CAP_SYS_ADMIN", "no /proc", "no more namespaces")
_ALL: Final = os.environ.get("PYNAMESPACES_MACHINES") == "all"

machines = pytest.mark.parametrize("machine", MACHINES if _ALL else _SOME)

_PERMISSION: Final = ("NamespacePermissionError", "SpawnError")
_LIMIT: Final = ("NamespaceLimitError", "IrreversibleError", "SpawnError")

_LOOKING: Final = (
    *("current", "from_pid", "from_pidfd", "ref", "scan", "explain", "mounts", "open"),
    *("supervise", "trace", "pidfd_open", "pidfd_namespaces", "ids"),
)
_MAKING: Final = (
    *("new *", "open fresh", "unshared *", "unshare *", "setns", "enter *"),
    *("enter_threaded *", "call *", "executor", "socket", "hostname", "names"),
)
_WITH_USER: Final = (
    *("new user", "new_with_user *", "join user", "call user", "id_map", "uid_map"),
)


class Loss(NamedTuple):
    """What does not work on a machine that does elsewhere, and how it is refused."""

    operations: frozenset[str]
    errors: tuple[str, ...]


def _those(*patterns: str) -> frozenset[str]:
    return frozenset(
        name
        for name in OPERATIONS
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def _all_but(*patterns: str) -> frozenset[str]:
    return frozenset(OPERATIONS) - _those(*patterns)


_OLD: Final = ("UnsupportedError",)
_BY_USER: Final = _those("new user", "unshare user", "call user", "enter user")

LOST: Final[dict[str, Loss]] = {
    "6.17": Loss(_those("ids", "handles"), _OLD),
    "6.10": Loss(_those("ids", "handles", "pidfd_namespaces"), _OLD),
    "6.1": Loss(_those("ids", "handles", "pidfd_namespaces"), _OLD),
    "5.10": Loss(_those("ids", "handles", "pidfd_namespaces"), _OLD),
    "docker": Loss(_all_but(*_LOOKING, "cgroup"), (*_PERMISSION, *_OLD)),
    "docker with SYS_ADMIN": Loss(
        _those("loopback", "socket", "handles"), _PERMISSION
    ),
    "no namespaces": Loss(
        _all_but(*_LOOKING, "cgroup", "handles", "pin *"), (*_PERMISSION, *_OLD)
    ),
    "no CAP_SYS_ADMIN": Loss(
        _those(*_MAKING, "pin *") - _BY_USER, _PERMISSION
    ),
    "no /proc": Loss(
        _those("scan", "mounts", "trace", *_WITH_USER),
        ("NoSuchNamespaceError", "SpawnError"),
    ),
    "hidepid": Loss(
        _those(*_MAKING, "pin *", "cgroup", "uid_map") - _BY_USER, _PERMISSION
    ),
    "read-only /proc": Loss(_those(*_WITH_USER), ("SystemCallError", "SpawnError")),
    "read-only /proc/sys": Loss(_those(), ()),
    "no more namespaces": Loss(
        _those(*_MAKING, *_WITH_USER, "join *", "pin *", "loopback", "mount_proc"),
        _LIMIT,
    ),
    "no more user namespaces": Loss(
        _those(*_WITH_USER, "unshare user", "unshared pid", "enter time"), _LIMIT
    ),
}  # fmt: skip

# The others are had by a user namespace there, with all power over what it owns.
_LOST_WITHOUT_POWER: Final = {
    "docker with SYS_ADMIN": Loss(_those("handles"), _PERMISSION)
}


def _on(machine: str) -> Seen:
    """Return what is seen on a machine, or skip the test where it cannot be had."""
    need_filters()
    if MACHINES[machine].tiers and TIER not in MACHINES[machine].tiers:
        pytest.skip(f"needs one of {MACHINES[machine].tiers}, not {TIER}")
    need_own_user()
    return seen(machine)


def _loss(machine: str) -> Loss:
    lost = _LOST_WITHOUT_POWER if TIER == "plain" else {}
    return lost.get(machine, LOST[machine])


def test_machines() -> None:
    """It is known of each machine what works there."""
    assert LOST.keys() == MACHINES.keys()


@machines
def test_works(machine: str) -> None:
    """All that works elsewhere works here, by other ways, but for what is lost."""
    found, lost = _on(machine).ended, _loss(machine).operations
    elsewhere = seen("").ended
    broken = {
        name: found[name]
        for name in OPERATIONS
        if name not in lost and elsewhere[name].works and not found[name].works
    }
    assert broken == {}


@machines
def test_refused(machine: str) -> None:
    """What cannot be done is refused by the right error, and never half done."""
    found, (lost, errors) = _on(machine).ended, _loss(machine)
    elsewhere = seen("").ended
    for name in lost:
        allowed = {*errors, elsewhere[name].error} - {None}
        assert found[name].error in allowed, (name, found[name])


@machines
def test_reasons(machine: str) -> None:
    """Every refusal is an error of the library's own that says why."""
    mute = {
        name: ended
        for name, ended in _on(machine).ended.items()
        if not ended.works and not (ended.is_ours and ended.reason)
    }
    assert mute == {}


@machines
def test_nothing_left(machine: str) -> None:
    """No operation leaves a descriptor, a child or a mount, or moves a thread."""
    ended = _on(machine).ended
    assert {name: each.left for name, each in ended.items() if each.left} == {}


@machines
def test_told(machine: str) -> None:
    """What `support` says of an operation is what becomes of it when it is done."""
    found = _on(machine)
    for row in found.told:
        name = row.name if row.type is None else f"{row.name} {row.type}"
        if name in OPERATIONS and not _has_nothing_to_try(found, row):
            assert row.works == found.ended[name].works, (row, found.ended[name])


def _has_nothing_to_try(found: Seen, row: Operation) -> bool:
    """Return whether it takes a fresh namespace or a cgroup, and none is had there."""
    type = row.type
    if row.name not in ("enter", "enter_threaded", "join"):
        return row.name == "cgroup" and "no /proc is mounted" in (row.reason or "")
    made: Iterable[str] = (f"new {type}", f"new_with_user {type}")
    return not any(each in OPERATIONS and found.ended[each].works for each in made)


@machines
def test_doctor(machine: str) -> None:
    """The command says the same, and a reason for each that does not work."""
    found = _on(machine)
    said = doctor_says(found)
    assert said == {
        (each.name, each.type): (each.works, each.reason) for each in found.told
    }
    assert all(works or reason for works, reason in said.values())
