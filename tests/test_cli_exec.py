"""``pynamespaces exec``: programs in the namespaces of processes, files, containers."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers import HOSTNAME, MARKER, bwrap, netns, runc
from engine_files import cgroup
from starting import POWER, ROOT, living, members
from support import ALL_TYPES, own_all
from targets import holder
from terminals import CTRL_C, PROMPT, shell, told

__all__ = ["netns"]

LINKS = [f"/proc/self/ns/{type}" for type in ALL_TYPES]


@pytest.fixture
def other() -> Iterator[int]:
    """A process of ours in a uts and a user namespace of its own."""
    with living(new=("user", "uts"), hostname=HOSTNAME) as process:
        yield process.pid


def _links(*line: str) -> dict[str, str]:
    done = told("exec", *line, "--", "readlink", *LINKS)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(zip(ALL_TYPES, done.stdout.split(), strict=True))


def _of(pid: int) -> dict[str, str]:
    return {type: os.readlink(f"/proc/{pid}/ns/{type}") for type in ALL_TYPES}


# --- which namespaces ---


def test_all_that_differ(other: int) -> None:
    """Without a type, the program is in all that the target is in."""
    assert _links(str(other)) == _of(other)


@POWER
def test_some_types() -> None:
    """With types it is in those, and else where the caller is."""
    mine = own_all()
    with holder("uts", "ipc", "net") as pid:
        there = _of(pid)
        found = _links(str(pid), "--type", "uts,ipc")
        assert found == _links(str(pid), "-t", "ipc", "--type=uts")
    assert {t for t, link in found.items() if link != mine[t]} == {"uts", "ipc"}
    assert found["uts"] == there["uts"]


def test_user_in_there(other: int) -> None:
    """In the user namespace of a target it is root, if there is one."""
    done = told("exec", str(other), "--", "sh", "-c", "id -u; id -g; uname -n")
    assert done.stdout.split() == ["0", "0", HOSTNAME]


@POWER
def test_file() -> None:
    """A file of a namespace is a target, which has that one."""
    with holder("uts") as pid, members(pid, "uts") as held:
        path = f"/proc/{pid}/ns/uts"
        assert _links(path)["uts"] == str(held["uts"].id)
        done = told("exec", path, "--type", "net", "--", "true")
    assert done.returncode == 1
    assert "of type uts, and has no net" in done.stderr


@ROOT
def test_name(netns: str) -> None:
    """A name of ``ip netns`` is a target."""
    ours = told("exec", f"netns:{netns}", "--", "readlink", "/proc/self/ns/net").stdout
    facts = os.stat(f"/run/netns/{netns}")
    assert ours == f"net:[{facts.st_ino}]\n"
    done = told("exec", netns, "--", "true")
    assert done.returncode == 1
    assert f"did you mean netns:{netns}?" in done.stderr


# --- containers ---


@ROOT
def test_runc(tmp_path: Path) -> None:
    """A shell in a container, by its process, on the caller's terminal or another."""
    with runc(tmp_path) as container:
        (tmp_path / "rootfs/etc/passwd").write_text("worker:x:1234:77::/:/bin/sh\n")
        (tmp_path / "rootfs/etc/group").write_text("others:x:88:\n")
        target = str(container.pid)
        assert told("exec", target, "--", "cat", "/etc/marker").stdout == MARKER
        ids = ["--", "sh", "-c", "busybox id -u; busybox id -G"]
        found = told("exec", target, "--user", "worker", *ids).stdout.split()
        assert found == ["1234", "77"]
        line = ["exec", target, "-u", "1234", "-g", "others", "-C", "/etc"]
        assert told(*line, *ids).stdout.split() == ["1234", "88"]
        assert told(*line, "--", "sh", "-c", "pwd").stdout == "/etc\n"
        done = told("exec", target, "--user", "root", *ids)
        assert "there is no user 'root' in there" in done.stderr
        # The caller's shell is not in there, but /bin/sh is.
        for option in ("", "--pty"):
            with shell(SHELL="/nowhere/bash", ENV="") as made:
                made.type(f"PS1='inner: ' $ns exec {target} {option}\n")
                made.expect("inner: ")
                made.type("cat /etc/marker\n")
                made.expect("\r\n" + MARKER.strip() + "\r\n")
                made.expect("inner: ")
                made.type("cat\n")
                made.type("some words\n")
                made.expect("some words")
                made.type(CTRL_C)
                made.expect("inner: ")
                made.type("exit 3\n")
                made.expect(PROMPT)
                assert made.command("echo status $?") == "status 3\n"


def test_sandbox(tmp_path: Path) -> None:
    """Anybody starts programs in a sandbox of their own."""
    with bwrap(tmp_path) as sandbox:
        done = told("exec", str(sandbox.pid), "--", "cat", "/etc/marker")
        assert (done.stdout, done.stderr) == (MARKER, "")
        done = told("exec", str(sandbox.pid), "--", "uname", "-n")
        assert (done.stdout, done.stderr) == (HOSTNAME + "\n", "")


# --- what cannot be ---


def test_nobody() -> None:
    """A process that is not there is one line, and exit status 1."""
    with subprocess.Popen(["true"]) as process:
        pass
    done = told("exec", str(process.pid), "--", "true")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pynamespaces: ")
    assert str(process.pid) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_status(other: int) -> None:
    """The exit status is the program's, or tells why there is none."""
    target = str(other)
    assert told("exec", target, "--", "sh", "-c", "exit 5").returncode == 5
    assert told("exec", target, "--", "sh", "-c", "kill -9 $$").returncode == 137
    assert told("exec", target, "--", "/nowhere/program").returncode == 127
    assert told("exec", target, "--", "/etc/passwd").returncode == 126
    assert told("exec", target, "--cwd", "/nowhere", "--", "true").returncode == 1
    assert told("exec", target, "true").returncode == 2
    assert told("exec", "--", "true").returncode == 2


@pytest.mark.tier("plain")
def test_not_allowed() -> None:
    """What the caller may not look into says so, with what it would take."""
    done = told("exec", "1", "--", "true")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_where_one_is_already(other: int) -> None:
    """Where nothing is to be entered, nothing is started: it would run outside."""
    for line in ([str(os.getpid())], [str(other), "--type", "net,ipc"]):
        done = told("exec", *line, "--", "echo", "outside")
        assert (done.returncode, done.stdout) == (1, "")
        assert "is where you are" in done.stderr
    assert f"{other} (net, ipc) is where" in done.stderr


@ROOT
def test_not_a_container() -> None:
    """A cgroup of another user is no container, whatever it is called."""
    name = f"pyns-{os.getpid()}"
    with cgroup(f"lxc.payload.{name}") as group, holder("mnt") as pid:
        (group / "cgroup.procs").write_text(str(pid))
        line = ["exec", f"container:{name}", "--", "readlink", "/proc/self/ns/mnt"]
        assert told(*line).stdout == os.readlink(f"/proc/{pid}/ns/mnt") + "\n"
        os.chown(group, 65534, 65534)
        done = told(*line)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"lxc.payload.{name}' is a cgroup of user 65534" in done.stderr
