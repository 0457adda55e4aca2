"""How each row of the table about pins and mounts is provoked."""

import errno
import tempfile
from collections.abc import Callable
from pathlib import Path

from pinning import MS_RDONLY, MS_REMOUNT, fresh_fd, in_own_mounts, share
from provoking import (
    FakeLib,
    another_process,
    bind,
    drop_capabilities,
    mount,
    own_mounts,
    own_user,
    refusal,
    replace,
)
from refusals_of_setns import POWER, Case, child

from pynamespaces import (
    Namespace,
    NamespaceExistsError,
    NamespaceLimitError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NotANamespaceError,
    SystemCallError,
    TypeLike,
    lowlevel,
)
from pynamespaces._core import pin as pins
from pynamespaces._core import place, registry

MAKE = "open(O_CREAT)"
NAME = "/run/pin"


def pin_own(path: str = NAME, type: TypeLike = "net") -> None:
    """Ask to pin a namespace of this thread."""
    Namespace.current(type).pin(path)


def pin_fresh(type: TypeLike = "net", path: str = NAME) -> None:
    """Pin a namespace that nobody is in."""
    pins.pin(fresh_fd(type), NamespaceType(type), path)


def own_run(function: Callable[[], object]) -> Callable[[], object]:
    """Have it provoked in a child with an empty /run of its own."""
    return lambda: in_own_mounts("/run", function)


def in_folder(function: Callable[[str], object]) -> Callable[[], object]:
    """Have it provoked in a child, with a folder that ends with it."""

    def provoke() -> None:
        with tempfile.TemporaryDirectory() as folder:
            function(f"{folder}/pin")

    return child(provoke)


def _pin_read_only() -> None:
    mount("none", "/run", flags=MS_REMOUNT | MS_RDONLY)
    pin_own()


def _pin_without_power(path: str) -> None:
    drop_capabilities()
    pin_own(path)


def _pin_in_locked_folder(path: str) -> None:
    Path(path).parent.chmod(0o500)
    _pin_without_power(path)


def _pin_answered(result: object) -> Callable[[str], None]:
    def provoke(path: str) -> None:
        replace(place, lib=FakeLib(pyns_attach=result))
        pin_own(path)

    return provoke


def _pin_under_limit(path: str) -> None:
    own_user(lowlevel.CLONE_NEWNS)
    Path("/proc/sys/user/max_mnt_namespaces").write_text("0")
    pin_own(path)


def _pin_elsewhere(act: Callable[[str], object]) -> Callable[[], object]:
    def prepare() -> None:
        own_mounts()
        mount("none", "/run", "tmpfs")
        pin_fresh(path="/run/there")

    def provoke() -> None:
        with another_process(prepare) as pid:
            act(f"/proc/{pid}/root/run")

    return child(provoke)


def _unpin_locked() -> None:
    pin_fresh()
    own_user(lowlevel.CLONE_NEWNS)
    pins.unpin(NAME)


def _pin_on_shared() -> None:
    share("/run")
    bind("/run", "/run")
    pin_fresh("mnt")


def _pin_older() -> None:
    older = Namespace.current("mnt")
    lowlevel.unshare(lowlevel.CLONE_NEWNS)
    older.pin(NAME)


def _unpin_one_of_two() -> None:
    pin_fresh()
    bind("/run", "/run")
    pins.unpin(NAME)


def _open_stale() -> None:
    Path(registry.DIRECTORY).mkdir()
    Path(registry.DIRECTORY, "blue").touch(mode=0)
    registry.open_name("blue")


MOUNTING = [
    Case("pin-exists", child(lambda: pin_own("/dev/null")), NamespaceExistsError,
         errno.EEXIST, MAKE, ("net",), "nothing was changed"),
    Case("pin-no-directory", child(lambda: pin_own("/nonexistent/pin")),
         NoSuchNamespaceError, errno.ENOENT, MAKE, ("net",), "directory does not"),
    Case("pin-read-only", own_run(_pin_read_only), SystemCallError, errno.EROFS,
         MAKE, ("net",), "read-only", None, POWER),
    Case("pin-directory", in_folder(_pin_in_locked_folder), NamespacePermissionError,
         errno.EACCES, MAKE, ("net",), "may not make files in the directory"),
    Case("unpin-link", lambda: pins.unpin("/proc/thread-self/ns/net"),
         NotANamespaceError, errno.EINVAL, "umount2", (), "symbolic link"),
    Case("unpin-nothing", lambda: pins.unpin("/dev/null"), NotANamespaceError,
         errno.EINVAL, "umount2", (), "no namespace is mounted"),
    Case("mount-elsewhere", _pin_elsewhere(lambda path: pin_own(f"{path}/pin")),
         SystemCallError, errno.EINVAL, "move_mount", ("net",),
         "another mount namespace", "enter that one", POWER),
    Case("mount-elsewhere", _pin_elsewhere(lambda path: pins.unpin(f"{path}/there")),
         SystemCallError, errno.EINVAL, "umount2", (), "another mount namespace",
         "enter that one", POWER),
    Case("unpin-locked", own_run(_unpin_locked), SystemCallError, errno.EINVAL,
         "umount2", (), "is locked", None, POWER, own_user=True),
    Case("pin-own-mnt", own_run(lambda: pin_own(type="mnt")), SystemCallError,
         errno.ELOOP, "move_mount", ("mnt",), "own mount namespace", "outside", POWER),
    Case("pin-shared-mnt", own_run(_pin_on_shared), SystemCallError, errno.EINVAL,
         "move_mount", ("mnt",), "shared mount", "--make-private", POWER),
    Case("pin-older-mnt", own_run(_pin_older), SystemCallError, errno.ELOOP,
         "move_mount", ("mnt",), "older than", "make it from within", POWER),
    Case("pin-replaced", in_folder(_pin_answered(lambda *_: 0)), SystemCallError,
         errno.EBUSY, "move_mount", ("net",), "at the same time"),
    Case("mount-namespaces", in_folder(_pin_under_limit), NamespaceLimitError,
         errno.ENOSPC, "move_mount", ("net",), "user.max_mnt_namespaces is 0",
         "raise the sysctl", own_user=True),
    Case("mount-limit", in_folder(_pin_answered(refusal(errno.ENOSPC))),
         NamespaceLimitError, errno.ENOSPC, "move_mount", ("net",), "fs.mount-max"),
    Case("mount-power", in_folder(_pin_without_power), NamespacePermissionError,
         errno.EPERM, "move_mount", ("net",), "no CAP_SYS_ADMIN", "of your own"),
    Case("unlink-mounted", own_run(_unpin_one_of_two), SystemCallError, errno.EBUSY,
         "unlink", (), "on the same file", None, POWER),
    Case("name-stale", own_run(_open_stale), NotANamespaceError, errno.ENOTTY,
         "open", ("net",), "left over", "create it again", POWER),
]  # fmt: skip
