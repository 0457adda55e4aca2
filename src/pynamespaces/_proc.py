"""
The only reader of ``/proc``: plain facts of the calling thread and of the machine.

``/proc/self`` speaks of the leader of the process, so it is used only for what all
threads share. Where a fact cannot be read, the answer is ``None``.
"""

import os
from _thread import get_native_id
from stat import S_ISREG
from typing import Final

from ._lib import lib


def _read_bytes(path: str) -> bytes | None:
    """Read a file, if it is procfs's: inside a namespace, ``/proc`` may be a trap."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fd, "rb") as file:
        try:
            return file.read() if lib.pyns_is_procfs(fd) == 1 else None
        except OSError:
            return None


def _read(path: str) -> str | None:
    data = _read_bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


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
    return _field("/proc/thread-self/status", name)


def _field(path: str, name: str) -> str | None:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    return None


def nspids(name: str) -> list[int] | None:
    """Return what a process is called, from the pid namespace of ``/proc`` inward."""
    words = _field(f"/proc/{name}/status", "NSpid")
    return None if words is None else [int(word) for word in words.split()]


def time_offsets() -> str | None:
    """Return the clock offsets where the calling thread's children are born."""
    tid = get_native_id()
    if tid not in (task_ids() or ()):
        return None  # The id is another's in this /proc.
    # It is missing under thread-self; under the id it is, though that is not listed.
    return _read(f"/proc/{tid}/timens_offsets")


def has_capability(number: int) -> bool | None:
    """Return whether the calling thread has a capability in its user namespace."""
    effective = status_field("CapEff")
    return None if effective is None else bool(int(effective, 16) >> number & 1)


def is_filtered() -> bool:
    """Return whether a seccomp filter watches the calling thread's system calls."""
    return status_field("Seccomp") == "2"


def owner_of_own_files() -> int | None:
    """Return whose the files of the calling thread in ``/proc`` are."""
    try:
        return os.stat("/proc/thread-self/uid_map").st_uid
    except OSError:
        return None


def maps_id(file: str, number: int) -> bool | None:
    """Return whether ``uid_map`` or ``gid_map`` of the calling thread has an id."""
    text = _read(f"/proc/thread-self/{file}")
    if text is None:
        return None
    extents = [[int(word) for word in line.split()] for line in text.splitlines()]
    return any(inner <= number < inner + count for inner, _, count in extents)


def id_map(folder: str, kind: str) -> str | None:
    """Return ``uid_map`` or ``gid_map`` of the process with a folder."""
    return _read(f"{folder}/{kind}_map")


def is_chrooted() -> bool:
    """
    Return whether the calling thread's root is not the root of a mount.

    A chroot to a mount point looks like none from here.
    """
    text = _read("/proc/thread-self/mountinfo")
    if text is None:
        return False
    return all(line.split(" ")[4] != "/" for line in text.splitlines())


def mount_of(path: str | bytes) -> list[str] | None:
    """
    Return the words of ``mountinfo`` on the mount that a path is on.

    Empty when that mount is not to be seen by the calling thread: as a rule, because
    it is of another mount namespace.
    """
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        number = _descriptor_field(fd, "mnt_id")
    finally:
        os.close(fd)
    mounts = _read("/proc/thread-self/mountinfo")
    if number is None or mounts is None:
        return None
    lines = [line.split(" ") for line in mounts.splitlines()]
    return next((words for words in lines if words[0] == number), [])


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
    pid = int(_descriptor_field(pidfd, "Pid") or 0)
    return pid if pid > 0 else None


def _descriptor_field(fd: int, name: str) -> str | None:
    return _field(f"/proc/thread-self/fdinfo/{fd}", name)


def namespace_path(pid: int | str, type: str) -> str:
    """Return the path of a namespace link."""
    return f"/proc/{pid}/ns/{type}"


# Opening what is a process's says so when it has ended, or is not the caller's to see.
_HIDDEN: Final = (FileNotFoundError, ProcessLookupError, PermissionError)

BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


def boot_id() -> bytes | None:
    """Return the 16 bytes that tell this boot from all others, of any machine."""
    try:
        fd = os.open(BOOT_ID, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (*_HIDDEN, NotADirectoryError):
        return None
    try:
        # Containers mount a file of their own over it, so any file system will do.
        is_file = S_ISREG(os.fstat(fd).st_mode)
        text = os.read(fd, 64) if is_file else b""
        found = bytes.fromhex(text.decode("ascii").replace("-", ""))
    except ValueError:
        return None
    finally:
        os.close(fd)
    return found if len(found) == 16 else None


def process_ids() -> list[int]:
    """Return the ids of all processes that the caller may know of."""
    return _numbers("/proc")


def thread_ids(pid: int) -> list[int]:
    """Return the ids of the threads of a process, as far as the caller may know."""
    return _numbers(f"/proc/{pid}/task")


def descriptor_paths(pid: int | str) -> list[str]:
    """Return paths of what a process has open, if the caller may look into it."""
    folder = f"/proc/{pid}/fd"
    return [f"{folder}/{number}" for number in _numbers(folder)]


def _numbers(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdecimal()]
    except (*_HIDDEN, NotADirectoryError):
        return []


def link_text(path: str) -> str | None:
    """Return what a link says, such as ``net:[4026531840]``."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def mountinfo() -> bytes | None:
    """Return the mounts that the calling thread sees, as the kernel writes them."""
    return _read_bytes("/proc/thread-self/mountinfo")


def mount_id(fd: int) -> int | None:
    """Return the id of the mount that an open file is on."""
    number = _descriptor_field(fd, "mnt_id")
    return None if number is None else int(number)


def process_of(tid: int) -> int | None:
    """Return the process of a thread; of one that is a process, its own id."""
    number = _field(f"/proc/{tid}/status", "Tgid")
    return None if number is None else int(number)


def pid_of_descriptor(tid: int, fd: int) -> int | None:
    """Return whose pidfd a descriptor of a thread is; ``None`` if it is none."""
    pid = int(_field(f"/proc/{tid}/fdinfo/{fd}", "Pid") or 0)
    return pid if pid > 0 else None


def children_of(pid: int, tid: int) -> frozenset[int]:
    """Return what a thread has borne that has not been waited for, as far as known."""
    text = _read(f"/proc/{pid}/task/{tid}/children")
    return frozenset(int(word) for word in (text or "").split())


def shows_this_process() -> bool:
    """Return whether the ids in ``/proc`` are those of the caller's pid namespace."""
    return link_text("/proc/self") == str(os.getpid())


def parent_of(pid: int) -> int | None:
    """Return the parent of a process, if it is still there."""
    data = _read_bytes(f"/proc/{pid}/stat")
    # The name before it may have anything in it.
    return None if not data else int(data.rpartition(b")")[2].split()[1])


def task_name(task: str) -> str:
    """Return what a task calls itself, such as ``self/task/12``; empty if it ended."""
    return (_read(f"/proc/{task}/comm") or "").rstrip("\n")


def task_links(task: str) -> dict[str, str | None]:
    """Return what a task's links to namespaces say; empty if it is not to be seen."""
    folder = f"/proc/{task}/ns"
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    return {name: link_text(f"{folder}/{name}") for name in names}


def child_ids() -> list[int]:
    """Return the ids of the children of this process that were not waited for."""
    texts = [_read(f"/proc/self/task/{tid}/children") for tid in task_ids() or ()]
    if not any(text is not None for text in texts):
        # A kernel without CONFIG_PROC_CHILDREN.
        own = os.fsencode(link_text("/proc/self") or "")
        return [pid for pid in process_ids() if stat_fields(pid)[1:2] == [own]]
    return [int(word) for text in texts for word in (text or "").split()]


def stat_fields(pid: int) -> list[bytes]:
    """Return the words of ``stat`` after the name, which may have anything in it."""
    return (_read_bytes(f"/proc/{pid}/stat") or b"").rpartition(b")")[2].split()


def cgroup(pid: int | str) -> bytes | None:
    """Return the cgroups of a process, as the kernel writes them."""
    return _read_bytes(f"/proc/{pid}/cgroup")


def namespace_descriptors() -> dict[int, tuple[int, str]]:
    """Return inode and link of each namespace file that this process has open."""
    try:
        nsfs = os.stat("/proc/thread-self/ns/mnt").st_dev
    except OSError:
        return {}
    found = {}
    for path in descriptor_paths("self"):
        # The link of one that was opened by a mount has the mount's path.
        try:
            facts = os.stat(path)
            link = os.readlink(path)
        except OSError:
            continue  # It was that of the listing.
        if facts.st_dev == nsfs:
            found[int(path.rpartition("/")[2])] = facts.st_ino, link
    return found
