"""
What container engines leave in files: who is which, without asking a daemon.

The files are read as somebody else's, since they may be anything by the time that they
are: only regular ones, of root or the caller, up to a size, in folders of the same, as
these say what container a file is of. What may not be read is left out, and named.
"""

import json
import os
from collections.abc import Iterator
from stat import S_ISREG
from typing import Final, NamedTuple

from .. import _proc
from . import containers
from .containers import Container, Told

RUN: Final = "/run"
LIB: Final = "/var/lib"

LIMIT: Final = 16 << 20
"""More bytes than any of these files has."""


class State(NamedTuple):
    """What a low-level runtime, as runc, has written of a container."""

    engine: str
    id: str
    pid: int
    started: int
    """When its first process began, as field 22 of ``stat`` has it."""

    cgroups: tuple[bytes, ...]
    """Where the runtime has put it: paths of directories, or below their mounts."""

    def is_alive(self) -> bool:
        """Return whether its first process lives, and no other has its id."""
        return starts(self.pid) == self.started


def starts(pid: int) -> int | None:
    """Return when a process began, as field 22 of ``stat``; None if it has ended."""
    fields = _proc.stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


class Files:
    """Reading files and folders that may be missing, refused, or a trap."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []
        self._believed: dict[str, bool] = {}

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        try:
            if self._believes(folder):
                return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            pass
        self.unreadable.append(folder)
        return []

    def _believes(self, folder: str) -> bool:
        """Return whether a folder is root's or the caller's, and all that it is in."""
        found = self._believed.get(folder)
        if found is None:
            # A link of another user's leads where that one says, be it to root's.
            found = _is_ours(os.lstat(folder)) and _is_ours(os.stat(folder))
            above = os.path.dirname(folder)
            if found and folder not in _tops() and above not in ("", folder):
                found = self._believes(above)
            self._believed[folder] = found
        return found

    def load(self, path: str) -> object:
        """Return what a file of JSON says, or None."""
        try:
            data = self._read(path)
            return None if data is None else json.loads(data.decode())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError):
            self.unreadable.append(path)
            return None

    def _read(self, path: str) -> bytes | None:
        if not self._believes(os.path.dirname(path)):
            raise PermissionError
        # A FIFO would be waited for, and a link lead anywhere.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags)
        try:
            facts = os.fstat(fd)
            # Another user's would say of any process that it is a container's.
            if S_ISREG(facts.st_mode) and _is_ours(facts):
                with open(fd, "rb", closefd=False) as file:
                    data = file.read(LIMIT + 1)
                if len(data) <= LIMIT:
                    return data
        finally:
            os.close(fd)
        self.unreadable.append(path)
        return None


def _is_ours(facts: os.stat_result) -> bool:
    return facts.st_uid in (0, os.geteuid())


def _get(found: object, key: str) -> object:
    return found.get(key) if isinstance(found, dict) else None


def _number(found: object, *keys: str) -> int:
    for key in keys:
        value = _get(found, key)
        if type(value) is int and 0 < value < 1 << 63:
            return value
    return 0


def _own_run() -> str:
    """Return where what an ordinary user runs has its state."""
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"


def _own_data() -> str | None:
    """Return where what an ordinary user runs has its images and containers."""
    home = os.environ.get("HOME")
    return os.environ.get("XDG_DATA_HOME") or (home and f"{home}/.local/share")


def _tops() -> set[str]:
    """Return where all that is read begins; nobody asks what these are in."""
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("HOME") or ""
    return {each.rstrip("/") for each in (RUN, LIB, _own_run(), home)}


def read_states(files: Files) -> Iterator[State]:
    """Yield what runc and crun say of the containers that they were asked for."""
    for run in (RUN, _own_run()):
        yield from _states_in(files, f"{run}/runc", "runc")
        yield from _states_in(files, f"{run}/crun", "crun")
        # Those of Docker are in the namespace moby.
        for folder, engine in (
            (f"{run}/containerd/runc", "containerd"),
            (f"{run}/docker/runtime-runc", "docker"),
        ):
            for name in files.names(folder):
                who = "docker" if name == "moby" else engine
                yield from _states_in(files, f"{folder}/{name}", who)


def _states_in(files: Files, folder: str, engine: str) -> Iterator[State]:
    file = "status" if engine == "crun" else "state.json"
    for id in files.names(folder):
        found = files.load(f"{folder}/{id}/{file}")
        pid = _number(found, "init_process_pid", "pid")
        started = _number(found, "init_process_start", "process-start-time")
        if pid and started and pid < 1 << 31:
            yield State(engine, id, pid, started, tuple(_cgroups(found)))


def _cgroups(found: object) -> Iterator[bytes]:
    """Yield the paths of a state's cgroups: runc has several, and crun one."""
    paths = _get(found, "cgroup_paths")
    values = [*paths.values()] if isinstance(paths, dict) else []
    for value in (*values, _get(found, "cgroup-path")):
        if isinstance(value, str) and value:
            yield value.encode("utf-8", "surrogatepass")


def read_names(files: Files) -> dict[str, str]:
    """Return what people call containers, by their ids."""
    found: dict[str, str] = {}
    for data in (LIB, _own_data()):
        if data:
            found.update(_docker_names(files, f"{data}/docker/containers"))
            found.update(_podman_names(files, f"{data}/containers/storage"))
    return {id: name for id, name in found.items() if name.isprintable()}


def _docker_names(files: Files, folder: str) -> Iterator[tuple[str, str]]:
    for id in files.names(folder):
        name = _get(files.load(f"{folder}/{id}/config.v2.json"), "Name")
        if isinstance(name, str):
            yield id, name.removeprefix("/")


def _podman_names(files: Files, folder: str) -> Iterator[tuple[str, str]]:
    """Yield those of podman and cri-o, which have their storage in common."""
    for driver in files.names(folder):
        if not driver.endswith("-containers"):
            continue
        for file in ("containers.json", "volatile-containers.json"):
            listed = files.load(f"{folder}/{driver}/{file}")
            for each in listed if isinstance(listed, list) else ():
                id, names = _get(each, "id"), _get(each, "names")
                name = names[0] if isinstance(names, list) and names else None
                if isinstance(id, str) and isinstance(name, str):
                    yield id, name


class Known:
    """
    What the files say, read once, for telling the containers of many processes.

    It knows the containers of runc, whose cgroups may be called anything, and names.
    """

    def __init__(self) -> None:
        files = Files()
        self._names = read_names(files)
        self._cache: dict[bytes, Told | None] = {}
        self._places: dict[bytes, State] = {}
        self.inits: dict[str, set[tuple[int, int]]] = {}
        """The first processes of those that live, by their ids, and when they began."""
        for state in read_states(files):
            if state.is_alive():
                self.inits.setdefault(state.id, set()).add((state.pid, state.started))
                for place in _places(state):
                    self._places.setdefault(place, state)
        self._lengths = sorted({len(place) for place in self._places}, reverse=True)
        self.unreadable = tuple(files.unreadable)
        """The files and folders that were there, and could not be read."""

    def names(self) -> dict[str, str]:
        """Return what people call containers, by their ids; some may have ended."""
        return dict(self._names)

    def of_cgroup(self, text: bytes) -> Container | None:
        """Return the container that the ``cgroup`` file of a process tells."""
        found = self.told(text)
        return None if found is None else found.container

    def told(self, text: bytes) -> Told | None:
        """Return the container, and the cgroup that tells it."""
        if text not in self._cache:
            self._cache[text] = self._tell(text)
        return self._cache[text]

    def _tell(self, text: bytes) -> Told | None:
        found = containers.told(text)
        for path in containers.paths_of(text):
            state, place = self._state_of(path)
            if state is not None and not _is_below(found, place, state):
                found = Told(Container(state.engine, state.id), place)
        if found is None:
            return None
        container = found.container
        name = self._names.get(container.id)
        return Told(container._replace(name=name), found.place)

    def _state_of(self, path: bytes) -> tuple[State | None, bytes]:
        """Return the state of the innermost container whose cgroup has a path."""
        for length in self._lengths:
            place = path[:length]
            if path[length : length + 1] in (b"", b"/") and place in self._places:
                return self._places[place], place
        return None, b""


def _is_below(found: Told | None, place: bytes, state: State) -> bool:
    """Return whether a path tells of a container at the same place, or inside it."""
    if found is None:
        return False
    if found.container.id == state.id:
        # Who has asked runc for it is known by the path, or where the state is.
        return state.engine in ("runc", "crun")
    return len(found.place) >= len(place)


def _places(state: State) -> Iterator[bytes]:
    """
    Yield the cgroups of a container, as this ``/proc`` has them.

    They are those that the state has, which may begin with a mount, as far as its first
    process is there. Without any of its own it is in those of whoever started it.
    """
    for path in containers.paths_of(_proc.cgroup(state.pid) or b""):
        place = path.rstrip(b"/")
        while place:
            if any(listed.endswith(place) for listed in state.cgroups):
                yield place
                break
            place = place.rpartition(b"/")[0]
