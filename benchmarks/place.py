"""Where the benchmarks run: with power over namespaces, and with some to enter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_MARK: Final = "PYNAMESPACES_BENCHMARKS_INSIDE"

_AS_ROOT: Final = ("unshare", "--net", "--mount")
_AS_USER: Final = (
    *("unshare", "-Ur", "--net", "--uts", "--ipc", "--cgroup"),
    *("--mount", "--pid", "--fork", "--mount-proc"),
)
_TARGET: Final = (
    *("unshare", "--net", "--uts", "--ipc", "--cgroup", "--mount", "--pid"),
    # The pid by the /proc of outside; `cat` ends with its standard input.
    *("--fork", "sh", "-c", "read pid rest </proc/self/stat; echo $pid; exec cat"),
)
_MISSING: Final = (
    "benchmarks: entering namespaces needs root with CAP_SYS_ADMIN, or leave to make "
    "user namespaces (`unshare -Ur true` must work), and unshare of util-linux"
)


@dataclass(frozen=True)
class Place:
    """What the modules measure with."""

    pid: int
    """A process that is elsewhere by net, uts, ipc, cgroup, mnt and pid."""

    directory: Path
    """For temporary files."""

    rounds: int
    """How many of each comparison."""

    def netns(self, names: int = 1) -> Path:
        """Bind the target's net namespace to a file, like one of *names* of ``ip``."""
        folder = self.directory / f"netns-{names}"
        if not folder.exists():
            folder.mkdir()
            for number in range(names):
                (folder / f"name{number}").touch()
            source = f"/proc/{self.pid}/ns/net"
            subprocess.run(["mount", "--bind", source, folder / "name0"], check=True)
        return folder / "name0"

    def compiled(self, source: str, name: str = "program", *options: str) -> str:
        """Compile a file of this folder; return the path of what came of it."""
        if shutil.which("cc") is None:
            sys.exit("benchmarks: a C compiler (cc) is missing, for a loop in C")
        output = str(self.directory / f"{source}-{name}")
        path = str(Path(__file__).with_name(source))
        subprocess.run(["cc", "-O2", *options, "-o", output, path], check=True)
        return output


def _works(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.call([*command, "true"], stderr=subprocess.DEVNULL) == 0


def move_in() -> None:
    """
    Replace this process by one with a net namespace that nobody else holds open.

    An nsfs inode that somebody holds open is cheaper to open again (see
    ``_shim/warm.c``), so whatever else runs on the machine would lower the peers'
    figures. An ordinary user gets a user namespace as well.
    """
    if os.environ.pop(_MARK, None):
        return
    ways = [_AS_ROOT, _AS_USER] if os.geteuid() == 0 else [_AS_USER]
    for way in ways:
        if _works(way):
            os.environ[_MARK] = "1"
            command = (*way, sys.executable, "-m", "benchmarks", *sys.argv[1:])
            os.execvp(command[0], command)
    sys.exit(_MISSING)


@contextmanager
def somewhere(rounds: int) -> Iterator[Place]:
    """Make namespaces to enter, for the body."""
    with TemporaryDirectory() as name:
        # The mount namespace is our own; a tmpfs takes its mounts along when it goes.
        subprocess.run(["mount", "-t", "tmpfs", "benchmarks", name], check=True)
        try:
            with subprocess.Popen(
                _TARGET, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as target:
                assert target.stdout
                assert target.stdin
                yield Place(int(target.stdout.readline()), Path(name), rounds)
                target.stdin.close()
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)
