"""Containers by id and name: opened, or not; and told by their cgroups."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from containers import runc
from engine_files import ID, OTHER, Machine, cgroup, found, inside, machine
from holding import Holder, holder
from support import TIER, identity, in_child, run_python
from targets import PR_SET_DUMPABLE

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


@pytest.fixture
def contained() -> Iterator[Holder]:
    """A process in a mount namespace of its own, as those of containers are."""
    with holder("mnt") as made:
        yield made


@ROOT
def test_by_cgroup(machine: Machine, contained: Holder) -> None:
    """Without a state it is the oldest process in the cgroup of the container."""
    inside = contained
    with holder("mnt") as younger, cgroup(f"docker-{ID}.scope") as group:
        for each in (younger, inside):
            (group / "cgroup.procs").write_text(str(each.pid))
        assert found(ID) == found(ID[:12]) == inside.pid
        machine.docker(ID, "web")
        with closing(Namespace.from_container("web", "uts")) as uts:
            assert identity(uts.fileno()) == identity(f"/proc/{inside.pid}/ns/uts")
        # Those whose parent is inside as well are not first.
        parent = int(_proc.stat_fields(inside.pid)[1])
        (group / "cgroup.procs").write_text(str(parent))
        assert found(ID) == parent
    with pytest.raises(NamespaceGoneError, match="'web' is not running"):
        found("web")


@ROOT
def test_two_cgroups(machine: Machine, contained: Holder) -> None:
    """If two cgroups are called after a container, it is not said which is."""
    inside = contained
    with (
        holder("mnt") as forged,
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
    machine: Machine, contained: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has left the container before it is held is not opened."""
    real = reach.pin_process
    with cgroup(f"docker-{ID}.scope") as group:

        def leave(pid: int) -> int:
            (group.parent / "cgroup.procs").write_text(str(pid))
            return real(pid)

        (group / "cgroup.procs").write_text(str(contained.pid))
        monkeypatch.setattr(reach, "pin_process", leave)
        with pytest.raises(NamespaceGoneError, match="just ended"):
            found(ID)


FORGED = [f"docker-{ID}.scope", f"lxc.payload.{ID}"]


@ROOT
@pytest.mark.parametrize("name", FORGED)
def test_at_home(machine: Machine, inside: Holder, name: str) -> None:
    """What is in the caller's mount namespace is in no container."""
    machine.docker(ID, "web")
    with cgroup(name) as group:
        (group / "cgroup.procs").write_text(str(inside.pid))
        for wanted in (ID, ID[:9], "web"):
            with pytest.raises(NamespaceGoneError, match="not believed") as caught:
                found(wanted)
            assert f"process {inside.pid} in" in str(caught.value)
            assert "caller's mount namespace" in str(caught.value)
        # But root's word is taken for it.
        machine.state(inside.pid, f"run/runc/{ID}")
        assert found("web") == inside.pid


@ROOT
@pytest.mark.parametrize("name", FORGED)
def test_of_another_user(machine: Machine, contained: Holder, name: str) -> None:
    """A cgroup of another user is not believed, and does not stand in the way."""
    machine.docker(ID, "web")
    with cgroup(name) as group, cgroup(f"libpod-{ID}.scope") as right:
        (group / "cgroup.procs").write_text(str(contained.pid))
        assert found("web") == contained.pid
        os.chown(group, 65534, 65534)
        for wanted in (ID, ID[:9], "web"):
            with pytest.raises(NamespaceGoneError, match="of user 65534") as caught:
                found(wanted)
            assert f"/{name}'" in str(caught.value)
        with holder("mnt") as real:
            (right / "cgroup.procs").write_text(str(real.pid))
            assert found("web") == real.pid
            assert in_child(lambda: as_user(65533, ID)) == real.pid
            # That user believes root as well as itself.
            with pytest.raises(ValueError, match="several"):
                in_child(lambda: as_user(65534, ID))


def as_user(uid: int, wanted: str) -> int:
    """Become a user, for good, and find a container."""
    os.setresuid(uid, uid, uid)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
    return found(wanted)


@pytest.mark.parametrize("own", [True, False])
def test_unseen_cgroup(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    """Where it is not seen whose a cgroup is, only an own process is taken."""
    with holder("user", "mnt") as other:
        pid = other.pid if own else 1
        forged = b"0::/pyns-nowhere/docker-%s.scope\n" % ID.encode()
        texts = {pid: forged}
        monkeypatch.setattr(_proc, "cgroup", lambda pid: texts.get(pid, b"0::/\n"))
        if own and TIER == "plain":
            assert found(ID) == other.pid
            return
        with pytest.raises(NamespaceGoneError, match="not believed: ") as caught:
            found(ID)
        assert "pyns-nowhere" in str(caught.value)


@ROOT
def test_files_come_first(machine: Machine, inside: Holder, contained: Holder) -> None:
    """A cgroup of any name takes nothing from a container that a state tells of."""
    machine.state(inside.pid, f"run/runc/{ID}")
    machine.docker(ID, "web")
    with cgroup("lxc.payload.web") as group:
        (group / "cgroup.procs").write_text(str(contained.pid))
        assert found("web") == inside.pid
    with cgroup(f"docker-{OTHER}.scope") as group:
        (group / "cgroup.procs").write_text(str(contained.pid))
        assert found("2403") == inside.pid
        assert found(OTHER) == contained.pid
        # It is another matter where files tell of both.
        machine.docker(OTHER, "db")
        with pytest.raises(ValueError, match="several"):
            found("2403")


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
