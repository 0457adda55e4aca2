"""Real targets: containers, sandboxes, named netns and plain processes; what threads see."""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import pytest
from support import TIER, identity, in_child, missing, own_all, program

from pynamespaces import NamespaceSet, TypeLike, unshare

T = TypeVar("T")

ENTERABLE = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
"""What a process with threads can enter, with power."""

HOSTNAME = "pyns-inside"
MARKER = "only in the container\n"

PROGRAM = ["/bin/sh", "-c", "echo ready; exec cat"]
"""What a container runs: it says when it is ready, and ends with its input."""


class Container(NamedTuple):
    """A process that a container program has started, and what it has of its own."""

    pid: int
    types: frozenset[str]

    def identity(self, type: str) -> tuple[int, int]:
        """Return the identity of one of its namespaces."""
        return identity(f"/proc/{self.pid}/ns/{type}")

    def namespaces(self) -> NamespaceSet:
        """Open what a thread can enter, all from one process."""
        return NamespaceSet.from_pid(self.pid, *ENTERABLE)


def _own_types(pid: int) -> frozenset[str]:
    """Return the types in which a process differs from the caller."""
    mine = own_all()
    links = Path(f"/proc/{pid}/ns")
    return frozenset(
        name for name in mine if os.readlink(links / name) != mine[name]
    ) - {"pid_for_children"}


def _await_ready(process: subprocess.Popen[str], log: Path) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", f"{process.args}: {line!r}: {log.read_text()}"


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a program of ours by closing its input; kill it if that is not enough."""
    with process:
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _bundle(folder: Path) -> None:
    """Make a bundle whose root has nothing but busybox."""
    tools = folder / "rootfs/bin"
    tools.mkdir(parents=True)
    shutil.copy(program("busybox"), tools / "busybox")
    for name in ("sh", "cat"):
        (tools / name).symlink_to("busybox")
    etc = folder / "rootfs/etc"
    etc.mkdir()
    (etc / "marker").write_text(MARKER)
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["hostname"] = HOSTNAME
    config["process"].update(terminal=False, args=PROGRAM)
    config["linux"]["namespaces"].append({"type": "cgroup"})
    path.write_text(json.dumps(config))


@contextmanager
def runc(folder: Path) -> Iterator[Container]:
    """Run a runc container."""
    runc = program("runc")
    program("busybox")
    if TIER != "root":
        pytest.skip("runc is tested as root only")
    _bundle(folder)
    name, log = f"pyns-{os.getpid()}", folder / "log"
    with_state = [runc, "--root", str(folder / "state")]
    command = [*with_state, "run", "--bundle", str(folder), name]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with _ended(process):
        try:
            _await_ready(process, log)
            state = subprocess.check_output([*with_state, "state", name])
            pid = int(json.loads(state)["pid"])
            yield Container(pid, _own_types(pid))
        finally:
            delete = [*with_state, "delete", "-f", name]
            subprocess.run(delete, check=True, capture_output=True)


@contextmanager
def bwrap(folder: Path, user: int | None = None) -> Iterator[Container]:
    """Run a bubblewrap sandbox, as the caller or as an ordinary user."""
    bwrap = program("bwrap")
    if user is not None and TIER != "root":
        pytest.skip("only root can become another user")
    reader, writer = os.pipe()
    marker, content = os.pipe()
    os.write(content, MARKER.encode())
    os.close(content)
    command = [bwrap, "--unshare-all", "--die-with-parent", "--hostname", HOSTNAME]
    command += ["--ro-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/etc"]
    command += ["--file", str(marker), "/etc/marker", "--chdir", "/"]
    command += ["--json-status-fd", str(writer), *PROGRAM]
    log = folder / "log"
    with open(reader) as status:
        with log.open("w") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                pass_fds=(writer, marker),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        os.close(writer)
        os.close(marker)
        with _ended(process):
            _await_ready(process, log)
            pid = int(json.loads(status.readline())["child-pid"])
            yield Container(pid, _own_types(pid))
    # Its first process is left to the init of this pid namespace, which may be us.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


@pytest.fixture(scope="module", params=["runc", "bwrap", "bwrap as nobody"])
def container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """One of each kind of container, for all tests of a module."""
    if TIER == "plain":
        pytest.skip("needs power over the namespaces of the container")
    folder = tmp_path_factory.mktemp("container")
    makers = {
        "runc": lambda: runc(folder),
        "bwrap": lambda: bwrap(folder),
        "bwrap as nobody": lambda: bwrap(folder, user=65534),
    }
    with makers[request.param]() as made:
        yield made


@pytest.fixture
def netns() -> Iterator[str]:
    """A network namespace that ``ip netns`` has made."""
    ip = program("ip")
    folder = Path("/run/netns")
    existed = folder.exists()
    name = f"pyns-{os.getpid()}"
    subprocess.run([ip, "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)
        if not existed:
            # What ip leaves for good, unless others have come to use it.
            subprocess.run(["umount", str(folder)], check=False, capture_output=True)
            with suppress(OSError):
                folder.rmdir()


# --- plain processes with namespaces of their own ---


class Holder:
    """A process of ours in fresh namespaces, which can be told to make more."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self._control = control

    def unshare_again(self, *types: str) -> None:
        """Make the process move on into still other namespaces."""
        self._control.sendall(",".join(types).encode())
        assert self._control.recv(1) == b"."


def _hold(control: socket.socket) -> None:
    """Serve a `Holder` until its other end is closed."""
    control.sendall(b".")
    while types := control.recv(256):
        unshare(*types.decode().split(","))  # type: ignore[arg-type]
        control.sendall(b".")


def _start_holder(control: socket.socket, types: tuple[TypeLike, ...]) -> None:
    if types:
        unshare(*types)
    # Of the types pid and time, only a child is in the fresh ones.
    pid = os.fork()
    if pid == 0:
        _hold(control)
        os._exit(0)
    control.sendall(pid.to_bytes(4, "big"))
    os.waitpid(pid, 0)


@contextmanager
def holder(*types: TypeLike) -> Iterator[Holder]:
    """Start a process in fresh namespaces of these types."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            _start_holder(theirs, types)
        finally:
            os._exit(0)
    theirs.close()
    try:
        # The pid and the sign of being ready come in any order.
        answers = [ours.recv(4), ours.recv(4)]
        assert all(answers), "the holder could not be started"
        pid = next(answer for answer in answers if len(answer) == 4)
        yield Holder(int.from_bytes(pid, "big"), ours)
    finally:
        ours.close()
        os.waitpid(child, 0)


def become_root() -> None:
    """Give this process a user namespace of its own, where it is root, for good."""
    uid, gid = os.geteuid(), os.getegid()
    unshare("user")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def in_own_userns(function: Callable[[], T], *types: TypeLike) -> T:
    """Run in a child that is root in a user namespace which owns its *types*."""

    def inside() -> T:
        become_root()
        if types:
            unshare(*types)
        # Of the type pid, only a child is in what this one owns.
        return in_child(function) if "pid" in types else function()

    return in_child(inside)


# --- what threads see ---

LINKS = tuple(sorted(os.listdir("/proc/self/ns")))


def link_of(type: str) -> str:
    """Return the link that changes when a thread enters."""
    return "pid_for_children" if type == "pid" else type


class Tasks:
    """The threads of this process, seen from whatever root the caller has by then."""

    def __init__(self) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._folder = os.open("/proc/self/task", flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._folder)

    def identity(self, link: str) -> tuple[int, int]:
        """Return the identity of a namespace of the calling thread."""
        path = f"{threading.get_native_id()}/ns/{link}"
        facts = os.stat(path, dir_fd=self._folder)
        return facts.st_dev, facts.st_ino

    def state(self, tid: int | None = None) -> dict[str, object]:
        """Return the namespaces, the root and the working directory of a thread."""
        tid = tid or threading.get_native_id()
        found: dict[str, object] = {"root": self._place(f"{tid}/root")}
        found["cwd"] = self._place(f"{tid}/cwd")
        for link in LINKS:
            try:
                facts = os.stat(f"{tid}/ns/{link}", dir_fd=self._folder)
            except FileNotFoundError:
                found[link] = "pending"
            else:
                found[link] = facts.st_dev, facts.st_ino
        return found

    def _place(self, path: str) -> tuple[str, int, int]:
        """Return the mount and the identity of a directory."""
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC, dir_fd=self._folder)
        try:
            facts = os.fstat(fd)
            path = f"{threading.get_native_id()}/fdinfo/{fd}"
            with open(os.open(path, os.O_RDONLY, dir_fd=self._folder)) as info:
                mount = next(line for line in info if line.startswith("mnt_id:"))
        finally:
            os.close(fd)
        return mount.split()[1], facts.st_dev, facts.st_ino

    def others(self) -> dict[str, dict[str, object]]:
        """Return the state of every thread but the calling one."""
        mine = str(threading.get_native_id())
        tids = [name for name in os.listdir(self._folder) if name != mine]
        return {tid: self.state(int(tid)) for tid in tids}


@contextmanager
def bystanders(count: int = 5) -> Iterator[None]:
    """Run threads that do nothing, besides the calling one."""
    over = threading.Event()
    started = threading.Barrier(count + 1)

    def stand() -> None:
        started.wait()
        over.wait()

    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(stand) for _ in range(count)]
        try:
            started.wait(10)
            yield
        finally:
            over.set()
    for stood in waiting:
        stood.result()


def in_worker(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own, among others."""
    with bystanders(5), ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_main_of_many(function: Callable[[], T]) -> T:
    """Run a function in the main thread of a child that has other threads."""

    def surrounded() -> T:
        with bystanders(5):
            return function()

    return in_child(surrounded)
