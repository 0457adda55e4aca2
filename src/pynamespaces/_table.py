"""
The one table in which the errno of a system call becomes an exception.

A row holds for errnos, calls, types and a cause; the first that holds is taken. Each
row is tested by its name in ``tests/test_refusals.py``.
"""

import errno
from typing import Final, NamedTuple

from . import _causes
from ._causes import Cause
from ._types import NamespaceType
from .errors import (
    MultithreadedError,
    NamespaceExistsError,
    NamespaceLimitError,
    NamespacePermissionError,
    NoSuchNamespaceError,
    NoSuchProcessError,
    NotANamespaceError,
    SpawnError,
    SystemCallError,
    UnsupportedError,
    WrongTypeError,
)


class Row(NamedTuple):
    """
    One line of the table: when it holds, and what it says.

    It holds for the *numbers*, for any of the *calls*, for any of the *types* (none
    named: all) and when *cause* is found. In *reason*, ``{types}``, ``{sysctls}`` and
    ``{since}`` are filled in.
    """

    name: str
    numbers: tuple[int, ...]
    calls: tuple[str, ...]
    types: tuple[NamespaceType, ...]
    cause: Cause | None
    error: type[SystemCallError]
    reason: str | None = None
    hint: str | None = None


_T = NamespaceType
_SETNS: Final = ("setns",)
_CREATE: Final = ("unshare", "clone3")
_BEAR: Final = ("clone", "clone3", "fork")
_ASK: Final = ("ioctl",)
_OPEN: Final = ("open",)
_MAKE: Final = ("open(O_CREAT)",)
_BIND: Final = ("move_mount",)
_DETACH: Final = ("umount2",)
_MOUNT: Final = ("move_mount", "mount", "umount2")
_ANY: Final = ()

_CGROUP: Final = ("clone3(CLONE_INTO_CGROUP)", "open(cgroup)")
_IDS: Final = ("setresuid", "setresgid", "setgroups")

_USE_PROCESS: Final = "run a function there with call(), or start a program there"
_NEEDS_POWER: Final = "become root there, or create a user namespace along with it"

# The first row that holds is taken: the particular stand before the general.
TABLE: Final = (
    # --- setns: which descriptor ---
    Row("setns-no-namespace", (errno.EINVAL,), _SETNS, (), _causes.nothing_to_join,
        NotANamespaceError, "the descriptor is no namespace"),
    Row("setns-other-type", (errno.EINVAL,), _SETNS, (), _causes.other_type,
        WrongTypeError, "the descriptor is a namespace of another type"),
    Row("opened-by-path", (errno.EBADF,), _ANY, (), _causes.opened_by_path,
        SystemCallError, "the descriptor was opened with O_PATH",
        "open it with O_RDONLY"),
    Row("not-open", (errno.EBADF,), ("setns", "ioctl", "fcntl", "pidfd_send_signal",
        "pidfd_getfd"), (), None, SystemCallError,
        "the descriptor is not open, or not of the kind that the call takes"),
    # --- setns and unshare: threads ---
    Row("user-threads", (errno.EINVAL,), ("setns", "unshare"), (_T.USER,),
        _causes.threads, MultithreadedError,
        "a process with threads cannot change its user namespace", _USE_PROCESS),
    Row("mnt-threads", (errno.EINVAL,), _SETNS, (_T.MNT,), _causes.shares_fs,
        MultithreadedError,
        "the threads of a process share one root and working directory",
        "enter(unshare_fs=True) gives this thread its own, for good"),
    Row("time-threads", (errno.EUSERS,), _SETNS, (_T.TIME,), _causes.threads,
        MultithreadedError,
        "a process with threads cannot change its time namespace", _USE_PROCESS),
    Row("time-memory", (errno.EUSERS,), _SETNS, (_T.TIME,), None, SystemCallError,
        "another process shares the memory of this one"),
    # --- setns: what else EINVAL means ---
    Row("user-own", (errno.EINVAL,), _SETNS, (_T.USER,), None, SystemCallError,
        "the process is in this user namespace already, or shares its root and "
        "working directory with another process"),
    Row("mnt-shared-fs", (errno.EINVAL,), _SETNS, (_T.MNT,), None, SystemCallError,
        "another process shares the root and working directory of this one"),
    Row("pid-not-below", (errno.EINVAL,), _SETNS, (_T.PID,), None, SystemCallError,
        "the pid namespace is not the caller's own, nor below it",
        "start a program there from a process that is outside"),
    # --- setns: permission ---
    Row("setns-process-look", (errno.EPERM,), _SETNS, (), _causes.is_pidfd,
        NamespacePermissionError,
        "the caller may not look into the process (ptrace access is refused), or has "
        "no CAP_SYS_ADMIN over the owner of one of its namespaces"),
    Row("user-power", (errno.EPERM,), _SETNS, (_T.USER,), None,
        NamespacePermissionError,
        "the caller has no CAP_SYS_ADMIN in the user namespace"),
    Row("setns-own-power", (errno.EPERM,), _SETNS, (), _causes.lacks_sys_admin,
        NamespacePermissionError,
        "the caller has no CAP_SYS_ADMIN in its own user namespace",
        "become root; or, where its owner is yours, be in both: run(..., "
        "join=[ns.owner(), ns]), or NamespaceSet([ns.owner(), ns]).call(...)"),
    Row("mnt-chroot-power", (errno.EPERM,), _SETNS, (_T.MNT,),
        _causes.lacks_sys_chroot, NamespacePermissionError,
        "the caller has no CAP_SYS_CHROOT in its own user namespace"),
    Row("setns-seccomp", (errno.EPERM,), _SETNS, (), _causes.seccomp,
        NamespacePermissionError,
        "a seccomp filter watches this process, and may forbid the call; or the "
        "caller has no CAP_SYS_ADMIN over the namespace's owner"),
    Row("setns-owner-power", (errno.EPERM,), _SETNS, (), None,
        NamespacePermissionError,
        "the caller has no CAP_SYS_ADMIN in the user namespace that owns it",
        "be in both: run(..., join=[ns.owner(), ns]), or "
        "NamespaceSet([ns.owner(), ns]).call(...)"),
    # --- unshare and clone3 ---
    Row("kernel-lacks-type", (errno.EINVAL,), _CREATE, (),
        _causes.kernel_lacks_type, UnsupportedError,
        "this kernel was built without a namespace type among {types}"),
    Row("pid-pending", (errno.EINVAL,), ("unshare",), (_T.PID,), None,
        SystemCallError,
        "this thread's children already have another pid namespace than itself",
        "leave it first"),
    Row("user-unmapped", (errno.EPERM,), _CREATE, (_T.USER,), _causes.unmapped,
        NamespacePermissionError,
        "the caller's user or group id is not mapped in its user namespace",
        "write uid_map and gid_map first"),
    Row("user-chrooted", (errno.EPERM,), _CREATE, (_T.USER,), _causes.chrooted,
        NamespacePermissionError,
        "the caller is chrooted, and the kernel then refuses a user namespace",
        "use pivot_root in place of chroot"),
    Row("user-sysctl", (errno.EPERM,), _CREATE, (_T.USER,), _causes.userns_sysctl,
        NamespacePermissionError,
        "kernel.unprivileged_userns_clone is 0",
        "sysctl kernel.unprivileged_userns_clone=1, or be root"),
    Row("user-apparmor", (errno.EPERM,), _CREATE, (_T.USER,), _causes.apparmor,
        NamespacePermissionError,
        "AppArmor keeps user namespaces from unconfined programs "
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
        "give the program an AppArmor profile with userns, or set the sysctl to 0"),
    Row("user-seccomp", (errno.EPERM,), _CREATE, (_T.USER,), _causes.seccomp,
        NamespacePermissionError,
        "a seccomp filter forbids user namespaces, as in a container by default"),
    Row("user-refused", (errno.EPERM,), _CREATE, (_T.USER,), None,
        NamespacePermissionError,
        "the caller is chrooted to a mount point, or a security module forbids user "
        "namespaces", "use pivot_root in place of chroot"),
    Row("create-power", (errno.EPERM,), _CREATE, (), _causes.lacks_sys_admin,
        NamespacePermissionError,
        "the caller has no CAP_SYS_ADMIN in its user namespace", _NEEDS_POWER),
    Row("create-seccomp", (errno.EPERM,), _CREATE, (), _causes.seccomp,
        NamespacePermissionError,
        "a seccomp filter forbids the call, as in a container by default"),
    Row("create-refused", (errno.EPERM,), _CREATE, (), None,
        NamespacePermissionError, "a security module or the kernel's rules forbid it"),
    Row("limit-zero", (errno.ENOSPC,), _CREATE, (), _causes.limit_is_zero,
        NamespaceLimitError, "a limit forbids it: one of {sysctls} is 0",
        "raise the sysctl"),
    Row("limit-reached", (errno.ENOSPC,), _CREATE, (), None, NamespaceLimitError,
        "one of {sysctls} is reached, here or in a parent user namespace, or "
        "namespaces are nested too deep (33 user, 32 pid)"),
    Row("processes", (errno.EAGAIN,), _BEAR, (), None, NamespaceLimitError,
        "RLIMIT_NPROC or a pids cgroup allows no more processes"),
    Row("init-died", (errno.ENOMEM,), _BEAR, (), None, SystemCallError,
        "memory is short, or the init of the pid namespace for children has died"),
    Row("cgroup-descriptor", (errno.EBADF,), ("clone3",), (), None, SystemCallError,
        "the cgroup is not an open directory of cgroup v2"),
    Row("pid-taken", (errno.EEXIST,), ("clone3",), (), None, NamespaceExistsError,
        "a process has that pid"),
    # --- starting programs ---
    Row("cgroup-power", (errno.EACCES,), _CGROUP, (), None, SpawnError,
        "the caller may not write to cgroup.procs of the cgroup, or of the one above "
        "it and the caller's own"),
    Row("cgroup-gone", (errno.ENOENT, errno.ENODEV), _CGROUP, (), None,
        SpawnError, "there is no such cgroup, or no longer"),
    Row("cgroup-directory", (errno.ENOTDIR,), _CGROUP, (), None,
        SpawnError, "a cgroup is a directory"),
    Row("cgroup-kind", (errno.EOPNOTSUPP, errno.EBUSY), _CGROUP, (), None,
        SpawnError,
        "the cgroup cannot have processes: it has controllers for those below it, or "
        "is not of the kind domain", "use a cgroup that has none below it"),
    Row("no-init-yet", (errno.EINVAL,), ("clone3(CLONE_PARENT)",), (), None,
        SpawnError,
        "the next child of this thread will be the init of a fresh pid namespace, and "
        "must not end at once", "start that init first, or use another thread"),
    Row("child-killed", (errno.ECANCELED,), _BEAR, (), None, SpawnError,
        "the child has been killed before it could execute the program"),
    Row("proc-covered", (errno.EPERM,), ("mount(proc)",), (), None,
        SpawnError,
        "a part of the /proc here is covered, as in a container, and then the kernel "
        "allows no fresh one", "mount_proc=False"),
    Row("proc-place", (errno.ENOENT, errno.ENOTDIR), ("mount(proc)",), (), None,
        SpawnError, "there is no directory /proc", "mount_proc=False"),
    Row("id-unmapped", (errno.EINVAL,), _IDS, (), None, SpawnError,
        "the user namespace does not map the id", "see uid_map and gid_map"),
    Row("id-power", (errno.EPERM,), _IDS, (), None, SpawnError,
        "to change ids takes CAP_SETUID and CAP_SETGID; and groups cannot be set where "
        "setgroups is denied, as it is when an ordinary user writes a gid_map"),
    Row("caps-power", (errno.EPERM,), ("capset",), (), None, SpawnError,
        "nobody can pass on a capability that it does not have, and to give others up "
        "for good takes CAP_SETPCAP"),
    Row("program-missing", (errno.ENOENT,), ("execve",), (), None,
        SpawnError,
        "there is no such program where it was to start, or not the interpreter that "
        "its first line names"),
    Row("program-refused", (errno.EACCES, errno.EPERM), ("execve",), (), None,
        SpawnError,
        "it may not be executed: by its mode, or by the mount option noexec, or since "
        "a directory on the way may not be searched"),
    Row("program-format", (errno.ENOEXEC,), ("execve",), (), None, SpawnError,
        "it is no program; a script begins with #! and its interpreter"),
    Row("directory-missing", (errno.ENOENT,), ("chdir",), (), None,
        SpawnError, "there is no such directory where it was to start"),
    Row("init-gone", (errno.ENOENT,), ("open(init)",), (), None, SpawnError,
        "the file of the package that this process has imported, which the init is in, "
        "is out of its reach, or another is in its place"),
    Row("init-refused", (errno.EACCES, errno.EPERM), ("execveat",), (), None,
        SpawnError,
        "the file of the package that the init is in may not be executed"),
    # --- helper tasks: what they are told to do, and setting up what is fresh ---
    Row("task-killed", (errno.ECANCELED,), _ANY, (), None, SystemCallError,
        "the helper task that was to do it has been killed"),
    Row("maps-undumpable", (errno.EACCES,), ("write",), (_T.USER, _T.TIME),
        _causes.undumpable, NamespacePermissionError,
        "this process may not write its own files in /proc, which are root's: it "
        "changed its user id, or has capabilities, and is kept from other processes "
        "of its user meanwhile",
        "execute a program after changing ids; be root, or give up capabilities"),
    Row("proc-read-only", (errno.EROFS,), ("write",), (_T.USER, _T.TIME), None,
        SystemCallError, "the /proc here is mounted read-only, and what a fresh "
        "namespace of this type takes is written there",
        "mount another /proc, or have it made by a process that sees one"),
    Row("maps-apparmor", (errno.EACCES, errno.EPERM), ("write",), (_T.USER,),
        _causes.apparmor, NamespacePermissionError,
        "AppArmor gives unconfined programs no power in a user namespace "
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
        "give the program an AppArmor profile with userns, or set the sysctl to 0"),
    Row("map-refused", (errno.EPERM,), ("write",), (_T.USER,), None,
        NamespacePermissionError,
        "an id outside is not the caller's to map: to map more than its own takes "
        "CAP_SETUID and CAP_SETGID there, and to map id 0, CAP_SETFCAP"),
    Row("map-invalid", (errno.EINVAL,), ("write",), (_T.USER,), None,
        SystemCallError, "the kernel does not take the map"),
    Row("offsets-range", (errno.ERANGE,), ("write",), (_T.TIME,), None,
        SystemCallError, "a clock would be negative, or too far in the future"),
    Row("offsets-power", (errno.EPERM, errno.EACCES), ("write",), (_T.TIME,), None,
        NamespacePermissionError, "the caller has no CAP_SYS_TIME over its owner"),
    Row("loopback-power", (errno.EPERM,), ("ioctl(SIOCSIFFLAGS*",), (_T.NET,), None,
        NamespacePermissionError,
        "to bring lo up takes CAP_NET_ADMIN over the network namespace",
        "loopback=False leaves it down"),
    Row("name-power", (errno.EPERM,), ("sethostname",), (_T.UTS,), None,
        NamespacePermissionError,
        "to set a name takes CAP_SYS_ADMIN in the user namespace that owns it"),
    Row("socket-power", (errno.EPERM, errno.EACCES), ("socket",), (_T.NET,), None,
        NamespacePermissionError,
        "such a socket takes a capability over the namespace, as CAP_NET_RAW; or a "
        "group in net.ipv4.ping_group_range"),
    Row("no-cookie", (errno.ENOPROTOOPT,), ("getsockopt",), (), None,
        UnsupportedError, "this kernel is older than Linux 5.14"),
    Row("socket-look", (errno.EPERM,), ("ioctl(SIOCGSKNS*",), (), None,
        NamespacePermissionError,
        "the caller has no CAP_NET_ADMIN over the socket's network namespace"),
    Row("no-socket", (errno.ENOTTY, errno.ENOTSOCK), ("ioctl(SIOCGSKNS*",
        "getsockopt"), (), None, SystemCallError, "the descriptor is no socket"),
    Row("magic-link", (errno.ELOOP,), ("openat2",), (), None, SystemCallError,
        "too many symbolic links, or one of /proc that could lead out"),
    Row("file-exists", (errno.EEXIST,), ("openat2",), (), None,
        NamespaceExistsError, "the file exists"),
    # --- pins: the file, and what is mounted on it ---
    Row("pin-exists", (errno.EEXIST,), _MAKE, (), None, NamespaceExistsError,
        "the name is taken; nothing was changed"),
    Row("pin-no-directory", (errno.ENOENT,), _MAKE, (), None, NoSuchNamespaceError,
        "the directory does not exist"),
    Row("pin-read-only", (errno.EROFS,), _MAKE, (), None, SystemCallError,
        "the file system is mounted read-only"),
    Row("pin-directory", (errno.EACCES, errno.EPERM), _MAKE, (), None,
        NamespacePermissionError, "the caller may not make files in the directory"),
    Row("unpin-link", (errno.EINVAL,), _DETACH, (), _causes.is_link,
        NotANamespaceError,
        "it is a symbolic link, as those in /proc/PID/ns, and no pin"),
    Row("unpin-nothing", (errno.EINVAL,), _DETACH, (), _causes.nothing_pinned,
        NotANamespaceError, "no namespace is mounted there"),
    Row("mount-elsewhere", (errno.EINVAL,), _MOUNT, (), _causes.mount_elsewhere,
        SystemCallError,
        "the path leads into another mount namespace than the calling thread's",
        "enter that one"),
    Row("unpin-locked", (errno.EINVAL,), _DETACH, (), None, SystemCallError,
        "the mount came from a mount namespace of another owner, and is locked"),
    Row("pin-own-mnt", (errno.ELOOP, errno.EINVAL), _BIND, (_T.MNT,), _causes.own_mnt,
        SystemCallError, "it is the calling thread's own mount namespace, which "
        "cannot be mounted in itself", "pin it from outside"),
    Row("pin-shared-mnt", (errno.EINVAL,), _BIND, (_T.MNT,), _causes.mount_shared,
        SystemCallError, "the path is on a shared mount, and a mount namespace can "
        "only be mounted on a private one",
        "pin it on a mount of its own: mount --bind DIR DIR; mount --make-private DIR"),
    Row("pin-older-mnt", (errno.ELOOP, errno.EINVAL), _BIND, (_T.MNT,), None,
        SystemCallError,
        "the kernel takes it for older than the calling thread's mount namespace, "
        "and would allow only a younger one",
        "make it from within the mount namespace that is to keep it"),
    Row("pin-replaced", (errno.EBUSY,), _BIND, (), None, SystemCallError,
        "another program has mounted something there at the same time"),
    Row("mount-namespaces", (errno.ENOSPC,), _BIND, (), _causes.mnt_limit_is_zero,
        NamespaceLimitError,
        "what is to be mounted needs a mount namespace of its own meanwhile, and "
        "user.max_mnt_namespaces is 0", "raise the sysctl"),
    Row("mount-limit", (errno.ENOSPC,), _MOUNT, (), None, NamespaceLimitError,
        "a limit is reached: fs.mount-max, of the mounts of a mount namespace, or "
        "user.max_mnt_namespaces"),
    Row("mount-power", (errno.EPERM,), _MOUNT, (), None, NamespacePermissionError,
        "the caller has no CAP_SYS_ADMIN in the user namespace that owns its mount "
        "namespace", "be root, or use a user and a mount namespace of your own"),
    Row("unlink-mounted", (errno.EBUSY,), ("unlink",), (), None, SystemCallError,
        "something else is mounted on the same file"),
    Row("name-stale", (errno.ENOTTY,), _OPEN, (_T.NET,), _causes.in_netns_registry,
        NotANamespaceError, "the name is left over from a namespace that is gone",
        "create it again, which replaces it, or delete it"),
    # --- files and ioctls ---
    Row("pidfd-no-ioctl", (errno.ENOTTY,), ("ioctl(PIDFD_GET_*",), (), None,
        UnsupportedError,
        "the descriptor is no pidfd, or the kernel is older than Linux 6.11"),
    Row("no-namespace", (errno.ENOTTY,), _ANY, (), _causes.no_namespace,
        NotANamespaceError, "it is no namespace"),
    Row("open-no-namespace", (errno.ENOTTY,), _OPEN, (), None, NotANamespaceError,
        "the file is no namespace"),
    Row("old-ioctl", (errno.ENOTTY,), _ASK, (), _causes.kernel_is_older,
        UnsupportedError, "the request came with Linux {since}, and this is older"),
    Row("no-ioctl", (errno.ENOTTY,), _ASK, (), None, UnsupportedError,
        "this kernel has no such request for this kind of descriptor"),
    # Before Linux 6.14; since then it is ENOTTY.
    Row("ioctl-pidfd", (errno.EINVAL,), _ASK, (), _causes.is_pidfd,
        NotANamespaceError, "it is a pidfd, and no namespace"),
    Row("ioctl-other-type", (errno.EINVAL,), _ASK, (), None, WrongTypeError,
        "namespaces of this type do not have it"),
    Row("process-look", (errno.EPERM, errno.EACCES), ("ioctl(PIDFD_GET_*",),
        (), None, NamespacePermissionError,
        "the caller may not look into the process (ptrace access is refused)"),
    Row("ioctl-walk", (errno.EPERM,), ("ioctl(NS_MNT_GET_NEXT)",
        "ioctl(NS_MNT_GET_PREV)"), (), None, NamespacePermissionError,
        "to walk over mount namespaces takes CAP_SYS_ADMIN over all of them; and, on "
        "recent kernels, to be in the first pid namespace"),
    Row("ioctl-outside", (errno.EPERM,), _ASK, (), None, NamespacePermissionError,
        "it has none, or it lies outside the caller's own namespaces"),
    Row("open-no-proc", (errno.ENOENT,), ("open", "write"), (), _causes.no_proc,
        NoSuchNamespaceError, "no /proc is mounted here"),
    Row("pid-without-init", (errno.ENOENT,), _OPEN, (_T.PID,),
        _causes.has_had_no_child, NoSuchNamespaceError,
        "the pid namespace of this thread's children has had no process yet, and "
        "before Linux 6.11 nothing leads to it until then",
        "start its init first, or use another thread"),
    Row("open-lacks-type", (errno.ENOENT,), _OPEN, (), _causes.kernel_lacks_type,
        UnsupportedError, "this kernel was built without it"),
    Row("open-refused", (errno.EPERM, errno.EACCES), _OPEN, (), None,
        NamespacePermissionError,
        "the path may not be searched, or the caller may not look into the process"),
    Row("handle-seccomp", (errno.EPERM,), ("open_by_handle_at",), (), _causes.seccomp,
        NamespacePermissionError,
        "a seccomp filter forbids to open files by handles, as in a container by "
        "default", "NamespaceRef.resolve looks for it in /proc then"),
    Row("handle-root", (errno.EBADF,), ("open_by_handle_at",), (), None,
        UnsupportedError, "before Linux 6.18 namespaces are not opened by handles",
        "NamespaceRef.resolve looks for it in /proc then"),
    # --- watching ---
    Row("perf-power", (errno.EPERM, errno.EACCES), ("perf_event_open",), (), None,
        NamespacePermissionError,
        "the caller has no CAP_PERFMON in the first user namespace, and the sysctl "
        "kernel.perf_event_paranoid does not let everybody watch",
        "become root; or watch a command of your own, for which it is not needed"),
    # --- whatever the call ---
    Row("no-such-file", (errno.ENOENT,), _ANY, (), None, NoSuchNamespaceError),
    Row("no-such-process", (errno.ESRCH,), _ANY, (), None, NoSuchProcessError,
        "it does not exist, or is dead"),
    Row("no-permission", (errno.EPERM, errno.EACCES), _ANY, (), None,
        NamespacePermissionError),
    Row("descriptors", (errno.EMFILE, errno.ENFILE), _ANY, (), None,
        NamespaceLimitError, "too many descriptors are open",
        "close some, or raise RLIMIT_NOFILE"),
    Row("handle-no-namespace", (errno.EOPNOTSUPP,), ("name_to_handle_at",), (),
        _causes.no_namespace, NotANamespaceError, "only namespaces have such handles"),
    Row("old-call", (errno.ENOSYS, errno.EOPNOTSUPP), _ANY, (),
        _causes.kernel_is_older, UnsupportedError,
        "this came with Linux {since}, and the kernel is older"),
    Row("hidden-call", (errno.ENOSYS,), _ANY, (), _causes.call_is_hidden,
        UnsupportedError,
        "a seccomp filter hides the call, which came with Linux {since}"),
    Row("no-call", (errno.ENOSYS, errno.EOPNOTSUPP), _ANY, (), None,
        UnsupportedError, "this kernel, or a seccomp filter, does not have it"),
)  # fmt: skip
