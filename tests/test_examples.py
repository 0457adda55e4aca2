"""The programs of the folder ``examples`` do what the page about them says."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from containers import Container, bwrap, runc
from exemplary import (
    EXAMPLES,
    PAGE,
    check_refusal,
    check_typed_in,
    example,
    in_run_of,
    shown,
)
from naming import in_own_run
from old_kernels import need_filters
from provoking import need_own_user
from starting import POWER, ROOT, eventually
from support import program

from pynamespaces import Namespace, NetNamespace, Popen

SOCKETS: Final = (
    (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET6, "::1", "[::1]"),
)


def test_all_are_shown() -> None:
    """The page has each program, and nothing else of the folder."""
    page = PAGE.read_text()
    included = re.findall(
        r"^```{literalinclude} \.\./examples/(.*)$", page, re.MULTILINE
    )
    assert sorted(included) == sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_network_lab(tmp_path: Path) -> None:
    """Hosts reach each other over the router, which is one hop away from each."""
    need_own_user()
    check_typed_in("A network lab", tmp_path)


def test_no_network_lab() -> None:
    """Where there can be no lab, that is said in one line."""
    need_own_user()
    done = example("network_lab", machine="no more user namespaces")
    check_refusal(done, 1, "network_lab: there can be no lab here: [Errno 28]")


@contextmanager
def listeners(net: NetNamespace) -> Iterator[list[str]]:
    """Have sockets in a network; give those that listen as they are to be listed."""
    with ExitStack() as stack:
        expected = []
        for family, host, written in SOCKETS:
            server = net.create_server((host, 0), family=family)
            stack.enter_context(server)
            target = server.getsockname()[:2]
            # Neither of the two waits for others.
            stack.enter_context(net.create_connection(target))
            other = stack.enter_context(net.socket(family, socket.SOCK_DGRAM))
            other.connect(target)
            waiting = stack.enter_context(net.socket(family, socket.SOCK_DGRAM))
            waiting.bind((host, 0))
            expected += [
                f"tcp {written}:{target[1]}",
                f"udp {written}:{waiting.getsockname()[1]}",
            ]
        yield expected


def rows(output: str, network: str | int) -> list[list[str]]:
    """Return the words of the lines about a network."""
    found = [line.split() for line in output.splitlines()[1:]]
    return [words for words in found if words[0] == str(network)]


@contextmanager
def own_network() -> Iterator[NetNamespace]:
    """Have a process in a network, both of an ordinary user's making."""
    with (
        Popen(["cat"], new=("user", "net"), stdin=subprocess.PIPE) as process,
        closing(process.namespaces) as namespaces,
    ):
        net = namespaces["net"]
        assert isinstance(net, NetNamespace)
        yield net


@contextmanager
def sandbox_network(folder: Path) -> Iterator[NetNamespace]:
    """Have the network of a bubblewrap sandbox."""
    with (
        bwrap(folder) as sandbox,
        closing(Namespace.from_pid(sandbox.pid, "net")) as net,
    ):
        yield net


@pytest.mark.parametrize("kind", ["own", "bwrap"])
def test_container_ss(kind: str, tmp_path: Path) -> None:
    """All that listens in a network is listed, with who has it, and nothing else."""
    need_own_user()
    made = own_network() if kind == "own" else sandbox_network(tmp_path)
    with made as net, listeners(net) as expected:
        done = example("container_ss")
        found = rows(done.stdout, net.id.ino)
    assert done.returncode == 0, done.stderr
    assert sorted(" ".join(words[1:3]) for words in found) == sorted(expected)
    name = Path("/proc/self/comm").read_text().strip()
    assert {words[3] for words in found} == {f"{name!r}/{os.getpid()}"}


@POWER
def test_container_ss_by_name() -> None:
    """A network without a process is listed by its name."""

    def look() -> None:
        with (
            closing(NetNamespace.create("blue", loopback=True)) as net,
            listeners(net) as expected,
        ):
            net.close()
            found = rows(example("container_ss").stdout, "blue")
            assert sorted(" ".join(words[1:3]) for words in found) == sorted(expected)
        NetNamespace.delete("blue")

    in_own_run(look)


@ROOT
def test_container_ss_of_a_container(tmp_path: Path) -> None:
    """A server in a container is listed with the name of that."""
    with runc(tmp_path) as container:
        (tmp_path / "rootfs/bin/nc").symlink_to("busybox")
        with serving(tmp_path, container):
            network = container.identity("net")[1]
            output = in_run_of(tmp_path, lambda: example("container_ss").stdout)
    [words] = rows(output, network)
    assert words[1:3] == ["tcp", "[::]:80"]
    assert words[3].startswith("'nc'/")
    assert words[4] == "web"
    assert shown(" ".join(words)) in shown(PAGE.read_text())


@contextmanager
def serving(folder: Path, container: Container) -> Iterator[None]:
    """Have a server in a container of runc's."""
    [state] = (folder / "state").iterdir()
    command = [program("runc"), "--root", str(state.parent), "exec", state.name]
    sockets = Path(f"/proc/{container.pid}/net/tcp6")
    with subprocess.Popen([*command, "nc", "-l", "-p", "80"], stdin=subprocess.DEVNULL):
        eventually(lambda: ":0050 " in sockets.read_text())
        yield
        # It ends with its first client.
        with closing(Namespace.from_pid(container.pid, "net")) as net:
            net.create_connection(("127.0.0.1", 80)).close()


@pytest.mark.tier("plain")
def test_container_ss_says_what_is_missing() -> None:
    """Who may not look at everything is told so."""
    done = example("container_ss")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("not seen: ")
    assert shown(done.stderr) in shown(PAGE.read_text())


@POWER
def test_no_container_ss() -> None:
    """Where there is no /proc, that is said in one line."""
    need_filters()
    need_own_user()
    done = example("container_ss", machine="no /proc")
    check_refusal(done, 1, "container_ss: nothing can be seen here: [Errno 2]")
