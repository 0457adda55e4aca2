"""
The only reader of ``/proc``: plain facts of the calling thread and of the machine.

``/proc/self`` speaks of the leader of the process, so it is used only for what all
threads share. Where a fact cannot be read, the answer is ``None``.
"""

import os

from ._lib import lib


def _read(path: str) -> str | None:
    """Read a file, if it is procfs's: inside a namespace, ``/proc`` may be a trap."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fd, encoding="utf-8", errors="surrogateescape") as file:
        try:
            return file.read() if lib.pyns_is_procfs(fd) == 1 else None
        except OSError:
            return None


def _read_int(path: str) -> int | None:
    text = _read(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def task_ids() -> list[int] | None:
    """Return the ids of the threads of this process, as the kernel counts them."""
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        return None


def status_field(name: str) -> str | None:
    """Return a field of the calling thread's ``status``."""
    for line in (_read("/proc/thread-self/status") or "").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    return None


def has_capability(number: int) -> bool | None:
    """Return whether the calling thread has a capability in its user namespace."""
    effective = status_field("CapEff")
    return None if effective is None else bool(int(effective, 16) >> number & 1)


def is_filtered() -> bool:
    """Return whether a seccomp filter watches the calling thread's system calls."""
    return status_field("Seccomp") == "2"


def maps_id(file: str, number: int) -> bool | None:
    """Return whether ``uid_map`` or ``gid_map`` of the calling thread has an id."""
    text = _read(f"/proc/thread-self/{file}")
    if text is None:
        return None
    extents = [[int(word) for word in line.split()] for line in text.splitlines()]
    return any(inner <= number < inner + count for inner, _, count in extents)


def is_chrooted() -> bool:
    """
    Return whether the calling thread's root is not the root of a mount.

    A chroot to a mount point looks like none from here.
    """
    text = _read("/proc/thread-self/mountinfo")
    if text is None:
        return False
    return all(line.split(" ")[4] != "/" for line in text.splitlines())


def namespace_types() -> list[str] | None:
    """Return the namespace types that the kernel has, or None without ``/proc``."""
    try:
        return os.listdir("/proc/thread-self/ns")
    except OSError:
        return None


def namespace_limit(type: str) -> int | None:
    """Return ``user.max_*_namespaces`` of the calling thread's user namespace."""
    return _read_int(f"/proc/sys/user/max_{type}_namespaces")


def unprivileged_userns_clone() -> int | None:
    """Return Debian's old switch for user namespaces; 0 forbids."""
    return _read_int("/proc/sys/kernel/unprivileged_userns_clone")


def apparmor_restricts_userns() -> bool:
    """Return whether AppArmor keeps user namespaces from unconfined programs."""
    return _read_int("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1


def pidfd_pid(pidfd: int) -> int | None:
    """Return a pidfd's process as this ``/proc`` numbers it; None if it is gone."""
    text = _read(f"/proc/thread-self/fdinfo/{pidfd}")
    for line in (text or "").splitlines():
        key, _, value = line.partition(":")
        if key == "Pid":
            return int(value) if int(value) > 0 else None
    return None


def namespace_path(pid: int | str, type: str) -> str:
    """Return the path of a namespace link."""
    return f"/proc/{pid}/ns/{type}"
