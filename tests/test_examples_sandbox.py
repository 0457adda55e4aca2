"""The build sandbox among the examples keeps in what it runs, or runs nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from exemplary import EXAMPLES, check_refusal, check_typed_in, command, example
from machines import MACHINES
from old_kernels import need_filters
from provoking import need_own_user
from starting import fresh_proc, orphans_reaped
from support import TIER, program

NAME: Final = "build_sandbox"
NOTHING: Final = "build_sandbox: nothing has run: "

# What works of it is told.
TRY: Final = """
import json, os, socket, subprocess, sys
source, port, abstract, named, *wanted = sys.argv[1:]

def connect(family, address):
    with socket.socket(family) as client:
        client.connect(address)

def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

def read(path):
    with open(path) as file:
        return file.read()

def run(*words):
    subprocess.run(words, check=True, capture_output=True)

def ensure(condition):
    assert condition

def has_power():
    status = read("/proc/self/status")
    return "CapBnd:\\t" + 16 * "0" not in status or "NoNewPrivs:\\t1" not in status

def others():
    pids = {name for name in os.listdir("/proc") if name.isdigit()} - {str(os.getpid())}
    return {told for pid in pids if (told := comm_of(pid)) is not None}

def comm_of(pid):
    try:
        return read(f"/proc/{pid}/comm")
    except OSError:
        return None  # It has ended meanwhile.

TRIES = {
    "connect to a port": lambda: connect(socket.AF_INET, ("127.0.0.1", int(port))),
    "connect to an abstract name": lambda: connect(socket.AF_UNIX, "\\0" + abstract),
    "connect to a file": lambda: connect(socket.AF_UNIX, named),
    "change the source": lambda: write(source + "/file"),
    "add to the source": lambda: write(source + "/new"),
    "add to the output": lambda: write("new"),
    "see another environment": lambda: os.environ["SECRET"],
    "see other processes": lambda: ensure(others() != {"cat\\n"}),
    "share a session": lambda: ensure(os.getsid(0) != os.getpid()),
    "have power": lambda: ensure(has_power()),
    "mount": lambda: run("mount", "-t", "tmpfs", "none", "/tmp"),
    "mount the source anew": lambda: run(
        *("unshare", "--user", "--keep-caps", "--mount"),
        *("mount", "-o", "remount,bind,rw", "/source"),
    ),
    "write to /": lambda: write("/new"),
    "write to /usr": lambda: write("/usr/new"),
    "write to /etc": lambda: write("/etc/new"),
    "write to /dev": lambda: write("/dev/new"),
    "write to /tmp": lambda: write("/tmp/new"),
    "write to /proc": lambda: write("/proc/self/oom_score_adj"),
    "write to /proc/sys": lambda: write("/proc/sys/kernel/hostname"),
    "see what its init sees": lambda: os.listdir("/proc/1/root/"),
    "see where its init is": lambda: os.listdir("/proc/1/cwd/"),
    "see what its init knows": lambda: read("/proc/1/environ"),
}

worked = []
for name in wanted or TRIES:
    try:
        TRIES[name]()
    except (OSError, KeyError, AssertionError, subprocess.CalledProcessError):
        continue
    worked.append(name)
print(json.dumps(worked))
"""

ALLOWED: Final = ["add to the output", "write to /tmp"]

OUTSIDE: Final = [
    # Of the tier userns, loopback is down.
    *(["connect to a port"] if TIER != "userns" else []),
    *("connect to an abstract name", "connect to a file", "change the source"),
    *("add to the source", "add to the output", "see another environment"),
    *("see other processes", "share a session", "have power"),
]
"""What does no harm to the machine, and works where there is no sandbox."""


class Place(NamedTuple):
    """The folders of a sandbox."""

    source: Path
    output: Path

    def args(self, *words: str) -> list[str]:
        """Return the arguments of the program, to have a command run."""
        python = ["--read", sys.base_prefix]
        folders = ["--source", str(self.source), "--output", str(self.output)]
        return [*folders, *python, "--", *words]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two folders, where a sandbox can be had."""
    need_own_user()
    fresh_proc()
    made = Place(tmp_path / "source", tmp_path / "output")
    for folder in made:
        folder.mkdir()
    (made.source / "file").write_text("from the source\n")
    return made


@contextmanager
def servers(folder: Path) -> Iterator[list[str]]:
    """Have servers outside; give what to try to connect to."""
    abstract, named = f"pyns-{os.getpid()}", str(folder / "socket")
    with (
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX) as by_name,
        socket.socket(socket.AF_UNIX) as by_file,
    ):
        for server, address in ((by_name, f"\0{abstract}"), (by_file, named)):
            server.bind(address)
            server.listen()
        yield [str(port.getsockname()[1]), abstract, named]


def trying(source: str, targets: Iterable[str], *names: str) -> list[str]:
    """Return a command that tries things, and tells which of them work."""
    python = os.path.realpath(sys.executable)
    return [python, "-I", "-S", "-c", TRY, source, *targets, *names]


def test_closed(place: Place, tmp_path: Path) -> None:
    """Of all that can be tried, what works is to write to the output and to /tmp."""
    secret = os.environ | {"SECRET": "hush"}
    with servers(tmp_path) as targets:
        args = place.args(*trying("/source", targets))
        inside = example(NAME, *args, env=secret)
        outside = subprocess.check_output(
            trying(str(place.source), targets, *OUTSIDE), env=secret, cwd=tmp_path
        )
    assert inside.returncode == 0, inside.stderr
    assert json.loads(inside.stdout) == ALLOWED
    assert json.loads(outside) == OUTSIDE


def test_build(place: Place) -> None:
    """A command finds its source, leaves what is the caller's, and its exit status."""
    script = "cat /source/file > built; echo done; exit 3"
    done = example(NAME, *place.args("sh", "-c", script))
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")
    built = place.output / "built"
    assert built.read_text() == "from the source\n"
    assert built.stat().st_uid == os.geteuid()


def test_page(place: Place, tmp_path: Path) -> None:
    """What the page has typed in shows what it says, a refusal as well."""
    program("unshare")
    del place
    folder = tmp_path / "typed-in"
    folder.mkdir()
    check_typed_in("A build sandbox", folder)


def test_killed_command(place: Place) -> None:
    """A signal that ends the command is told as shells do."""
    done = example(NAME, *place.args("sh", "-c", "kill -TERM $$"))
    assert done.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_nothing_is_left_running(place: Place, killed: bool) -> None:
    """What the command has started ends with it, and with the sandbox's program."""
    path = place.output / "fifo"
    os.mkfifo(path)
    script = "exec 3> fifo; sleep 1000 & echo started >&3; "
    args = place.args("sh", "-c", script + ("wait" if killed else "true"))
    with orphans_reaped(), subprocess.Popen(command(NAME, *args)) as process:
        # It is open for as long as somebody is left who could write.
        with path.open() as file:
            assert file.readline() == "started\n"
            if killed:
                process.kill()
            assert file.read() == ""
    assert process.returncode == (-signal.SIGKILL if killed else 0)


@pytest.mark.parametrize("machine", ["no namespaces", "read-only /proc"])
def test_refused(place: Place, machine: str) -> None:
    """Where not all of it can be had, nothing runs, and the reason is said."""
    need_filters()
    if MACHINES[machine].tiers and TIER not in MACHINES[machine].tiers:
        pytest.skip(f"needs one of {MACHINES[machine].tiers}, not {TIER}")
    done = example(NAME, *place.args("touch", "has-run"), machine=machine)
    check_refusal(done, 125, NOTHING + "[Errno ")
    assert [*place.output.iterdir()] == []


def test_no_such_folder(place: Place) -> None:
    """Without its source the command does not run."""
    gone = place._replace(source=place.source / "gone")
    done = example(NAME, *gone.args("touch", "has-run"))
    check_refusal(done, 125, NOTHING, str(gone.source))
    assert [*place.output.iterdir()] == []


def test_no_such_program(place: Place) -> None:
    """A command that is not there is not run."""
    done = example(NAME, *place.args("/missing"))
    check_refusal(done, 125, NOTHING + "[Errno 2]", "/missing")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"remount", "bind", "ro"', '"remount", "bind"', "can be written to"),
        ("mount -o rbind /proc proc", "mount -o rbind /missing proc", "/missing"),
    ],
    ids=["writable", "no-proc"],
)
def test_failure_inside(
    place: Place, tmp_path: Path, old: str, new: str, reason: str
) -> None:
    """If any step of setting it up fails or does nothing, nothing runs."""
    text = (EXAMPLES / f"{NAME}.py").read_text()
    assert text.count(old) == 1
    changed = tmp_path / "changed.py"
    changed.write_text(text.replace(old, new))
    done = example(changed, *place.args("touch", "has-run"))
    check_refusal(done, 125, NOTHING, reason)
    assert [*place.output.iterdir()] == []
