"""What engines leave in files: found where they keep it, and no trap if it is one."""

import os

import pytest
from engine_files import (
    HOSTILE,
    ID,
    OTHER,
    Machine,
    cgroup,
    found,
    inside,
    machine,
    put,
    started,
)
from holding import Holder

from pynamespaces import NamespaceGoneError, _proc
from pynamespaces._core.containers import Container
from pynamespaces._core.engines import Files, Known

__all__ = ["inside", "machine"]


PLACES = [
    "run/runc",
    "own/runc",
    "run/containerd/runc/default",
    "run/containerd/runc/k8s.io",
    "run/docker/runtime-runc/moby",
    "own/docker/runtime-runc/moby",
]


@pytest.mark.parametrize("place", PLACES)
def test_states(machine: Machine, inside: Holder, place: str) -> None:
    """The state of runc is found wherever engines let it be kept."""
    machine.state(inside.pid, f"{place}/{ID}")
    assert found(ID) == found(ID[:4]) == inside.pid


@pytest.mark.parametrize("place", ["run/crun", "own/crun"])
def test_crun(machine: Machine, inside: Holder, place: str) -> None:
    """The state of crun is known as well."""
    when = started(inside.pid)
    state = {"pid": inside.pid, "process-start-time": when, "cgroup-path": "/x"}
    machine.write(f"{place}/{ID}/status", state)
    assert found(ID) == inside.pid


def test_names(machine: Machine, inside: Holder) -> None:
    """A container is known by the name that Docker or podman has given it."""
    machine.state(inside.pid, f"run/runc/{ID}")
    machine.docker(ID, "web")
    assert found("web") == found(ID) == inside.pid
    machine.write(
        "home/.local/share/containers/storage/overlay-containers/containers.json",
        [{"id": OTHER, "names": ["db"]}, {"id": 3, "names": "x"}, None, {"id": "y"}],
    )
    machine.write(
        "lib/containers/storage/vfs-containers/volatile-containers.json",
        [{"id": "b" * 64, "names": ["job", "second"]}, {"id": "c" * 64, "names": []}],
    )
    assert Known().names() == {ID: "web", OTHER: "db", "b" * 64: "job"}
    machine.docker(ID, "web\x1b[2J")
    assert ID not in Known().names()


def test_named_by_scan(machine: Machine) -> None:
    """What a cgroup tells has its name, and is found once for each text."""
    machine.docker(ID, "web")
    known = Known()
    text = f"0::/system.slice/docker-{ID}.scope\n".encode()
    assert known.of_cgroup(text) == Container("docker", ID, "web")
    assert known.told(text) is known.told(bytes(bytearray(text)))


@pytest.mark.tier("root")
@pytest.mark.parametrize(
    ("place", "engine"),
    [
        ("run/runc", "runc"),
        ("run/docker/runtime-runc/moby", "docker"),
        ("run/containerd/runc/k8s.io", "containerd"),
        ("run/containerd/runc/moby", "docker"),
    ],
)
def test_told_by_state(
    machine: Machine, inside: Holder, place: str, engine: str
) -> None:
    """A cgroup of any name is told by the state, also if all moved below it."""
    machine.docker(ID, "web")
    with cgroup(f"pyns-{os.getpid()}") as group:
        below = group / "init.scope"
        below.mkdir()
        (below / "cgroup.procs").write_text(str(inside.pid))
        text = _proc.cgroup(inside.pid) or b""
        paths = {"pids": str(group), "cpu": 3}
        machine.state(inside.pid, f"{place}/{ID}", cgroup_paths=paths)
        known = Known()
        assert known.of_cgroup(text) == Container(engine, ID, "web")
        assert known.of_cgroup(text.replace(b"init.scope", b"x")) == (engine, ID, "web")
        # What goes on inside of it is its own affair, unless that is a container.
        inner = text.replace(b"init.scope", b"docker/" + OTHER.encode())
        assert known.of_cgroup(inner) == Container("docker", OTHER)
        # Without a cgroup of its own a container is in ours, which is not its own.
        machine.state(inside.pid, f"{place}/{ID}", cgroup_paths={})
        assert Known().of_cgroup(text) is None
        (group / "cgroup.procs").write_text(str(inside.pid))
        below.rmdir()


def test_other_process(machine: Machine, inside: Holder) -> None:
    """A process that has been given the id of the first one is not taken for it."""
    machine.state(inside.pid, f"run/runc/{ID}", start=started(inside.pid) + 1)
    with pytest.raises(NamespaceGoneError, match="no container"):
        found(ID)
    machine.docker(ID, "web")
    with pytest.raises(NamespaceGoneError, match="'web' is not running"):
        found("web")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("which", ["state", "name", "storage"])
def test_hostile_files(machine: Machine, inside: Holder, name: str, which: str) -> None:
    """Whatever is in the place of a file, others are read, and nothing waited for."""
    machine.state(inside.pid, "run/runc/good")
    if which == "state":
        file = machine.state(inside.pid, "run/runc/bad")
    elif which == "name":
        file = machine.docker(ID, "bad")
    else:
        named = [{"id": OTHER, "names": ["bad"]}]
        storage = "lib/containers/storage/overlay-containers"
        file = machine.write(f"{storage}/containers.json", named)
    put(HOSTILE[name], file)
    assert found("good") == inside.pid
    with pytest.raises(NamespaceGoneError) as caught:
        found("bad")
    # A list is fine JSON, and tells nothing.
    assert name == "a list" or str(file) in str(caught.value)


@pytest.mark.parametrize(
    "state",
    [
        {"init_process_pid": True},
        {"init_process_pid": 1 << 40},
        {"init_process_pid": -1},
        {"init_process_pid": "1"},
        {"init_process_start": None},
        {"init_process_start": 1.5},
        {"init_process_start": 1 << 80},
    ],
)
def test_hostile_states(machine: Machine, state: dict[str, object]) -> None:
    """Numbers that are no processes are left out."""
    right = {"init_process_pid": os.getpid(), "init_process_start": 1}
    machine.write("run/runc/web/state.json", right | state)
    with pytest.raises(NamespaceGoneError, match="no container"):
        found("web")


@pytest.mark.tier("root")
def test_other_owner(machine: Machine, inside: Holder) -> None:
    """What another user has written is not believed by root."""
    file = machine.state(inside.pid, "run/runc/web")
    os.chown(file, 65534, 65534)
    with pytest.raises(NamespaceGoneError, match="could not be read") as caught:
        found("web")
    assert str(file) in str(caught.value)


@pytest.mark.tier("root")
@pytest.mark.parametrize("whose", ["own", "own/runc", "there", "there/alias"])
def test_other_owner_of_folder(machine: Machine, inside: Holder, whose: str) -> None:
    """Another user's folder or link gives no other id to what root has written."""
    real = machine.state(inside.pid, "run/runc/web").parent
    folder, there = machine.own_run / "runc", machine.run.parent / "there"
    there.mkdir()
    (there / "alias").symlink_to(real)
    # Root may have moved it, as people do with /var/lib/docker.
    folder.symlink_to(there)
    assert found("alias") == inside.pid
    os.chown(machine.run.parent / whose, 65534, 65534, follow_symlinks=False)
    with pytest.raises(NamespaceGoneError, match="could not be read") as caught:
        found("alias")
    assert str(folder) in str(caught.value)
    assert found("web") == inside.pid


@pytest.mark.tier("root")
@pytest.mark.parametrize("whose", ["home", "home/.local", "home/.local/share/docker"])
def test_other_owner_of_names(machine: Machine, whose: str) -> None:
    """Nor does it give a name to another container."""
    real = machine.docker(ID, "web").parent
    folder = machine.home / ".local/share/docker/containers"
    folder.mkdir(parents=True)
    (folder / OTHER).symlink_to(real)
    assert Known().names() == {ID: "web", OTHER: "web"}
    os.chown(machine.run.parent / whose, 65534, 65534)
    known = Known()
    assert known.names() == {ID: "web"}
    assert known.unreadable == (str(folder),)


@pytest.mark.parametrize("base", ["", "/", "//", "nowhere", "."])
def test_odd_base(
    machine: Machine, inside: Holder, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    """Wherever the environment says that files are, those of root are read."""
    machine.state(inside.pid, "run/runc/web")
    for name in ("XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(name, base)
    assert found("web") == inside.pid


def test_slash_at_the_end(
    machine: Machine, inside: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base with one slash more is the same."""
    machine.state(inside.pid, "own/runc/web")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{machine.own_run}//")
    assert found("web") == inside.pid


@pytest.mark.tier("root", "plain")
def test_up_to_the_root() -> None:
    """Nothing is above the root of all."""
    assert "kernel" in Files().names("/proc/sys")


@pytest.mark.tier("plain")
def test_unreadable(machine: Machine, inside: Holder) -> None:
    """What may not be read is left out, and named if nothing is found."""
    machine.state(inside.pid, "run/runc/web")
    folder = machine.lib / "docker/containers"
    folder.mkdir(parents=True)
    folder.chmod(0)
    assert found("web") == inside.pid
    with pytest.raises(NamespaceGoneError, match="could not be read") as caught:
        found("db")
    assert str(folder) in str(caught.value)
    folder.chmod(0o700)
