"""Programs in containers and sandboxes, and from inside them back in the host's."""

import os
import sys
from contextlib import closing
from errno import EPERM
from pathlib import Path

import pytest
from containers import HOSTNAME, MARKER, Container, bwrap, container, runc
from creating import nothing_happens
from starting import (
    POWER,
    ROOT,
    TYPES,
    Options,
    links,
    living,
    refused,
    said,
)
from support import in_child, own_all
from targets import fresh
from watching import in_worker

import pynamespaces
from pynamespaces import NamespaceSet, NamespaceType, TypeLike, setns

__all__ = ["container"]

NAME = ("cat", "/proc/sys/kernel/hostname")


@ROOT
def test_runc(tmp_path: Path) -> None:
    """A program reads the container's files, under its name, in all it has."""
    with runc(tmp_path) as container:
        (tmp_path / "rootfs/etc/hostname").write_text("of the container\n")
        with closing(NamespaceSet.from_pid(container.pid)) as inside:
            with nothing_happens():
                hostname = said("cat", "/etc/hostname", join=inside)
                assert hostname == "of the container\n"
                assert said(*NAME, join=inside) == HOSTNAME + "\n"
                tool = "exec busybox readlink /proc/self/ns/$0"
                for type in container.types:
                    found = said("/bin/busybox", "sh", "-c", tool, type, join=inside)
                    assert found == f"{inside[NamespaceType(type)].id}\n"
            # From a thread, beside others.
            read = in_worker(lambda: said("cat", "/etc/marker", join=inside))
            assert read == MARKER


@ROOT
def test_back_into_the_host(tmp_path: Path) -> None:
    """From inside a container a program is started in the host's namespaces."""
    with runc(tmp_path) as container:
        home = Path("/etc/passwd").read_text()

        def inside() -> tuple[str, dict[str, str]]:
            with closing(NamespaceSet.current()) as host:
                setns(there)
                assert not os.path.exists("/etc/passwd")
                return said("cat", "/etc/passwd", join=host), links(join=host)

        # There is no way back from a pid namespace, for those who are in it.
        types: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "uts")
        with closing(NamespaceSet.from_pid(container.pid, *types)) as there:
            found, namespaces = in_child(inside)
        assert found == home
        mine = own_all()
        assert namespaces == {type: mine[type] for type in namespaces}


SECOND = """
import os, sys
sys.path[:0] = {path!r}
from pynamespaces import Namespace, NamespaceSet, run
home = NamespaceSet(Namespace.from_fd(fd) for fd in {fds!r})
run(["readlink", *{links!r}], join=home, check=True)
"""


@POWER
def test_program_that_starts_programs() -> None:
    """A program that has joined starts one in the namespaces of who started it."""
    types: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "uts")
    names = [f"/proc/self/ns/{type}" for type in types]
    with closing(NamespaceSet.current(*types)) as host:
        fds = [namespace.fileno() for namespace in host.values()]
        path = [os.path.dirname(os.path.dirname(pynamespaces.__file__))]
        code = SECOND.format(path=path, fds=fds, links=names)
        with fresh("uts", "mnt") as uts:
            found = said(sys.executable, "-c", code, join=uts, pass_fds=fds)
    mine = own_all()
    assert found.split() == [mine[type] for type in types]


@POWER
def test_born_elsewhere() -> None:
    """A program joins the caller's pid namespace, wherever its children are born."""
    with fresh("pid") as there, closing(NamespaceSet.current()) as home:

        def check() -> None:
            mine = own_all()["pid"]
            with there:
                assert links()["pid"] == links(new="uts")["pid"] == str(there.id)
                assert links(join=home)["pid"] == mine
                assert links(join=home["pid"], new="uts")["pid"] == mine
            assert links(new="uts")["pid"] == mine

        in_child(check)


@POWER
def test_any_container(container: Container) -> None:
    """Whatever has made the container, a program is in all that it has."""
    with closing(NamespaceSet.from_pid(container.pid)) as inside:
        options = Options(join=inside)
        assert said("cat", "/etc/marker", **options) == MARKER
        assert said(*NAME, **options) == HOSTNAME + "\n"
        with living(join=inside) as process, closing(process.namespaces) as found:
            assert {type: found[type] for type in inside} == dict(inside)
            assert len(found) >= len(TYPES)


def test_own_sandbox(tmp_path: Path) -> None:
    """Anybody starts programs in a sandbox of their own."""
    with bwrap(tmp_path) as sandbox:
        with closing(NamespaceSet.from_pid(sandbox.pid)) as inside:
            with nothing_happens():
                assert said("cat", "/etc/marker", join=inside) == MARKER
                assert said(*NAME, join=inside) == HOSTNAME + "\n"
                assert said("pwd", "-P", join=inside) == "/\n"
                found = links(join=inside)
            assert found == {
                str(type): str(namespace.id) for type, namespace in inside.items()
            }
            assert {type for type in found if found[type] != own_all()[type]} == {
                *sandbox.types
            } - {"time_for_children"}
        assert not os.path.exists("/etc/marker")


def test_not_back(tmp_path: Path) -> None:
    """From a user namespace of one's own there is no way into the host's."""
    with bwrap(tmp_path) as sandbox:
        if "user" not in sandbox.types:
            pytest.skip("bubblewrap has not made a user namespace")

        def inside() -> None:
            with closing(NamespaceSet.current("net", "uts")) as host:
                with closing(NamespaceSet.from_pid(sandbox.pid, "user", "net")) as s:
                    setns(s)
                error = refused("setns", EPERM, join=host)
                assert "net" in error.types
                refused("setns", EPERM, join=host["net"])

        in_child(inside)
