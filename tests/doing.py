"""Each public operation, done once: it is checked by identity, or it raises."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Final

from looking import LOOKING
from provoking import another_thread
from support import identity, in_child
from whereabouts import TYPES, link_of, of, own, place

from pynamespaces import (
    IdMap,
    MountNamespace,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    NetNamespace,
    Popen,
    SpawnError,
    ThreadPoolExecutor,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    check_output,
    setns,
    unpin,
    unshare,
    unshared,
)

OWNED: Final = tuple(type for type in TYPES if type != "user")
MADE: Final = tuple(type for type in TYPES if type != "pid")
"""Of which there are fresh ones without a process."""

_WAITS: Final = ("cat",)


def _made(type: TypeLike) -> list[Namespace]:
    """Make one, if need be in a user namespace of its own, which is the second."""
    try:
        return [Namespace.new(type, loopback=False)]
    except NamespacePermissionError:
        if type == "user":
            raise
    fresh = NamespaceSet.new("user", type, loopback=False)
    return [fresh[type], fresh["user"]]


@contextmanager
def _kept(made: list[Namespace]) -> Iterator[list[Namespace]]:
    try:
        yield made
    finally:
        for each in made:
            each.close()


def _new(type: TypeLike) -> None:
    with closing(Namespace.new(type, loopback=False)) as fresh:
        assert fresh.type == type
        assert place(fresh) != own(str(type))


def _new_with_user(type: TypeLike) -> None:
    if type == "pid":
        _start_new("user", "pid")
        return
    with closing(NamespaceSet.new("user", type, loopback=False)) as fresh:
        assert place(fresh[type]) != own(str(type))
        with closing(fresh[type].owner()) as owner:
            assert place(owner) == place(fresh["user"])


def _unshared(type: TypeLike) -> None:
    before = own(link_of(type))
    with unshared(type):
        # The kernel makes no link before the first process is in it.
        assert type == "pid" or own(link_of(type)) != before
    assert own(link_of(type)) == before


def _unshare(type: TypeLike) -> None:
    def inside() -> None:
        before = own(str(type))
        unshare(type)
        assert own(str(type)) != before

    in_child(inside)


def _setns() -> None:
    def inside() -> None:
        with closing(Namespace.new("uts")) as fresh:
            setns(fresh)
            assert own("uts") == place(fresh)

    in_child(inside)


def _enter(type: TypeLike) -> None:
    with _kept(_made(type)) as made:
        before = own(link_of(type))
        with made[0]:
            assert own(link_of(type)) == place(made[0])
        assert own(link_of(type)) == before


def _enter_beside(type: TypeLike) -> None:
    with another_thread():
        _enter(type)


def _join(type: TypeLike) -> None:
    with _kept(_made(type)) as made:
        _start_in(*made)


def _start_in(*members: Namespace) -> None:
    with Popen(_WAITS, stdin=subprocess.PIPE, join=[*members]) as child:
        for each in members:
            assert of(child.pid, str(each.type)) == place(each)


def _start_new(*types: TypeLike) -> None:
    with Popen(_WAITS, stdin=subprocess.PIPE, new=types) as child:
        for type in types:
            assert of(child.pid, str(type)) != own(str(type))


def _init(*types: TypeLike) -> Popen[bytes]:
    """Start the first process of a fresh pid namespace."""
    try:
        return Popen(_WAITS, stdin=subprocess.PIPE, new=["pid", *types])
    except SpawnError as error:
        if types or error.errno != errno.EPERM:
            raise
    return _init("user")


def _join_pid() -> None:
    with _init() as init, _kept([Namespace.from_pid(init.pid, "pid")]) as inside:
        if of(init.pid, "user") != own("user"):
            inside.append(Namespace.from_pid(init.pid, "user"))
        _start_in(*inside)


def _mount_proc() -> None:
    try:
        _start_new("pid", "mnt")
    except SpawnError as error:
        if error.errno != errno.EPERM:
            raise
        _start_new("user", "pid", "mnt")


def _call(type: TypeLike) -> None:
    with closing(Namespace.new(type, loopback=False)) as fresh:
        assert fresh.call(own, str(type)) == place(fresh)


def _executor() -> None:
    with (
        closing(Namespace.new("net", loopback=False)) as fresh,
        ThreadPoolExecutor(fresh, max_workers=1) as pool,
    ):
        assert pool.submit(own, "net").result() == place(fresh)


def _cgroup() -> None:
    """Start in the cgroup where this process is, which takes no power over it."""
    with Popen(_WAITS, stdin=subprocess.PIPE, cgroup=own_cgroup()) as child:
        assert child.poll() is None


@cache
def own_cgroup() -> Path:
    """Return the directory of this process's cgroup of version 2, once and for all."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    below = next(line[3:] for line in lines if line.startswith("0::"))
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    top = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
    return Path(top) / below.strip("/")


def _loopback() -> None:
    with _kept(_made_up()) as made:
        assert made[0].type == "net"


def _made_up() -> list[Namespace]:
    """Make a net namespace with lo up, if need be with a user namespace."""
    try:
        return [Namespace.new("net")]
    except NamespacePermissionError as error:
        if error.syscall not in ("unshare", "clone"):
            raise
    fresh = NamespaceSet.new("user", "net")
    return [fresh["net"], fresh["user"]]


def _id_map() -> None:
    same = IdMap.current()
    with closing(UserNamespace.new("user", uid_map=same, gid_map=same)) as fresh:
        # As it is inside, where the ids outside are those that its parent has.
        said = check_output(["cat", "/proc/self/uid_map"], join=fresh, text=True)
    lines = [[int(word) for word in line.split()] for line in said.splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        (first, count) for first, _, count in same
    ]


def _uid_map() -> None:
    with closing(UserNamespace.new("user")) as fresh:
        assert [first for first, _, _ in fresh.uid_map] == [0]


def _socket() -> None:
    with (
        closing(Namespace.new("net", loopback=False)) as fresh,
        fresh.socket() as made,
        closing(NetNamespace.from_socket(made)) as found,
    ):
        assert place(found) == place(fresh)


def _hostname() -> None:
    with closing(UtsNamespace.new("uts", hostname="elsewhere")) as fresh:
        assert fresh.hostname == "elsewhere" != os.uname().nodename


def _pin(type: TypeLike) -> None:
    path = Path("/mnt/machine-pin")
    with closing(Namespace.current(type)) as namespace:
        namespace.pin(path)
        try:
            with closing(Namespace.from_path(path)) as found:
                assert place(found) == place(namespace)
        finally:
            unpin(path)
        assert not path.exists()


def _name() -> None:
    with closing(NetNamespace.create("machine")) as made:
        with closing(NetNamespace.from_name("machine")) as found:
            assert place(found) == place(made) != own("net")
        NetNamespace.delete("machine")
    assert "machine" not in NetNamespace.names()


def _open_fresh() -> None:
    with closing(MountNamespace.new("mnt")) as fresh:
        fd = fresh.open("/etc/passwd")
    try:
        assert identity(fd) == identity("/etc/passwd")
    finally:
        os.close(fd)


OPERATIONS: Final[dict[str, Callable[[], None]]] = {
    **LOOKING,
    "open fresh": _open_fresh,
    **{f"new {type}": partial(_new, type) for type in MADE},
    "new pid": partial(_start_new, "pid"),
    **{f"new_with_user {type}": partial(_new_with_user, type) for type in OWNED},
    "unshared net": partial(_unshared, "net"),
    "unshared mnt": partial(_unshared, "mnt"),
    "unshared pid": partial(_unshared, "pid"),
    "unshare uts": partial(_unshare, "uts"),
    "unshare user": partial(_unshare, "user"),
    "setns": _setns,
    **{f"enter {type}": partial(_enter, type) for type in MADE},
    "enter_threaded net": partial(_enter_beside, "net"),
    "enter_threaded mnt": partial(_enter_beside, "mnt"),
    **{f"join {type}": partial(_join, type) for type in MADE},
    "join pid": _join_pid,
    "call net": partial(_call, "net"),
    "call user": partial(_call, "user"),
    "executor": _executor,
    "cgroup": _cgroup,
    "loopback": _loopback,
    "id_map": _id_map,
    "uid_map": _uid_map,
    "socket": _socket,
    "hostname": _hostname,
    "pin net": partial(_pin, "net"),
    "pin user": partial(_pin, "user"),
    "names": _name,
    "mount_proc": _mount_proc,
}  # fmt: skip
"""What there is to do, by name; that of `support` where it is the same."""
