"""Which system calls are made to fail, and by which errno: what the kernel may say."""

import errno
from typing import Final

_FULL: Final = ("EMFILE", "ENFILE", "ENOMEM")
_PATH: Final = ("EACCES", "ENOENT", "ENOMEM", "ELOOP")
_NAME: Final = ("EACCES", "ENOSPC", "EROFS", "EEXIST", "ENOENT")
_MOUNT: Final = ("EPERM", "EINVAL", "ENOENT", "ENOMEM", "ENOSYS")
_STREAM: Final = ("EINTR", "ENOBUFS", "ENOMEM")
_ID: Final = ("EPERM", "EINVAL", "EAGAIN")

# The number of each call on x86-64, and what it fails by.
_X86_64: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    # Namespaces: the tables of setns(2), unshare(2), clone(2), ioctl_ns(2).
    "setns": (308, ("EPERM", "EINVAL", "ENOMEM", "ESRCH", "EUSERS", "EBADF")),
    "unshare": (272, ("EPERM", "EINVAL", "ENOSPC", "ENOMEM")),
    "clone": (56, ("EPERM", "EINVAL", "ENOSPC", "ENOMEM", "EAGAIN")),
    "clone3": (435, ("ENOSYS", "EPERM", "EINVAL", "ENOSPC", "ENOMEM", "EAGAIN")),
    "vfork": (58, ("EAGAIN", "ENOMEM")),
    "fork": (57, ("EAGAIN", "ENOMEM")),
    "ioctl": (
        16,
        ("ENOTTY", "EINVAL", "EPERM", "EACCES", "ESRCH", "EMFILE", "ENOMEM"),
    ),
    "pidfd_open": (434, ("ESRCH", "EINVAL", "ENOSYS", *_FULL)),
    "pidfd_getfd": (438, ("EPERM", "ESRCH", "ENOSYS", "EMFILE")),
    "pidfd_send_signal": (424, ("EPERM", "ESRCH", "ENOSYS")),
    "name_to_handle_at": (303, ("EOPNOTSUPP", "ENOSYS", "EPERM", "EOVERFLOW")),
    "open_by_handle_at": (304, ("ESTALE", "EPERM", "ENOSYS", "EMFILE")),
    "statmount": (457, ("ENOSYS", "EPERM", "ENOENT", "EINVAL", "ENOMEM")),
    "listmount": (458, ("ENOSYS", "EPERM", "ENOENT", "EINVAL", "ENOMEM")),
    "kcmp": (312, ("ENOSYS", "EPERM", "ESRCH")),
    # Files and descriptors.
    "openat": (257, ("EINTR", *_PATH, *_FULL)),
    "openat2": (437, ("EAGAIN", "ENOSYS", "EXDEV", *_PATH, *_FULL)),
    "read": (0, ("EINTR", "EIO", "ESRCH")),
    "read from a stream": (0, ("EINTR",)),
    "pread64": (17, ("EINTR", "EIO", "ESRCH")),
    "readv": (19, ("EINTR", "EIO")),
    "write": (1, ("EINTR", "EPERM", "EINVAL", "ENOSPC", "EIO")),
    "pwrite64": (18, ("EINTR", "EPERM", "ENOSPC")),
    "writev": (20, ("EINTR", "EPERM")),
    "fstat": (5, ("ENOMEM",)),
    "newfstatat": (262, _PATH),
    "statx": (332, ("ENOSYS", *_PATH)),
    "fstatfs": (138, ("ENOSYS", "EIO")),
    "statfs": (137, _PATH),
    "readlink": (89, _PATH),
    "readlinkat": (267, _PATH),
    "getdents64": (217, ("ENOENT", "EIO")),
    "dup": (32, ("EMFILE",)),
    "dup2": (33, ("EMFILE", "EINTR")),
    "dup3": (292, ("EMFILE", "EINTR")),
    "fcntl": (72, ("EMFILE", "EINVAL")),
    "pipe2": (293, _FULL),
    "memfd_create": (319, ("EINVAL", "ENOSYS", *_FULL)),
    "eventfd2": (290, _FULL),
    "epoll_create1": (291, _FULL),
    "epoll_ctl": (233, ("ENOMEM", "ENOSPC", "EPERM")),
    "close_range": (436, ("ENOSYS", "EMFILE", "ENOMEM")),
    "flock": (73, ("EINTR", "ENOLCK", "EAGAIN")),
    "ftruncate": (77, ("EINTR", "EPERM", "EINVAL")),
    "fchmod": (91, ("EPERM", "EROFS")),
    "fchown": (93, ("EPERM", "EROFS")),
    "mkdir": (83, _NAME),
    "mkdirat": (258, _NAME),
    "unlink": (87, ("EACCES", "EBUSY", "EROFS")),
    "unlinkat": (263, ("EACCES", "EBUSY", "EROFS")),
    "rename": (82, _NAME),
    "renameat2": (316, ("ENOSYS", "EINVAL", *_NAME)),
    "linkat": (265, _NAME),
    "symlinkat": (266, _NAME),
    "chdir": (80, _PATH),
    "fchdir": (81, ("EACCES",)),
    "chroot": (161, ("EPERM", *_PATH)),
    # Mounts.
    "mount": (165, _MOUNT),
    "umount2": (166, ("EPERM", "EINVAL", "EBUSY", "ENOENT")),
    "open_tree": (428, (*_MOUNT, "EMFILE")),
    "move_mount": (429, _MOUNT),
    "mount_setattr": (442, _MOUNT),
    "pivot_root": (155, _MOUNT),
    "fsopen": (430, ("ENODEV", "EPERM", "ENOSYS", *_FULL)),
    "fsconfig": (431, ("EPERM", "EBUSY", "ENOSYS", "ENOMEM")),
    "fsmount": (432, ("EPERM", "EBUSY", "ENOSYS", *_FULL)),
    # Sockets.
    "socket": (41, ("EACCES", "EAFNOSUPPORT", *_FULL)),
    "socketpair": (53, _FULL),
    "sendmsg": (46, _STREAM),
    "recvmsg": (47, _STREAM),
    "sendto": (44, _STREAM),
    "recvfrom": (45, _STREAM),
    "setsockopt": (54, ("EPERM", "ENOPROTOOPT")),
    "getsockopt": (55, ("ENOPROTOOPT", "EOPNOTSUPP")),
    "bind": (49, ("EACCES", "EADDRINUSE", "ENOMEM")),
    "listen": (50, ("EADDRINUSE",)),
    "connect": (42, ("ECONNREFUSED", "ENETUNREACH", "ETIMEDOUT")),
    "getsockname": (51, ("ENOBUFS",)),
    # Who one is.
    "setuid": (105, _ID),
    "setgid": (106, _ID),
    "setresuid": (117, _ID),
    "setresgid": (119, _ID),
    "setgroups": (116, ("EPERM", "ENOMEM")),
    "capset": (126, ("EPERM",)),
    "capget": (125, ("EINVAL",)),
    "prctl": (157, ("EINVAL", "EPERM")),
    "seccomp": (317, ("EINVAL", "ENOSYS", "EBUSY", "ENOMEM", "EACCES")),
    "prlimit64": (302, ("EPERM",)),
    "setsid": (112, ("EPERM",)),
    "sethostname": (170, ("EPERM",)),
    "setdomainname": (171, ("EPERM",)),
    # Processes, memory, waiting.
    "execve": (59, ("ENOENT", "EACCES", "E2BIG", "ENOMEM", "ETXTBSY")),
    "execveat": (322, ("ENOENT", "EACCES", "ENOMEM", "ENOSYS")),
    "wait4": (61, ("EINTR",)),
    "waitid": (247, ("EINTR",)),
    "poll": (7, ("EINTR", "ENOMEM")),
    "ppoll": (271, ("EINTR", "ENOMEM")),
    "epoll_wait": (232, ("EINTR",)),
    "epoll_pwait": (281, ("EINTR",)),
    "select": (23, ("EINTR", "ENOMEM")),
    "pselect6": (270, ("EINTR", "ENOMEM")),
    "mmap": (9, ("ENOMEM", "EAGAIN")),
    "perf_event_open": (298, ("EACCES", "EMFILE", "ENOENT", "ENOSYS", "ENOMEM")),
}

NOT_FAILED: Final = {
    "close, munmap": "they have done their work when they fail",
    "brk, mprotect, madvise, futex, rt_sig*": "Python and the C library end then",
    "getpid and its like, clock_*, exit": "they cannot fail",
}
"""What is left out, and why."""

EXPLAINED: Final = {
    ("call in a process", "pidfd_open", "ESRCH"): "of a child that is not reaped, "
    "the kernel says so only where SIGCHLD is ignored, and then nothing is left",
    ("call in a thread", "mmap", "ENOMEM"): "CPython waits for ever for a thread that "
    "has no memory to begin with",
    ("call in a thread", "mmap", "EAGAIN"): "the same",
    ("ThreadPoolExecutor", "mmap", "ENOMEM"): "the same",
    ("ThreadPoolExecutor", "mmap", "EAGAIN"): "the same",
}
"""What goes wrong and is nobody's to mend here: operation, call and errno, and why."""

NUMBERS: Final = {n: number for n, (number, _) in _X86_64.items() if " " not in n}
NAMES: Final = {number: name for name, number in NUMBERS.items()}


def errnos(name: str) -> list[int]:
    """Return what a system call may fail by."""
    return [getattr(errno, word) for word in dict.fromkeys(_X86_64[name][1])]
