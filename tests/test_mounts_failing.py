"""Listing mounts where the kernel refuses, lacks something, or is overtaken."""

import errno
import os
import sys
from contextlib import closing, suppress

import pytest
from mounting import (
    MS_BIND,
    WAYS,
    added,
    ask_by,
    fresh_mounts,
    inside,
    lines_inside,
    mount,
    unmount,
    written,
)
from newer import has
from provoking import FakeLib
from support import in_child, missing
from targets import POWER

from pynamespaces import Namespace, NoSuchNamespaceError, _proc
from pynamespaces._core import elsewhere, mountinfo, statmount
from pynamespaces._core.mounts import Mount, list_mounts
from pynamespaces._lib import Buffer, lib

SUPPORTED_MASK = 0x1000


def older_statmount(ns: int, id: int, mask: int, buffer: Buffer, size: int) -> int:
    """Answer as a kernel that has not heard of the mask of what it supports."""
    return lib.pyns_statmount(ns, id, mask & ~SUPPORTED_MASK, buffer, size)


def poorer_statmount(ns: int, id: int, mask: int, buffer: Buffer, size: int) -> int:
    """Answer as a kernel that cannot tell the source of a mount."""
    result = lib.pyns_statmount(ns, id, mask, buffer, size)
    if result == 0:
        buffer[145] = 0  # type: ignore[index]
    return result


def refuse(number: int) -> object:
    """Make a function that fails."""
    return lambda *_: -number


@POWER
@pytest.mark.parametrize(
    "functions",
    [
        {"pyns_ioctl_u64": refuse(errno.ENOTTY)},
        {"pyns_listmount": refuse(errno.ENOSYS)},
        {"pyns_listmount": refuse(errno.EPERM)},
        {"pyns_listmount": refuse(errno.ENOENT)},
        {"pyns_statmount": refuse(errno.ENOSYS)},
        {"pyns_statmount": refuse(errno.EPERM)},
        {"pyns_statmount": refuse(errno.EOVERFLOW)},
        {"pyns_statmount": older_statmount},
        {"pyns_statmount": poorer_statmount},
    ],
)
def test_kernel_that_cannot_tell(
    functions: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the new calls do not tell all, mountinfo does."""
    with fresh_mounts() as fd:
        monkeypatch.setattr(statmount, "lib", FakeLib(**functions))
        found = list_mounts(fd)
        assert [written(mount) for mount in found] == lines_inside(fd)
    assert all(mount.unique_id is None for mount in found)


@POWER
def test_kernel_that_cannot_say_where_the_top_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where openat2 is not to be had, the list is that of who enters."""
    with fresh_mounts(lambda: mount("/", source="top")) as fd:
        fake = FakeLib(pyns_open_in=refuse(errno.ENOSYS))
        monkeypatch.setattr(elsewhere, "lib", fake)
        (found,) = list_mounts(fd)
    assert found.source == "top"


@POWER
def test_vanishing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that goes away while the others are asked for is left out."""

    def arrange() -> None:
        for name in ("stays", "goes"):
            os.mkdir(name)
            mount(name, MS_BIND, source=name, type=None)

    def listmount(*arguments: object) -> int:
        count = lib.pyns_listmount(*arguments)  # type: ignore[arg-type]
        inside(fd, lambda: unmount("/mnt/goes"))
        return count

    with fresh_mounts(arrange) as fd:
        if statmount.list_mounts(fd) is None:
            missing("statmount", "needs Linux 6.15")
        monkeypatch.setattr(statmount, "lib", FakeLib(pyns_listmount=listmount))
        found = list_mounts(fd)
        assert [written(mount) for mount in found] == lines_inside(fd)
    assert all(mount.unique_id for mount in found)
    assert [mount.path for mount in added(found)] == ["/mnt/stays"]


@POWER
def test_moving_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that is no longer below the root when it is asked for is left out."""

    def arrange() -> None:
        os.mkdir("root")
        mount("root", source="the root")

    def look() -> list[Mount] | None:
        with closing(Namespace.current("mnt")) as own:
            known = statmount.list_mounts(own.fileno())
            if known is None:
                return None
            ids = [mount.unique_id for mount in known]

            def listmount(_ns: int, _last: int, out: object, _count: int) -> int:
                out[0 : len(ids)] = ids  # type: ignore[index]
                return len(ids)

            monkeypatch.setattr(statmount, "lib", FakeLib(pyns_listmount=listmount))
            os.chroot("/mnt/root")
            return statmount.list_mounts(own.fileno())

    with fresh_mounts(arrange) as fd:
        found = inside(fd, look)
    if found is None:
        missing("statmount", "needs Linux 6.15")
    assert [(mount.path, mount.source) for mount in found] == [("/", "the root")]


@POWER
def test_without_proc() -> None:
    """Without /proc nothing is told that could be less than all."""

    def look() -> None:
        os.chroot("/mnt")
        with closing(Namespace.current("mnt")) as own:
            list_mounts(own.fileno())

    with fresh_mounts() as fd:
        with pytest.raises(NoSuchNamespaceError) as caught:
            inside(fd, look)
    # Before Linux 6.11 the own namespace is opened by a link as well.
    first = "/proc/self" if has("pidfd-namespaces") else "/proc/thread-self/ns/mnt"
    assert caught.value.filename == first


@POWER
def test_false_proc() -> None:
    """What only looks like /proc is not read."""

    def look() -> None:
        os.makedirs("/mnt/proc/thread-self/fdinfo")
        with open("/mnt/proc/thread-self/fdinfo/0", "w") as file:
            file.write("mnt_id:\t1\n")
        assert _proc.mount_id(0) not in {None, 1}
        os.chroot("/mnt")
        assert _proc.mount_id(0) is None

    with fresh_mounts() as fd:
        inside(fd, look)


@pytest.mark.parametrize("way", WAYS)
def test_audit(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook is told that a helper task enters, before it does, and can forbid it."""

    class ForbiddenError(Exception):
        pass

    def look() -> list[object]:
        seen: list[object] = []

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if event == "pynamespaces.setns":
                seen.append(arguments)
                raise ForbiddenError

        sys.addaudithook(hook)
        with closing(Namespace.current("mnt")) as own, suppress(ForbiddenError):
            list_mounts(own.fileno())
        return seen

    ask_by(way, monkeypatch)
    assert in_child(look) == [(("mnt",),)]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (rb"a\040b\134\0541", "a b\\,1"),
        (rb"\134040", r"\040"),
        (rb"\377", "\udcff"),
        (rb"\400\08\4", r"\400\08\4"),
        (b"\\", "\\"),
    ],
)
def test_escapes(text: bytes, meaning: str) -> None:
    """Escapes of the kernel's are undone once, and nothing else is taken for one."""
    assert mountinfo.unescape(text) == meaning


def test_lines_as_they_are_documented() -> None:
    """The example of the manual page, and optional fields yet to come, are read."""
    line = rb"36 35 98:0 /m1 /m2 rw,noatime shared:7 master:1 new:2 odd - ext3 /d a,b=c"
    (found,) = mountinfo.parse(line + b"\n")
    assert found == mountinfo.Mount(
        id=36,
        parent_id=35,
        unique_id=None,
        device=(98, 0),
        root="/m1",
        path="/m2",
        type="ext3",
        source="/d",
        options=("rw", "noatime"),
        super_options=("a", "b=c"),
        shared=7,
        master=1,
        unbindable=False,
    )
