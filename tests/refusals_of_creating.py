"""How each row of the table about ``unshare`` and ``clone3`` is provoked."""

import errno
import os
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from provoking import (
    FakeLib,
    bind,
    drop_capabilities,
    give_up_root,
    own_mounts,
    own_user,
    refusal,
    refuse_calls,
    replace,
)
from refusals_of_setns import POWER, Case, child

from pynamespaces import (
    NamespaceExistsError,
    NamespaceLimitError,
    NamespacePermissionError,
    SystemCallError,
    UnsupportedError,
    _proc,
    lowlevel,
)
from pynamespaces.lowlevel import _calls


def pretend(unshare: int, **facts: object) -> None:
    """Fake what this machine cannot show: an errno, and what ``/proc`` would say."""
    replace(_calls, lib=FakeLib(pyns_unshare=refusal(unshare)))
    for name, value in facts.items():
        replace(_proc, **{name: lambda *_, value=value: value})


def _unshare_lacking_type() -> None:
    pretend(errno.EINVAL, namespace_types=["mnt", "net", "pid", "uts"])
    lowlevel.unshare(lowlevel.CLONE_NEWTIME | lowlevel.CLONE_NEWNET)


def _unshare_pid_twice() -> None:
    own_user(lowlevel.CLONE_NEWPID)
    lowlevel.unshare(lowlevel.CLONE_NEWPID)


def _unshare_user_unmapped() -> None:
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)


def _clone_user_unmapped() -> None:
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)
    clone(lowlevel.CLONE_NEWUSER)


def clone(flags: int = 0, set_tid: tuple[int, ...] = ()) -> None:
    """Make a child that does nothing, if it comes to that."""
    pid, pidfd = lowlevel.clone3(flags, set_tid=set_tid)
    if pid == 0:
        os._exit(0)
    os.close(pidfd)
    os.waitpid(pid, 0)


def unshare_user_chrooted(to_mount: bool) -> Callable[[], None]:
    """Change the root to a folder, which may be one where something is mounted."""

    def provoke() -> None:
        own_mounts()
        with tempfile.TemporaryDirectory() as folder:
            if to_mount:
                bind(folder, folder)
            os.mkdir(f"{folder}/proc")
            bind("/proc", f"{folder}/proc")
            home = os.open("/", os.O_RDONLY)
            os.chroot(folder)
            try:
                lowlevel.unshare(lowlevel.CLONE_NEWUSER)
            finally:
                os.fchdir(home)
                os.chroot(".")
                # Only this child's mount namespace, which ends with it, has these.
                os.system(f"umount -l {folder}/proc; umount -lq {folder}")

    return provoke


def _unshare_more_than_user() -> None:
    drop_capabilities()
    pretend(errno.EPERM)
    lowlevel.unshare(lowlevel.CLONE_NEWUSER | lowlevel.CLONE_NEWUTS)


def _unshare_forbidden() -> None:
    pretend(errno.EPERM)
    lowlevel.unshare(lowlevel.CLONE_NEWUTS)


def _unshare_user_with_sysctl() -> None:
    drop_capabilities()
    pretend(errno.EPERM, unprivileged_userns_clone=0)
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)


def _unshare_user_with_apparmor() -> None:
    drop_capabilities()
    pretend(errno.EPERM, apparmor_restricts_userns=True)
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)


def _unshare_without_power() -> None:
    drop_capabilities()
    lowlevel.unshare(lowlevel.CLONE_NEWUTS)


def _unshare_filtered() -> None:
    refuse_calls(unshare=errno.EPERM)
    lowlevel.unshare(lowlevel.CLONE_NEWUTS)


def _clone_filtered() -> None:
    refuse_calls(clone3=errno.EPERM)
    clone(lowlevel.CLONE_NEWUTS)


def _unshare_user_filtered() -> None:
    drop_capabilities()
    refuse_calls(unshare=errno.EPERM)
    lowlevel.unshare(lowlevel.CLONE_NEWUSER)


def unshare_beyond(limit: int) -> Callable[[], None]:
    """Allow so many uts namespaces, and make one more."""

    def provoke() -> None:
        own_user()
        Path("/proc/sys/user/max_uts_namespaces").write_text(str(limit))
        for _ in range(limit):
            lowlevel.unshare(lowlevel.CLONE_NEWUTS)
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    return provoke


def _clone_beyond_processes() -> None:
    give_up_root()
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    clone()


def _clone_after_init_died() -> None:
    own_user(lowlevel.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    clone()


def _clone_into_no_cgroup() -> None:
    lowlevel.clone3(cgroup=os.open("/", os.O_RDONLY))


def _clone_as_own_pid() -> None:
    clone(set_tid=(os.getpid(),))


CREATING = [
    Case("kernel-lacks-type", child(_unshare_lacking_type), UnsupportedError,
         errno.EINVAL, "unshare", ("net", "time"), "built without a namespace type"),
    Case("pid-pending", child(_unshare_pid_twice), SystemCallError, errno.EINVAL,
         "unshare", ("pid",), "already have another pid", "leave it", own_user=True),
    Case("user-unmapped", child(_unshare_user_unmapped), NamespacePermissionError,
         errno.EPERM, "unshare", ("user",), "not mapped", "uid_map", own_user=True),
    Case("user-unmapped", child(_clone_user_unmapped), NamespacePermissionError,
         errno.EPERM, "clone3", ("user",), "not mapped", "uid_map", own_user=True),
    Case("user-chrooted", child(unshare_user_chrooted(False)),
         NamespacePermissionError, errno.EPERM, "unshare", ("user",),
         "is chrooted", "pivot_root", POWER),
    Case("user-sysctl", child(_unshare_user_with_sysctl), NamespacePermissionError,
         errno.EPERM, "unshare", ("user",), "kernel.unprivileged_userns_clone is 0",
         "sysctl kernel.unprivileged_userns_clone=1"),
    Case("user-apparmor", child(_unshare_user_with_apparmor),
         NamespacePermissionError, errno.EPERM, "unshare", ("user",),
         "apparmor_restrict_unprivileged_userns is 1", "AppArmor profile"),
    Case("user-seccomp", child(_unshare_user_filtered), NamespacePermissionError,
         errno.EPERM, "unshare", ("user",), "filter forbids user namespaces"),
    Case("user-refused", child(unshare_user_chrooted(True)),
         NamespacePermissionError, errno.EPERM, "unshare", ("user",),
         "chrooted to a mount point", "pivot_root", POWER),
    Case("user-refused", child(_unshare_more_than_user), NamespacePermissionError,
         errno.EPERM, "unshare", ("user", "uts"), "chrooted to a mount point",
         "pivot_root"),
    Case("create-power", child(_unshare_without_power), NamespacePermissionError,
         errno.EPERM, "unshare", ("uts",), "no CAP_SYS_ADMIN", "become root"),
    Case("create-seccomp", child(_unshare_filtered), NamespacePermissionError,
         errno.EPERM, "unshare", ("uts",), "seccomp filter forbids", None, POWER),
    Case("create-seccomp", child(_clone_filtered), NamespacePermissionError,
         errno.EPERM, "clone3", ("uts",), "seccomp filter forbids", None, POWER),
    Case("create-refused", child(_unshare_forbidden), NamespacePermissionError,
         errno.EPERM, "unshare", ("uts",), "kernel's rules forbid", None, POWER),
    Case("limit-zero", child(unshare_beyond(0)), NamespaceLimitError, errno.ENOSPC,
         "unshare", ("uts",), "one of user.max_uts_namespaces is 0", "sysctl",
         own_user=True),
    Case("limit-reached", child(unshare_beyond(1)), NamespaceLimitError,
         errno.ENOSPC, "unshare", ("uts",), "one of user.max_uts_namespaces is reac",
         own_user=True),
    # Another tier's root would be the user that the kernel exempts.
    Case("processes", child(_clone_beyond_processes), NamespaceLimitError,
         errno.EAGAIN, "clone3", (), "RLIMIT_NPROC", None, ("root", "plain")),
    Case("init-died", child(_clone_after_init_died), SystemCallError, errno.ENOMEM,
         "clone3", (), "init of the pid namespace", own_user=True),
    Case("cgroup-descriptor", child(_clone_into_no_cgroup), SystemCallError,
         errno.EBADF, "clone3", (), "directory of cgroup v2"),
    Case("pid-taken", child(_clone_as_own_pid), NamespaceExistsError, errno.EEXIST,
         "clone3", (), "a process has that pid", None, POWER),
]  # fmt: skip
