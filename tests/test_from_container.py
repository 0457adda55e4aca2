"""Containers by id and name: opened, or not; and told by their cgroups."""

import os
from contextlib import closing
from pathlib import Path

import pytest
from containers import runc
from engine_files import ID, OTHER, Machine, cgroup, found, inside, machine
from holding import Holder, holder
from support import identity, run_python

from pynamespaces import (
    Namespace,
    NamespaceGoneError,
    NamespacePermissionError,
    NamespaceSet,
    NamespaceType,
    NetNamespace,
    UtsNamespace,
    _proc,
)
from pynamespaces._core import reach
from pynamespaces._core.containers import Container
from pynamespaces._core.engines import Known

__all__ = ["inside", "machine"]

ROOT = pytest.mark.tier("root")


@ROOT
def test_runc(machine: Machine, tmp_path: Path) -> None:
    """A container of runc is opened by its name, and its processes are told."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (machine.run / "runc").symlink_to(folder / "state")
    name = f"pyns-{os.getpid()}"
    with runc(folder) as container:
        for type in ("net", "uts", "mnt", "pid", "ipc"):
            with closing(Namespace.from_container(name, type)) as namespace:
                assert identity(namespace.fileno()) == container.identity(type)
        with closing(NamespaceSet.from_container(name)) as members:
            for type in container.types - {"time_for_children"}:
                member = members[NamespaceType(type)]
                assert identity(member.fileno()) == container.identity(type)
        with closing(NamespaceSet.from_container(name, "net", "uts")) as members:
            assert set(members) == {"net", "uts"}
            with members.enter():
                pass
        known = Known()
        text = _proc.cgroup(container.pid)
        assert text is not None
        assert name.encode() in text
        assert known.of_cgroup(text) == Container("runc", name)
        assert known.of_cgroup(b"0::/" + name.encode() + b"/below\n") is not None
        assert known.of_cgroup(b"0::/" + name.encode() + b"er\n") is None
        assert known.of_cgroup(_proc.cgroup(os.getpid()) or b"") is None
    with pytest.raises(NamespaceGoneError, match=name):
        Namespace.from_container(name, "net")


def test_kinds(machine: Machine, inside: Holder) -> None:
    """What is opened is of the class of its type."""
    machine.state(inside.pid, "run/runc/web")
    with closing(Namespace.from_container("web", "net")) as net:
        assert isinstance(net, NetNamespace)
    with closing(UtsNamespace.from_container("web", "uts")) as uts:
        assert isinstance(uts, UtsNamespace)
        assert identity(uts.fileno()) == identity(f"/proc/{inside.pid}/ns/uts")
    with pytest.raises(ValueError, match="NetNamespace"):
        NetNamespace.from_container("web", "uts")
    with pytest.raises(ValueError, match="nett"):
        Namespace.from_container("web", "nett")  # type: ignore[call-overload]


def test_ambiguous(machine: Machine, inside: Holder) -> None:
    """Where several begin alike, or are called alike, all are named."""
    machine.state(inside.pid, f"run/runc/{ID}")
    machine.state(inside.pid, f"run/runc/{OTHER}")
    assert found(ID[:5]) == inside.pid
    with pytest.raises(ValueError, match="several") as caught:
        found("2403")
    assert ID in str(caught.value)
    assert OTHER in str(caught.value)
    machine.docker(ID, "web")
    machine.docker(OTHER, "web")
    with pytest.raises(ValueError, match=OTHER):
        found("web")
    # A name is not the beginning of one, and comes before that of an id.
    machine.state(os.getpid(), "run/runc/24")
    assert found("24") == os.getpid()
    with pytest.raises(NamespaceGoneError, match="we"):
        found("we")


def test_ended_meanwhile(
    machine: Machine, inside: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the first process ends before it is held, no other one is opened."""
    machine.state(inside.pid, f"run/runc/{ID}")
    real = reach.pin_process
    # The id has passed to another by the time that it is asked for.
    monkeypatch.setattr(reach, "pin_process", lambda pid: real(os.getpid()))
    with pytest.raises(NamespaceGoneError, match="just ended"):
        found(ID)

    def end(pid: int) -> int:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return real(child)

    monkeypatch.setattr(reach, "pin_process", end)
    with pytest.raises(NamespaceGoneError, match="just ended"):
        found(ID)


@ROOT
def test_by_cgroup(machine: Machine, inside: Holder) -> None:
    """Without a state it is the oldest process in the cgroup of the container."""
    with holder() as younger, cgroup(f"docker-{ID}.scope") as group:
        for each in (younger, inside):
            (group / "cgroup.procs").write_text(str(each.pid))
        assert found(ID) == found(ID[:12]) == inside.pid
        machine.docker(ID, "web")
        with closing(Namespace.from_container("web", "uts")) as uts:
            assert identity(uts.fileno()) == identity(f"/proc/{inside.pid}/ns/uts")
        # Those whose parent is inside as well are not first.
        (group / "cgroup.procs").write_text(str(os.getpid()))
        assert found(ID) == os.getpid()
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
    with pytest.raises(NamespaceGoneError, match="'web' is not running"):
        found("web")


@ROOT
def test_forged_cgroup(machine: Machine, inside: Holder) -> None:
    """If two cgroups are called after a container, it is not said which is."""
    with (
        holder() as forged,
        cgroup(f"docker-{ID}.scope") as group,
        cgroup(f"libpod-{ID}.scope") as other,
    ):
        (group / "cgroup.procs").write_text(str(inside.pid))
        (other / "cgroup.procs").write_text(str(forged.pid))
        with pytest.raises(ValueError, match="libpod-") as caught:
            found(ID)
        assert "/docker-" in str(caught.value)
        # The state of runc is not everybody's to write.
        machine.state(inside.pid, f"run/docker/runtime-runc/moby/{ID}")
        assert found(ID) == inside.pid


@ROOT
def test_moved_away(
    machine: Machine, inside: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has left the container before it is held is not opened."""
    real = reach.pin_process
    with cgroup(f"docker-{ID}.scope") as group:

        def leave(pid: int) -> int:
            (group.parent / "cgroup.procs").write_text(str(pid))
            return real(pid)

        (group / "cgroup.procs").write_text(str(inside.pid))
        monkeypatch.setattr(reach, "pin_process", leave)
        with pytest.raises(NamespaceGoneError, match="just ended"):
            found(ID)


@pytest.mark.tier("plain")
def test_refused(machine: Machine) -> None:
    """Without power over its process, a container is found and not opened."""
    machine.state(1, "run/runc/web")
    with pytest.raises(NamespacePermissionError):
        Namespace.from_container("web", "net")


def test_wrong(machine: Machine) -> None:
    """What is no name is refused, and what nobody is called is not found."""
    with pytest.raises(TypeError, match="str"):
        Namespace.from_container(b"web", "net")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="empty"):
        NamespaceSet.from_container("", "net")
    with pytest.raises(LookupError, match="'w\\\\neb'"):
        NamespaceSet.from_container("w\neb")


def test_imported_late() -> None:
    """Who opens no container does not wait for JSON."""
    code = "import sys, pynamespaces; print('json' in sys.modules)"
    assert run_python(code).stdout == "False\n"
