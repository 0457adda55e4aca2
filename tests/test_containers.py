"""Entering what other programs have made: runc, bubblewrap, ip netns."""

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from containers import (
    ENTERABLE,
    HOSTNAME,
    MARKER,
    Container,
    bwrap,
    container,
    netns,
)
from holding import become_root
from support import identity, in_child, own, program
from watching import Tasks, in_main_of_many, in_worker, link_of

from pynamespaces import (
    IrreversibleError,
    MultithreadedError,
    Namespace,
    NamespacePermissionError,
    NamespaceSet,
    NetNamespace,
    TypeLike,
    setns,
)

__all__ = ["container", "netns"]

T = TypeVar("T")
Run = Callable[[Callable[[], T]], T]

powerful = pytest.mark.tier("root", "userns")
anywhere = pytest.mark.parametrize(
    "run",
    [in_child, in_main_of_many, in_worker],
    ids=["alone", "main", "worker"],
)


@powerful
@anywhere
@pytest.mark.parametrize("type", ENTERABLE)
def test_enter_each(container: Container, type: TypeLike, run: Run[None]) -> None:
    """A thread enters each namespace of a container, and comes back exactly."""
    expected = container.identity(type)

    def enter() -> None:
        with Tasks() as tasks:
            before, others = tasks.state(), tasks.others()
            assert expected != before[type]
            with target.enter(unshare_fs=True) as entered:
                assert entered is target
                assert tasks.identity(link_of(type)) == expected
                assert tasks.others() == others
            assert tasks.state() == before
            assert tasks.others() == others

    with closing(Namespace.from_pid(container.pid, type)) as target:
        run(enter)


@powerful
@anywhere
def test_enter_all(container: Container, run: Run[None]) -> None:
    """A thread enters all that a container has but user, by one set, and comes back."""
    expected = {type: container.identity(type) for type in ENTERABLE}

    def enter() -> None:
        with Tasks() as tasks:
            before = tasks.state()
            with members.enter(unshare_fs=True):
                inside = {type: tasks.identity(link_of(type)) for type in ENTERABLE}
            assert inside == expected
            assert tasks.state() == before

    with closing(container.namespaces()) as members:
        run(enter)


@powerful
@pytest.mark.parametrize("run", [in_main_of_many, in_worker], ids=["main", "worker"])
def test_others_stay(container: Container, run: Run[None]) -> None:
    """When a thread enters all six, no other moves, nor do their cwd and root."""

    def enter() -> None:
        with Tasks() as tasks, closing(container.namespaces()) as members:
            before, others = tasks.state(), tasks.others()
            assert len(others) >= 5
            with members.enter(unshare_fs=True):
                inside = tasks.state()
                assert tasks.others() == others
            assert tasks.others() == others
            assert tasks.state() == before
            changed = {name for name in before if inside[name] != before[name]}
            assert changed == {"root", "cwd", *map(link_of, ENTERABLE)}

    run(enter)


@powerful
def test_all_that_there_are(container: Container) -> None:
    """A set of all types leaves out what is shared, a user namespace of its own not."""
    expected = {type: container.identity(type) for type in container.types}

    def enter() -> None:
        with Tasks() as tasks, closing(NamespaceSet.from_pid(container.pid)) as members:
            before = tasks.state()
            if "user" in expected:
                with pytest.raises(IrreversibleError, match="user"), members:
                    pass
            else:
                with members:
                    for type, there in expected.items():
                        assert tasks.identity(link_of(type)) == there
            assert tasks.state() == before

    in_child(enter)


@powerful
def test_hostname(container: Container) -> None:
    """Inside the uts namespace the host's name is the container's."""
    outside = socket.gethostname()
    with Namespace.from_pid(container.pid, "uts"):
        assert socket.gethostname() == HOSTNAME
    assert socket.gethostname() == outside


@powerful
def test_files(container: Container) -> None:
    """Inside the mnt namespace files and directories are the container's."""

    def enter() -> None:
        outside = os.getcwd()
        marker = Path("/etc/marker")
        with Namespace.from_pid(container.pid, "mnt"):
            assert marker.read_text() == MARKER
            assert os.getcwd() == "/"
        assert not marker.exists()
        assert os.getcwd() == outside

    # In a child, which has no other threads.
    in_child(enter)


@powerful
def test_interfaces(container: Container) -> None:
    """Inside the net namespace interfaces and ports are the container's."""
    lines = Path(f"/proc/{container.pid}/net/dev").read_text().splitlines()[2:]
    with Namespace.from_pid(container.pid, "net"):
        assert {name for _, name in socket.if_nameindex()} == {
            line.split(":")[0].strip() for line in lines
        }
        server = socket.create_server(("127.0.0.1", 0))
    with server:
        port = server.getsockname()[1]
        with (
            pytest.raises(OSError, match=r"refused|unreachable"),
            socket.socket() as client,
        ):
            client.connect(("127.0.0.1", port))
        with Namespace.from_pid(container.pid, "net"), socket.socket() as client:
            client.connect(("127.0.0.1", port))


@powerful
def test_children(container: Container) -> None:
    """Children are born in the container's pid namespace inside, and not afterwards."""
    outside = own("pid")
    with Namespace.from_pid(container.pid, "pid"):
        assert own("pid") == outside
        assert in_child(lambda: own("pid")) == container.identity("pid")
        assert in_child(os.getppid) == 0
    assert in_child(lambda: own("pid")) == outside
    assert in_child(os.getppid) == os.getpid()


@powerful
def test_mnt_needs_consent(container: Container) -> None:
    """Among threads, mnt is refused with the way that works, and nothing changes."""

    def enter() -> None:
        before, others = tasks.state(), tasks.others()
        with pytest.raises(MultithreadedError, match="unshare_fs"), target:
            pass
        assert (tasks.state(), tasks.others()) == (before, others)

    with closing(Namespace.from_pid(container.pid, "mnt")) as target, Tasks() as tasks:
        in_worker(enter)


@powerful
def test_outlives(tmp_path: Path) -> None:
    """A sandbox that has ended can still be entered by what was opened before."""
    with bwrap(tmp_path) as sandbox:
        members = NamespaceSet.from_pid(sandbox.pid, "uts", "net", "ipc")
        expected = sandbox.identity("uts")
    with Tasks() as tasks:
        before = tasks.state()
        with members:
            assert tasks.identity("uts") == expected
            assert socket.gethostname() == HOSTNAME
        assert tasks.state() == before
    members.close()


@pytest.mark.tier("plain")
@pytest.mark.parametrize("type", ENTERABLE)
def test_unprivileged_refused(tmp_path: Path, type: TypeLike) -> None:
    """Without power over its own namespaces a thread enters nothing, and stays."""
    with bwrap(tmp_path) as sandbox, Tasks() as tasks:
        before = tasks.state()
        target = Namespace.from_pid(sandbox.pid, type)
        refusals = (NamespacePermissionError, IrreversibleError)
        with pytest.raises(refusals), target:
            pass
        assert tasks.state() == before
        target.close()


def test_unprivileged_for_good(tmp_path: Path) -> None:
    """An ordinary process moves into its own user's sandbox for good, user first."""
    with bwrap(tmp_path) as sandbox:
        if "user" not in sandbox.types:
            pytest.skip("bubblewrap has not made a user namespace")
        types: tuple[TypeLike, ...] = ("user", "net", "uts", "ipc", "mnt")
        expected = {type: sandbox.identity(type) for type in types}

        def move() -> dict[str, tuple[int, int]]:
            members = NamespaceSet.from_pid(sandbox.pid, *types)
            with Tasks() as tasks:
                for type in types:
                    setns(members[type])
                return {type: tasks.identity(type) for type in types}

        assert in_child(move) == expected


def test_no_way_back(tmp_path: Path) -> None:
    """Inside an own user namespace, leaving a home of another owner is refused."""
    with bwrap(tmp_path) as sandbox:

        def enter() -> None:
            members = NamespaceSet.from_pid(sandbox.pid, "net", "uts")
            become_root()
            with Tasks() as tasks:
                before = tasks.state()
                targets: list[NamespaceSet | Namespace] = [members, *members.values()]
                for target in targets:
                    with pytest.raises(IrreversibleError, match="call"), target:
                        pass
                assert tasks.state() == before

        in_child(enter)


@pytest.mark.tier("root")
@anywhere
def test_named_netns(netns: str, run: Run[None]) -> None:
    """A network namespace of ``ip netns`` is entered by its path, and left."""
    path = f"/run/netns/{netns}"
    ip = program("ip")
    subprocess.run([ip, "-n", netns, "link", "set", "lo", "up"], check=True)

    def enter() -> None:
        with Tasks() as tasks:
            before = tasks.state()
            with Namespace.from_path(path, "net") as blue:
                assert isinstance(blue, NetNamespace)
                assert tasks.identity("net") == identity(path)
                found = subprocess.check_output([ip, "netns", "identify"], text=True)
                assert found.split() == [netns]
            assert tasks.state() == before

    run(enter)


@pytest.mark.tier("root")
def test_named_netns_in_set(netns: str, tmp_path: Path) -> None:
    """A named network namespace and a sandbox's hostname are entered by one set."""
    path = f"/run/netns/{netns}"
    with bwrap(tmp_path) as sandbox, Tasks() as tasks:
        before = tasks.state()
        members = NamespaceSet(
            [Namespace.from_path(path), Namespace.from_pid(sandbox.pid, "uts")]
        )
        with members:
            assert tasks.identity("net") == identity(path)
            assert tasks.identity("uts") == sandbox.identity("uts")
        assert tasks.state() == before
        members.close()
