"""A program that says where it is and as what, started by another tool and by us."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from coming import ON_COMMAND_LINE, Row, commanded, words_of
from starting import TYPES as ALL_TYPES
from support import TIER, own_all, program

from pynamespaces import IdMap, Popen

HOSTNAME, GREETING = "target", "hello"

UID: Final = 1000 if TIER == "root" else 0
"""An id that the target's user namespace has."""

_LINKS: Final = " ".join(f"/proc/self/ns/{type}" for type in ALL_TYPES)
_NAMES: Final = ("status", "uid_map", "gid_map", "setgroups", "timens_offsets")
_FILES: Final = " ".join(f"/proc/self/{name}" for name in (*_NAMES, "mountinfo"))
_FIELDS: Final = ("Uid", "Gid", "Groups", "CapEff", "NoNewPrivs")

# As few processes as can be: there are many such programs.
WITNESS: Final = [
    "sh",
    "-c",
    f"""
    readlink {_LINKS}
    echo "cwd:$(pwd)"; echo "env:$GREETING"; test $$ != 1 || echo init:
    tail -v -n +1 /proc/sys/kernel/hostname {_FILES}
    """,
]
"""The program."""


def facts(
    text: str, *, but: Sequence[str] = (), **known: Mapping[str, str]
) -> list[str]:
    """Return what a witness says, with names for the namespaces that are known."""
    for name, links in known.items():
        for link in links.values():
            text = text.replace(link, f"{link.split(':')[0]}: {name}")
    first, *files = re.sub(r":\[\d+\]", ": fresh", text).split("==> ")
    lines = first.splitlines()
    for file in files:
        path, *content = file.strip().splitlines()
        name = path.split()[0].rpartition("/")[2]
        if name == "status":
            lines += [line for line in content if line.startswith(_FIELDS)]
        elif name == "mountinfo":
            lines.append(f"shared:{sum(' shared:' in line for line in content)}")
        else:
            lines += [f"{name}: {line}" for line in content]
    lines = [" ".join(line.split()) for line in lines]
    return [line for line in lines if not line.startswith(tuple(but))]


class Like(NamedTuple):
    """The words for the tool that do the same, and which facts the page says differ."""

    words: str
    but: Sequence[str] = ()
    also: str = ""
    """What our program is to say in any case."""


def links_of(pid: int) -> dict[str, str]:
    """Return the namespaces of a process."""
    return {type: os.readlink(f"/proc/{pid}/ns/{type}") for type in ALL_TYPES}


@contextmanager
def target() -> Iterator[int]:
    """Run a process that has its own of each type."""
    ids = IdMap([(0, os.geteuid(), 1), (UID, UID, 1)][: 2 if UID else 1])
    with Popen(
        ["cat"],
        new=ALL_TYPES,
        uid_map=ids,
        gid_map=ids,
        init=False,
        mount_proc=False,
        hostname=HOSTNAME,
        cwd="/usr",
        env={**os.environ, "GREETING": GREETING},
        stdin=subprocess.PIPE,
    ) as process:
        yield process.pid


def names_for(pid: int) -> dict[str, object]:
    """Return what lines are about that no block of their page says."""
    return {
        "cmd": WITNESS,
        "uid": UID,
        "gid": UID,
        "path": f"/proc/{pid}/ns/net",
        "folder": "/",
        "env": {**os.environ, "GREETING": GREETING},
    }


def told_by(words: Sequence[str]) -> str:
    """Return what the witness says that another tool has started."""
    if words[0] == "nsenter" and TIER != "root" and {"-a", "-U"} & {*words}:
        # It would drop groups, which is denied; the program is 0:0 all the same.
        words = [words[0], "--preserve-credentials", *words[1:]]
    done = subprocess.run(
        [program(words[0]), *words[1:], *WITNESS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_alike(mine: str, tool: str, but: Sequence[str], pid: int) -> None:
    """Two witnesses were in the same namespaces, and as the same."""
    here, target = own_all(), links_of(pid)
    expected = facts(tool, but=but, target=target, here=here)
    assert facts(mine, but=but, target=target, here=here) == expected


def check_command(row: Row, pid: int, but: Sequence[str] = ()) -> None:
    """A command of ours does what the other tool's command does."""
    assert row.header == ON_COMMAND_LINE
    path = f"/proc/{pid}/ns/net"
    changes = {"1234": str(pid), "1000": str(UID), "/run/netns/blue": path}
    done = commanded(words_of(row.ours[0], WITNESS, changes)[1:])
    assert done.status == 0, done.out
    if "CMD" not in row.ours[0]:
        assert "pynamespaces" in done.out
        return
    theirs = words_of(row.known[0], [], changes)
    check_alike(done.out, told_by(theirs), but, pid)
