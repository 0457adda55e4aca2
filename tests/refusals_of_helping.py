"""How each row of the table about helper tasks is provoked: what they set up."""

import errno
import os
import resource
from contextlib import closing

from creating import kill_calls
from mapping import NOBODY, PR_SET_DUMPABLE
from provoking import (
    FakeLib,
    bind,
    drop_capabilities,
    give_up_root,
    libc,
    mount,
    own_user,
    refusal,
    replace,
)
from refusals_of_setns import Case, child

from pynamespaces import (
    IdMap,
    Namespace,
    NamespaceLimitError,
    NamespacePermissionError,
    SystemCallError,
    UtsNamespace,
    _proc,
    lowlevel,
)
from pynamespaces._core import create, outcomes
from pynamespaces._lib import lib

_MS_RDONLY, _MS_REMOUNT, _MS_BIND = 0x1, 0x20, 0x1000
# Those that /proc may have already cannot be taken from it by everybody.
_MS_NONE_OF_IT = 0x2 | 0x4 | 0x8
CAP_NET_ADMIN, CAP_SYS_TIME, CAP_SETFCAP = 12, 25, 31


def _make_and_be_killed() -> None:
    own_user()
    kill_calls("unshare")
    Namespace.new("uts")


def _make_undumpable() -> None:
    if os.geteuid() == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.prctl(PR_SET_DUMPABLE, 0)
    Namespace.new("user")


def _make_in_read_only_proc() -> None:
    own_user(lowlevel.CLONE_NEWNS)
    bind("/proc", "/proc")
    flags = _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NONE_OF_IT
    mount("none", "/proc", flags=flags)
    Namespace.new("user")


def _map_root_without_power() -> None:
    drop_capabilities(CAP_SETFCAP)
    Namespace.new("user")


def _make_confined() -> None:
    drop_capabilities()
    # The kernel says so where AppArmor has taken away what the root in there has.
    replace(create, lib=FakeLib(pyns_create=refusal(errno.EACCES)))
    step, type = lib.PYNS_STEP_SETGROUPS, lib.CLONE_NEWUSER
    told = FakeLib(pyns_last_step=lambda: step, pyns_last_type=lambda: type)
    replace(outcomes, lib=told)
    replace(_proc, apparmor_restricts_userns=lambda: True)
    Namespace.new("user")


def _map_nonsense() -> None:
    ids = IdMap.root()
    # What an IdMap cannot be: the kernel sees that these overlap.
    ids._uids = ((0, os.geteuid(), 1), (0, os.geteuid(), 1))
    Namespace.new("user", uid_map=ids)


def _offset_beyond() -> None:
    own_user()
    Namespace.new("time", time_offsets={"monotonic": -1e9})


def _offset_without_power() -> None:
    own_user()
    drop_capabilities(CAP_SYS_TIME)
    Namespace.new("time", time_offsets={"monotonic": 1})


def _name_without_power() -> None:
    drop_capabilities()
    with closing(UtsNamespace.current("uts")) as own:
        own.hostname = "pyns"


def _make_beyond_processes() -> None:
    give_up_root()
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    Namespace.new("uts")


def _make_after_init_died() -> None:
    own_user(lowlevel.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    Namespace.new("uts")


def _bring_up_without_power() -> None:
    own_user()
    drop_capabilities(CAP_NET_ADMIN)
    Namespace.new("net")


HELPING = [
    Case("loopback-power", child(_bring_up_without_power), NamespacePermissionError,
         errno.EPERM, "ioctl(SIOCSIFFLAGS)", ("net",), "CAP_NET_ADMIN",
         "loopback=False", own_user=True),
    Case("task-killed", child(_make_and_be_killed), SystemCallError, errno.ECANCELED,
         "unshare", ("uts",), "has been killed", own_user=True),
    # Root of a user namespace owns such files too.
    Case("maps-undumpable", child(_make_undumpable), NamespacePermissionError,
         errno.EACCES, "write", ("user",), "its own files in /proc",
         "execute a program", ("root", "plain")),
    Case("proc-read-only", child(_make_in_read_only_proc), SystemCallError,
         errno.EROFS, "write", ("user",), "mounted read-only", "another /proc",
         own_user=True),
    Case("maps-apparmor", child(_make_confined), NamespacePermissionError,
         errno.EACCES, "write", ("user",), "AppArmor gives unconfined programs no",
         "AppArmor profile"),
    Case("map-refused", child(_map_root_without_power), NamespacePermissionError,
         errno.EPERM, "write", ("user",), "CAP_SETFCAP", None, ("root",)),
    Case("map-invalid", child(_map_nonsense), SystemCallError, errno.EINVAL, "write",
         ("user",), "does not take the map", own_user=True),
    Case("offsets-range", child(_offset_beyond), SystemCallError, errno.ERANGE,
         "write", ("time",), "negative, or too far", own_user=True),
    Case("offsets-power", child(_offset_without_power), NamespacePermissionError,
         errno.EPERM, "write", ("time",), "CAP_SYS_TIME", own_user=True),
    Case("name-power", child(_name_without_power), NamespacePermissionError,
         errno.EPERM, "sethostname", ("uts",), "takes CAP_SYS_ADMIN"),
    # Another tier's root would be the user that the kernel exempts.
    Case("processes", child(_make_beyond_processes), NamespaceLimitError,
         errno.EAGAIN, "clone", ("uts",), "RLIMIT_NPROC", None, ("root", "plain")),
    Case("init-died", child(_make_after_init_died), SystemCallError, errno.ENOMEM,
         "clone", ("uts",), "init of the pid namespace", own_user=True),
]  # fmt: skip
