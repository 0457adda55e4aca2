"""What replaces ``ip netns``, and pyroute2's ``netns``, does what these do."""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest
from coming import (
    IN_PYTHON,
    ON_COMMAND_LINE,
    Row,
    commanded,
    rows,
    text_of,
    typed,
    words_of,
)
from naming import in_own_run, ip, ip_names
from starting import POWER
from support import module, program

from pynamespaces import Namespace, NetNamespace, Popen

IP, PYROUTE2 = "ip-netns", "pyroute2"

LINK: Final = ["readlink", "/proc/self/ns/net"]

GREEN: Final = "Namespace.from_pid(pid, 'net').pin('/run/netns/green')\n"

INSIDE: Final = "value = os.readlink('/proc/thread-self/ns/net')"

LINKS: Final = (
    "[x.get('ifname') for x in ipr.get_links()] == ['lo'] and not ipr.close()"
)

CHECKS: Final = {
    "ip netns": ("", "value == ip_names() == ['blue']"),
    "ip netns add green": ("", "ip_names() == ['blue', 'green']"),
    "ip netns attach green 1234": ("", "identified() == 'green'"),
    "ip netns delete blue": ("", "ip_names() == []"),
    "ip -all netns delete": (GREEN, "ip_names() == []"),
    "ip netns identify 1234": (GREEN, "value == identified() == 'green'"),
    "ip netns pids blue": (
        f"{GREEN}blue = Namespace.from_pid(pid, 'net')\n",
        "[str(p) for p in value] == ip('netns', 'pids', 'green').split()",
    ),
    "ip netns exec blue CMD": (
        "",
        "print(ip('netns', 'exec', 'blue', *cmd)) or value.returncode == 0",
    ),
    "ip -all netns exec CMD": (
        "",
        "print(ip('-all', 'netns', 'exec', *cmd)) or value[0].returncode == 0",
    ),
    "ip -n blue address": (
        "",
        "print(ip('-n', 'blue', 'address')) or not value.returncode",
    ),
    "netns.listnetns()": ("", "value == netns.listnetns() == ['blue']"),
    'netns.create("green")': ("", "sorted(netns.listnetns()) == ['blue', 'green']"),
    'netns.remove("blue")': ("", "netns.listnetns() == []"),
    'netns.attach("green", pid)': ("", "netns.pid_to_ns(pid) == 'green'"),
    'netns.getnsfd("blue")': ("", "same(value.fileno(), netns.getnsfd('blue'))"),
    'netns.setns("blue")': (INSIDE, "value != str(blue.id) == os.readlink(link)"),
    'netns.pushns("blue")': ("", "value == str(blue.id) != os.readlink(link)"),
    'netns.create_socket("blue", AF_INET, SOCK_STREAM)': (
        "",
        "NetNamespace.from_socket(value) == blue and value.family == AF_INET",
    ),
    "netns.ns_pids()": (GREEN, "[*value['green']] == netns.ns_pids()['green']"),
    "netns.pid_to_ns(pid)": (GREEN, "value == netns.pid_to_ns(pid) == 'green'"),
    'NSPopen("blue", cmd)': ("", "print(blue.id) or value.wait() == 0"),
    'NetNS("blue")': ("", LINKS),
    'IPRoute(netns="blue")': ("", LINKS),
}
"""What is done before a line, and what is to be true after it."""


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    """A process that has its own network."""
    with Popen(["cat"], new=("user", "net"), stdin=subprocess.PIPE) as process:
        yield process.pid


def same(first: int, second: int) -> bool:
    """Return whether two descriptors are of one namespace."""
    return os.path.samestat(os.fstat(first), os.fstat(second))


def python_rows() -> list[object]:
    """Return the lines in Python of both pages."""
    found = [*rows(IP, IN_PYTHON), *rows(PYROUTE2, IN_PYTHON)]
    return [pytest.param(row, id=row.id) for row in found]


@POWER
@pytest.mark.parametrize("row", python_rows())
def test_python(row: Row, pid: int) -> None:
    """A line does what the other tool does, which sees it too."""
    if row.page == IP:
        program("ip")
    before, check = CHECKS[row.known[0]]
    names: dict[str, object] = {
        "cmd": LINK,
        "link": "/proc/thread-self/ns/net",
        "os": os,
        "same": same,
        "ip": ip,
        "ip_names": ip_names,
        "identified": lambda: ip("netns", "identify", str(pid)).strip(),
    }
    if row.page == PYROUTE2:
        names["netns"] = module("pyroute2.netns")
    text_of(row.page)  # while the file can be read
    code = row.ours[0]
    if code.endswith(": ..."):
        code = code.replace("...", INSIDE)
    elif before:
        code = f"{before}value = {code}" if before != INSIDE else f"{before}\n{code}"
    out = in_own_run(lambda: typed(row.page, code, pid, names, check))
    if "CMD" in row.id or "NSPopen" in row.id:
        mine, theirs = re.findall(r"net:\[\d+\]", out)
        assert mine == theirs


@POWER
@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.id) for row in rows(IP, ON_COMMAND_LINE)]
)
def test_commands(row: Row, pid: int) -> None:
    """A command does what the other tool's command does."""
    program("ip")
    words = words_of(row.ours[0], LINK, {"1234": str(pid)})

    def inside() -> tuple[str, str, list[str]]:
        NetNamespace.create("blue").close()
        if "identify" in row.id:
            Namespace.from_pid(pid, "net").pin("/run/netns/blue2")
        done = commanded(words[1:])
        assert done.status == 0, done.out
        theirs = words_of(row.known[0], LINK, {"1234": str(pid)})[1:]
        asked = any(word in row.id for word in ("list", "identify", "pids", "exec"))
        return done.out, ip(*theirs) if asked else "", ip_names()

    mine, theirs, names = in_own_run(inside)
    assert set(theirs.split()) <= set(mine.split())
    expected = {"add": ["blue", "green"], "attach": ["blue", "green"], "delete": []}
    verb = row.known[0].split()[2]
    assert names == expected.get(
        verb, ["blue", "blue2"] if verb == "identify" else ["blue"]
    )


def test_all_are_tested() -> None:
    """No line with code is left out."""
    found = [*rows(IP, IN_PYTHON), *rows(PYROUTE2, IN_PYTHON)]
    assert [row.known[0] for row in found] == [*CHECKS]
