"""Starting programs, and calling functions elsewhere."""

import os
import subprocess
import threading
from contextlib import closing
from typing import Unpack

from operations import POWER, Attempt, Body, operation
from starting import Options
from support import identity

import pynamespaces
from pynamespaces import Namespace, NamespaceSet, NamespaceType, TypeLike


def _links(*types: str) -> dict[str, str]:
    return {type: os.readlink(f"/proc/self/ns/{type}") for type in types}


def _starting(*differ: str, **options: Unpack[Options]) -> Body:
    """Run a program that says where it is."""
    command = ["readlink", *(f"/proc/self/ns/{type}" for type in differ)]

    def body(attempt: Attempt) -> None:
        home = _links(*differ)
        with attempt.failing(OSError):
            done = pynamespaces.run(
                command, stdout=subprocess.PIPE, text=True, timeout=10, **options
            )
        if attempt.worked:
            said = str(done.stdout).split()
            # One that could not be started is an error, never a status.
            assert done.returncode == 0, done
            assert len(said) == len(differ)
            assert not set(said) & set(home.values()), (said, home)

    return body


operation("run new=uts,net", *POWER)(_starting("uts", "net", new=("uts", "net")))
operation("run new=user")(_starting("user", "net", new=("user", "net")))
operation("run new=pid,mnt with an init")(
    _starting("pid", "mnt", new=("user", "pid", "mnt"))
)
operation("run new=pid without an init")(
    _starting("user", new=("user", "pid"), init=False)
)
operation("run new=time, hostname, die_with_parent")(
    _starting(
        *("time", "uts"),
        new=("user", "time", "uts"),
        time_offsets={"boottime": 5},
        hostname="within",
        die_with_parent=True,
    )
)


def _joining(*types: TypeLike) -> Body:
    def body(attempt: Attempt) -> None:
        names = [str(NamespaceType(type)) for type in types]
        command = ["readlink", *(f"/proc/self/ns/{name}" for name in names)]
        with closing(NamespaceSet.new(*types)) as fresh:
            with attempt.failing(OSError):
                done = pynamespaces.run(
                    command, join=fresh, stdout=subprocess.PIPE, text=True, timeout=10
                )
            if attempt.worked:
                assert done.returncode == 0, done
                assert str(done.stdout).split() == [
                    f"{name}:[{identity(fresh[NamespaceType(name)].fileno())[1]}]"
                    for name in names
                ]

    return body


operation("run join=net,uts", *POWER)(_joining("net", "uts"))
operation("run join=user,net,mnt")(_joining("user", "net", "mnt"))
operation("run join=user,time")(_joining("user", "time"))


def _calling(*types: TypeLike, beside: bool = False) -> Body:
    """Call a function that says where it is."""
    names = [str(NamespaceType(type)) for type in types]

    def body(attempt: Attempt) -> None:
        over = threading.Event()
        other = threading.Thread(target=over.wait)
        if beside:
            other.start()
        try:
            with closing(NamespaceSet.new(*types)) as fresh:
                _call(attempt, fresh, names)
        finally:
            over.set()
            if beside:
                other.join()

    return body


def _where(names: list[str]) -> list[str]:
    return [os.readlink(f"/proc/thread-self/ns/{name}") for name in names]


def _call(attempt: Attempt, fresh: NamespaceSet, names: list[str]) -> None:
    with attempt.failing(RuntimeError, OSError):
        said = fresh.call(_where, names)
    if attempt.worked:
        assert said == [
            f"{name}:[{identity(fresh[NamespaceType(name)].fileno())[1]}]"
            for name in names
        ]


operation("call in a thread", *POWER)(_calling("net", "uts"))
operation("call in a process")(_calling("user", "net"))
operation("call in a process, beside threads")(_calling("user", "net", beside=True))


@operation("ThreadPoolExecutor", *POWER)
def pooling(attempt: Attempt) -> None:
    """Have a pool of threads in a namespace."""
    with closing(Namespace.new("net")) as net:
        wanted = f"net:[{identity(net.fileno())[1]}]"
        with (
            attempt.failing(RuntimeError, OSError),
            pynamespaces.ThreadPoolExecutor(net, max_workers=1) as pool,
        ):
            said = pool.submit(_where, ["net"]).result(10)
        if attempt.worked:
            assert said == [wanted]
