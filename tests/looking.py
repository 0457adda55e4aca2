"""Operations that only look: each done once, and checked by identity."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import Final

from provoking import another_process
from support import identity
from whereabouts import TYPES, of, own, place

from pynamespaces import (
    Namespace,
    NamespaceRef,
    NamespaceSet,
    explain,
    lowlevel,
    scan,
    supervise,
    trace,
)


def _current() -> None:
    for type in TYPES:
        with closing(Namespace.current(type)) as namespace:
            assert place(namespace) == own(str(type))
            assert namespace.is_current()


def _from_pid() -> None:
    with another_process() as pid:
        for type in TYPES:
            with closing(Namespace.from_pid(pid, type)) as namespace:
                assert place(namespace) == of(pid, str(type))


def _from_pidfd() -> None:
    with another_process() as pid:
        pidfd = os.pidfd_open(pid)
        try:
            with closing(NamespaceSet.from_pidfd(pidfd)) as members:
                for type, namespace in members.items():
                    assert place(namespace) == of(pid, str(type))
        finally:
            os.close(pidfd)


def _ref() -> None:
    with closing(Namespace.current("uts")) as namespace:
        data = bytes(namespace.ref())
        with closing(NamespaceRef.from_bytes(data).resolve()) as found:
            assert place(found) == place(namespace)


def _scan() -> None:
    found = scan(["net", "uts"], arguments=False)
    for type in ("net", "uts"):
        records = [each for each in found if each.id.type == type]
        assert own(type) in [(each.id.dev, each.id.ino) for each in records]


def _explain() -> None:
    with closing(NamespaceSet.current("net", "uts")) as members:
        assert all(each.shared for each in explain(members))


def _mounts() -> None:
    with closing(Namespace.current("mnt")) as namespace:
        assert "/" in [each.path for each in namespace.mounts()]


def _open() -> None:
    with closing(Namespace.current("mnt")) as namespace:
        fd = namespace.open("/etc/passwd")
    try:
        assert identity(fd) == identity("/etc/passwd")
    finally:
        os.close(fd)


def _clone3() -> None:
    pid, pidfd = lowlevel.clone3(lowlevel.CLONE_CLEAR_SIGHAND)
    if pid == 0:
        os._exit(0)
    os.close(pidfd)
    os.waitpid(pid, 0)


def _pidfd_open() -> None:
    os.close(lowlevel.pidfd_open(os.getpid()))


def _pidfd_namespace() -> None:
    pidfd = os.pidfd_open(os.getpid())
    try:
        fd = lowlevel.pidfd_get_uts_namespace(pidfd)
    finally:
        os.close(pidfd)
    try:
        assert identity(fd) == own("uts")
    finally:
        os.close(fd)


def _id() -> None:
    with closing(Namespace.current("uts")) as namespace:
        assert lowlevel.ns_get_id(namespace) > 0


def _handle() -> None:
    with closing(Namespace.current("uts")) as namespace:
        fd = lowlevel.open_by_handle_at(lowlevel.name_to_handle_at(namespace))
    try:
        assert identity(fd) == own("uts")
    finally:
        os.close(fd)


def _listns() -> None:
    assert lowlevel.listns(lowlevel.CLONE_NEWUTS)


def _supervise() -> None:
    assert supervise(["true"]) == 0


def _trace() -> None:
    with trace(command=["true"]) as seen:
        for _ in seen:
            pass
    assert seen.returncode == 0


LOOKING: Final[dict[str, Callable[[], None]]] = {
    "current": _current,
    "from_pid": _from_pid,
    "from_pidfd": _from_pidfd,
    "ref": _ref,
    "scan": _scan,
    "explain": _explain,
    "mounts": _mounts,
    "open": _open,
    "supervise": _supervise,
    "trace": _trace,
    "clone3": _clone3,
    "pidfd_open": _pidfd_open,
    "pidfd_namespaces": _pidfd_namespace,
    "ids": _id,
    "handles": _handle,
    "listns": _listns,
}
"""What moves nobody and makes nothing, by name."""
