"""Real targets: runc containers, bubblewrap sandboxes, named network namespaces."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pytest
from support import TIER, identity, own_all, program

from pynamespaces import NamespaceSet, TypeLike

T = TypeVar("T")

ENTERABLE: Final[tuple[TypeLike, ...]] = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
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
    assert line == "ready\n", f"{process.args!r}: {line!r}: {log.read_text()}"


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
    # With cgroups of version 2 it is there already.
    if (own_cgroups := {"type": "cgroup"}) not in config["linux"]["namespaces"]:
        config["linux"]["namespaces"].append(own_cgroups)
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
