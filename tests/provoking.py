"""Ways to make the kernel refuse: filters, rights given up, namespaces of one's own."""

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import signal
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from support import in_child, missing, own_all

from pynamespaces import lowlevel
from pynamespaces._lib import lib

libc = ctypes.CDLL(None, use_errno=True)

CAP_SYS_CHROOT = 18
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_NEW_LISTENER = 8
_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_RET_USER_NOTIF = 0x7FC00000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000

_X86 = {"setns": 308, "unshare": 272, "ioctl": 16, "seccomp": 317, "kcmp": 312}
_X86 |= {"name_to_handle_at": 303, "open_by_handle_at": 304, "statx": 332}
_GENERIC = {"setns": 268, "unshare": 97, "ioctl": 29, "seccomp": 277, "kcmp": 272}
_GENERIC |= {"name_to_handle_at": 264, "open_by_handle_at": 265, "statx": 291}
_SYSCALLS = _X86 if platform.machine() == "x86_64" else _GENERIC
_SYSCALLS |= {"pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435}
_SYSCALLS |= {"pidfd_getfd": 438}


class FakeLib:
    """The real shim, but for the functions given by name."""

    def __init__(self, **functions: object) -> None:
        self._functions = functions

    def __getattr__(self, name: str) -> object:
        return self._functions.get(name, None) or getattr(lib, name)


def check(result: int) -> int:
    """Return what a function of the C library returned, or raise its errno."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _return_where(value: int, action: int) -> bytes:
    """Compare what was loaded last, in the words of BPF."""
    jump, end = (0x15, 0, 1, value), (0x06, 0, 0, action)
    return struct.pack("HBBI", *jump) + struct.pack("HBBI", *end)


def _load(offset: int) -> bytes:
    return struct.pack("HBBI", 0x20, 0, 0, offset)


def _install(program: bytes, flags: int = 0) -> int:
    """Watch the calling thread's system calls, for good."""
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    program += struct.pack("HBBI", 0x06, 0, 0, _RET_ALLOW)
    room = ctypes.create_string_buffer(program)
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(room))
    number = _SYSCALLS["seccomp"]
    return check(libc.syscall(number, _SET_MODE_FILTER, flags, header))


def refuse_calls(**errors: int) -> None:
    """Have the kernel answer system calls with these errnos, for good."""
    program = _load(0)
    for name, number in errors.items():
        program += _return_where(_SYSCALLS[name], _RET_ERRNO | number)
    _install(program)


def refuse_ioctl(request: int, number: int) -> None:
    """Have the kernel answer one request with this errno, for good."""
    answer = _return_where(request, _RET_ERRNO | number)
    # Where the call is no ioctl, jump over the look at its second argument.
    jump = struct.pack("HBBI", 0x15, 0, 1 + len(answer) // 8, _SYSCALLS["ioctl"])
    _install(_load(0) + jump + _load(24) + answer)


def hand_over_calls(*names: str) -> int:
    """Let these calls of the thread wait until the descriptor returned is asked."""
    program = _load(0)
    for name in names:
        program += _return_where(_SYSCALLS[name], _RET_USER_NOTIF)
    return _install(program, _NEW_LISTENER)


def drop_capabilities(*numbers: int) -> None:
    """Give up these capabilities of the calling thread; none named: all of them."""
    header = struct.pack("Ii", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    check(libc.capget(header, data))
    words = list(struct.unpack("6I", data.raw))
    for number in numbers or range(64):
        word, bit = divmod(number, 32)
        words[word * 3] &= ~(1 << bit)
        words[word * 3 + 1] &= ~(1 << bit)
        words[word * 3 + 2] = 0
    check(libc.capset(header, struct.pack("6I", *words)))


def mount(source: str, target: str, type: str = "", flags: int = 0) -> None:
    """Mount a file system."""
    check(libc.mount(source.encode(), target.encode(), type.encode(), flags, None))


def bind(source: str, target: str) -> None:
    """Show a file or a tree at a second place."""
    mount(source, target, flags=_MS_BIND | _MS_REC)


def own_mounts() -> None:
    """Give this process a mount namespace that passes nothing on."""
    lowlevel.unshare(lowlevel.CLONE_NEWNS)
    mount("none", "/", flags=_MS_REC | _MS_PRIVATE)


def hide_proc() -> None:
    """Leave this process without a ``/proc``."""
    own_mounts()
    mount("none", "/proc", "tmpfs")


def own_user(flags: int = 0) -> None:
    """Give this process a user namespace of its own, where it is root."""
    uid, gid = os.geteuid(), os.getegid()
    lowlevel.unshare(lowlevel.CLONE_NEWUSER | flags)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


@cache
def _can_own_user() -> bool:
    try:
        in_child(own_user)
    except OSError:
        return False
    return True


def need_own_user() -> None:
    """Skip the test where no user namespace can be made."""
    if not _can_own_user():
        missing("user-namespaces", "this process cannot make a user namespace")


@contextlib.contextmanager
def another_thread() -> Iterator[int]:
    """Have a second thread in this process, whose id it gives."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        yield thread.native_id
    finally:
        end.set()
        thread.join()


@contextlib.contextmanager
def another_process(prepare: Callable[[], object] = int) -> Iterator[int]:
    """Have a child that has run *prepare*, and waits to be killed at the end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            prepare()
            os.write(writer, b"!")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 1) == b"!", "the child could not be prepared"
        yield pid
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def sharing(flags: int) -> Iterator[int]:
    """Have a child that shares with this process what the ``CLONE_`` *flags* say."""
    stack = mmap.mmap(-1, 64 * 1024)
    top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + len(stack)
    # The C library's own pause() is all the program that the child needs.
    pid = check(
        libc.clone(libc.pause, ctypes.c_void_p(top), flags | signal.SIGCHLD, None)
    )
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def end_of(pidfd: int, flags: int = 0) -> tuple[int, int]:
    """Wait for a child, and return how it ended and with which status."""
    end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | flags)
    assert end is not None
    os.close(pidfd)
    return end.si_code, end.si_status


def told_by_clone(
    function: Callable[[], object],
    flags: int = 0,
    *,
    cgroup: int | None = None,
    set_tid: Sequence[int] = (),
) -> str:
    """Return the text of what *function* returns in a child made by clone3."""
    reader, writer = os.pipe()
    pid, pidfd = lowlevel.clone3(flags, cgroup=cgroup, set_tid=set_tid)
    if pid == 0:
        try:
            os.write(writer, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        text = file.read()
    assert end_of(pidfd) == (os.CLD_EXITED, 0)
    return text


def zombie() -> int:
    """Leave a child that has ended, and has not been waited for."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def dead_pid() -> int:
    """Return an id that a process had a moment ago."""
    pid = zombie()
    os.waitpid(pid, 0)
    return pid


def closed_fd() -> int:
    """Return the number of a descriptor that is not open."""
    fd = os.dup(0)
    os.close(fd)
    return fd


def is_cloexec(fd: int) -> bool:
    """Return whether programs do not inherit a descriptor."""
    return not os.get_inheritable(fd)


def give_up_root() -> None:
    """Become an ordinary user, if this process is root."""
    if os.geteuid() == 0:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)


def replace(module: ModuleType, **values: object) -> None:
    """Put other things in the place of a module's, in a child that ends so."""
    vars(module).update(values)


def refusal(number: int) -> object:
    """Return a function of the shim that fails."""
    return lambda *_: -number


ENOTTY = refusal(errno.ENOTTY)


def differing(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    """Return the links that changed."""
    return tuple(name for name in before if before[name] != after[name])


def changed_by(call: Callable[[], object]) -> tuple[str, ...]:
    """Return which links of the thread a call changes, in a child."""

    def compare() -> tuple[str, ...]:
        before = own_all()
        call()
        return differing(before, own_all())

    return in_child(compare)
