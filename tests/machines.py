"""Machines to run under: old kernels, filters, missing rights, a /proc that hides."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import docker_profile
from filters import HAS, Rule, Where, install, number
from old_kernels import become_old
from provoking import (
    CAP_SYS_ADMIN,
    bind,
    check,
    drop_capabilities,
    give_up_root,
    hide_proc,
    libc,
    mount,
    own_mounts,
)

_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 0x1, 0x20, 0x1000
_LAST_CAPABILITY: Final = 63
_EVERYBODY: Final = 1 << 32

_POWER: Final = ("root", "userns")
_TYPES: Final = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_UNSHARE, _SETNS = number(272, 97), number(308, 268)
_CLONE, _CLONE3 = number(56, 220), 435


class Machine(NamedTuple):
    """How to make this process's machine look so, for good, and what that takes."""

    become: Callable[[], object]
    tiers: tuple[str, ...] = ()
    """Where it can be had; none named: everywhere."""


def _keep_only(*kept: int) -> None:
    """Have no other capabilities, and gain none by a program."""
    others = [each for each in range(_LAST_CAPABILITY + 1) if each not in kept]
    for each in others:
        # Who has no CAP_SETPCAP keeps them, and has no use for them; or there is none.
        if libc.prctl(_PR_CAPBSET_DROP, each, 0, 0, 0) != 0:
            assert ctypes.get_errno() in (errno.EPERM, errno.EINVAL)
    drop_capabilities(*others)


def _be_in_docker(*more: str) -> None:
    """Have what a container of Docker's has, as far as who starts this may have it."""
    admin = {"SYS_ADMIN": CAP_SYS_ADMIN}
    if os.geteuid() == 0:
        own_mounts()
        _cover_proc()
        given = docker_profile.DEFAULT_CAPABILITIES | admin
        names = (*docker_profile.DEFAULT_CAPABILITIES, *more)
        _keep_only(*(given[name] for name in names))
    install(docker_profile.rules(*more))


def _cover_proc() -> None:
    """Cover what containers may not see of /proc, or not write."""
    for name in ("kcore", "keys", "latency_stats", "timer_list", "sched_debug"):
        if os.path.exists(f"/proc/{name}"):
            mount("/dev/null", f"/proc/{name}", flags=_MS_BIND)
    for name in ("bus", "fs", "irq", "sys", "sysrq-trigger"):
        if os.path.exists(f"/proc/{name}"):
            _make_read_only(f"/proc/{name}")


def _make_read_only(path: str) -> None:
    bind(path, path)
    mount("none", path, flags=_MS_REMOUNT | _MS_BIND | _MS_RDONLY)


def _forbid_namespaces() -> None:
    """Forbid to make and to enter any, as a strict filter does."""
    fresh = Where(0, HAS, (0x7E020000,))
    install(
        [
            Rule([_UNSHARE, _SETNS], errno.EPERM),
            Rule([_CLONE], errno.EPERM, (fresh,)),
            Rule([_CLONE3], errno.ENOSYS),
        ]
    )


def _see_only_own() -> None:
    """Be nobody, in a /proc that shows each user its own processes."""
    own_mounts()
    check(libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2"))
    os.setgroups([])
    give_up_root()
    # As of a program that this user has started: its files in /proc are its own.
    check(libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def _read_only(path: str) -> Callable[[], None]:
    def become() -> None:
        own_mounts()
        _make_read_only(path)

    return become


def _be_in_user_namespace() -> None:
    """Be in a user namespace of one's own: root, and with all ids if they are there."""
    uid, gid = os.geteuid(), os.getegid()
    reader, writer = os.pipe()
    own = os.getpid()
    pid = os.fork()
    if pid == 0:
        # Only who is outside may map more than one id.
        status = 1
        with contextlib.suppress(OSError):
            os.read(reader, 1)
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{own}/{name}").write_text(
                    Path(f"/proc/self/{name}").read_text()
                )
            status = 0
        os._exit(status)
    os.close(reader)
    check(libc.unshare(0x10000000))
    os.write(writer, b".")
    os.close(writer)
    if os.waitpid(pid, 0)[1] != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _limit(*types: str) -> Callable[[], None]:
    """Allow no more of these types, in a user namespace that owns the others."""

    def become() -> None:
        _be_in_user_namespace()
        # All that a thread can have of its own, so that it may enter and leave.
        check(libc.unshare(0x6E020000 & ~0x20000000))
        for type in types:
            Path(f"/proc/sys/user/max_{type}_namespaces").write_text("0")

    return become


MACHINES: Final[dict[str, Machine]] = {
    "6.17": Machine(lambda: become_old("6.17")),
    "6.10": Machine(lambda: become_old("6.10")),
    "6.1": Machine(lambda: become_old("6.1")),
    "5.10": Machine(lambda: become_old("5.10")),
    "docker": Machine(_be_in_docker),
    "docker with SYS_ADMIN": Machine(lambda: _be_in_docker("SYS_ADMIN")),
    "no namespaces": Machine(_forbid_namespaces),
    "no CAP_SYS_ADMIN": Machine(
        lambda: _keep_only(*({*range(_LAST_CAPABILITY + 1)} - {CAP_SYS_ADMIN}))
    ),
    "no /proc": Machine(hide_proc, _POWER),
    "hidepid": Machine(_see_only_own, ("root",)),
    "read-only /proc": Machine(_read_only("/proc"), _POWER),
    "read-only /proc/sys": Machine(_read_only("/proc/sys"), _POWER),
    "no more namespaces": Machine(_limit(*_TYPES)),
    "no more user namespaces": Machine(_limit("user")),
}
"""What a process can make of the machine where it is."""
