"""What a TARGET and a list of types may be, on the command line."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from containers import netns
from starting import ROOT, read_line
from support import own, own_all

from pynamespaces import NamespaceGoneError, NamespaceType, NoSuchNamespaceError
from pynamespaces._core import inits
from pynamespaces.cli.failures import Failure
from pynamespaces.cli.targets import (
    TARGET,
    TYPES,
    Target,
    Types,
    open_target,
    parse_target,
    parse_types_text,
    pid_of,
    types_option,
)

__all__ = ["netns"]

T = NamespaceType

CONTEXT = click.Context(click.Command("x"))
PARAMETER = click.Argument(["x"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _completed(word: str) -> list[str]:
    return [i.value for i in TARGET.shell_complete(CONTEXT, PARAMETER, word)]


# --- what it is ---


@pytest.mark.parametrize(
    ("text", "kind", "name", "pid"),
    [
        ("1", "pid", "1", 1),
        ("2147483647", "pid", "2147483647", 2147483647),
        ("./1234", "path", "./1234", None),
        ("-5", "path", "-5", None),
        ("١٢", "path", "١٢", None),
        ("/proc/12/ns/net", "path", "/proc/12/ns/net", 12),
        ("/proc/12/task/34/ns/net", "path", "/proc/12/task/34/ns/net", 34),
        ("/proc/self/ns/net", "path", "/proc/self/ns/net", None),
        ("/run/netns/x", "path", "/run/netns/x", None),
        ("netns:blue", "netns", "blue", None),
        ("netns:a:b", "netns", "a:b", None),
        ("container:1234", "container", "1234", None),
        ("docker:web", "path", "docker:web", None),
        ("\udcff", "path", "\udcff", None),
    ],
)
def test_kinds(text: str, kind: str, name: str, pid: int | None) -> None:
    """Digits are a pid, a prefix says what it is, and the rest are paths."""
    target = parse_target(text)
    assert (str(target), target.kind, target.name) == (text, kind, name)
    assert pid_of(target) == pid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "2147483648",
        "9" * 5000,
        "netns:",
        "netns:a/b",
        "netns:..",
        "container:",
    ],
)
def test_what_it_cannot_be(text: str) -> None:
    """What can be no target is a wrong command line, before anything is opened."""
    with pytest.raises(click.BadParameter) as caught:
        TARGET.convert(text, None, None)
    assert caught.value.exit_code == 2


def test_read_already() -> None:
    """What has been read is taken as it is."""
    target = Target("1", "pid", "1")
    assert TARGET.convert(target, None, None) is target
    assert TYPES.convert((T.NET,), None, None) == (T.NET,)


# --- opening ---


def test_process() -> None:
    """A process has all types, or those that are asked for."""
    target = parse_target(str(os.getpid()))
    with closing(open_target(target)) as found:
        mine = own_all()
        assert {str(t): str(n.id) for t, n in found.items()} == {
            type: link for type, link in mine.items() if "_for_" not in type
        }
    with closing(open_target(target, (T.UTS, T.NET))) as found:
        assert [*found] == [T.UTS, T.NET]


def test_one_namespace() -> None:
    """A path has one type; to ask for another is an error that names what it has."""
    target = parse_target("/proc/thread-self/ns/net")
    types: Types
    for types in ((), (T.NET,)):
        with closing(open_target(target, types)) as found:
            assert [*found] == [T.NET]
            assert (found["net"].id.dev, found["net"].id.ino) == own("net")
    for types in ((T.MNT,), (T.NET, T.MNT, T.UTS)):
        with pytest.raises(Failure, match="of type net, and has no mnt") as caught:
            open_target(target, types)
        assert caught.value.hint is not None


def test_number_as_a_file(here: Path) -> None:
    """A number is a pid, even if there is such a file; ``./`` makes it that file."""
    (here / str(os.getpid())).symlink_to("/proc/thread-self/ns/uts")
    with closing(open_target(parse_target(str(os.getpid())))) as found:
        assert len(found) > 1
    with closing(open_target(parse_target(f"./{os.getpid()}"))) as found:
        assert [*found] == [T.UTS]


@ROOT
def test_name(netns: str) -> None:
    """A name is opened as one of net; where it is no path, it is suggested."""
    with closing(open_target(parse_target(f"netns:{netns}"))) as found:
        assert found["net"].id.ino == os.stat(f"/run/netns/{netns}").st_ino
    for text in (netns, f"net:{netns}"):
        with pytest.raises(Failure) as caught:
            open_target(parse_target(text))
        assert caught.value.hint == f"did you mean netns:{netns}?"
    assert f"netns:{netns}" in _completed("netns:")


def test_nothing_there(here: Path) -> None:
    """A word that is nothing says what it may be; a path says that it is not there."""
    with pytest.raises(Failure, match="'blue'") as caught:
        open_target(parse_target("blue"))
    assert "container:ID" in str(caught.value.hint)
    for text in ("./blue", "netns:no such name"):
        with pytest.raises(NoSuchNamespaceError):
            open_target(parse_target(text))


def test_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container is opened by its first process; one that is not clear is told."""
    with pytest.raises(NamespaceGoneError):
        open_target(parse_target("container:no such container"))
    found = {"web": os.getpid()}

    def open_init(name: str) -> int:
        if name not in found:
            raise ValueError(f"several are called {name!r}")
        return os.pidfd_open(found[name])

    monkeypatch.setattr(inits, "open_init", open_init)
    with closing(open_target(parse_target("container:web"), (T.NET,))) as opened:
        assert [*opened] == [T.NET]
        assert (opened["net"].id.dev, opened["net"].id.ino) == own("net")
    with pytest.raises(Failure, match="several are called 'w'"):
        open_target(parse_target("container:w"))


# --- types ---


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("net", (T.NET,)),
        ("net,mnt", (T.NET, T.MNT)),
        (" NET , uts ", (T.NET, T.UTS)),
        ("cgroup,ipc,mnt,net,pid,time,user,uts", (*T,)),
    ],
)
def test_lists(text: str, types: Types) -> None:
    """Types are separated by commas."""
    assert parse_types_text(text) == types


@pytest.mark.parametrize("text", ["", ",", "net,", "foo", "net;mnt", "net mnt"])
def test_no_type(text: str) -> None:
    """What is no type is refused, naming the eight."""
    with pytest.raises(ValueError, match="cgroup, ipc, mnt, net, pid, time, user, uts"):
        parse_types_text(text)


def test_option() -> None:
    """The option may be given again; each type comes once, in the order given."""

    @click.command()
    @types_option("-t", "--type", "types", help="")
    def command(types: Types) -> None:
        click.echo(" ".join(types))

    run = CliRunner().invoke
    assert run(command, ["-t", "uts,net", "--type=net", "-t", "mnt"]).output == (
        "uts net mnt\n"
    )
    assert run(command, []).output == "\n"
    done = run(command, ["-t", "net,foo"])
    assert done.exit_code == 2
    assert "'foo' is no namespace type" in done.output


# --- completion ---


def test_completed_pids() -> None:
    """A shell is told of processes that begin so, and leaves paths to files."""
    pid = str(os.getpid())
    items = TARGET.shell_complete(CONTEXT, PARAMETER, pid)
    (own,) = [item for item in items if item.value == pid]
    comm = Path("/proc/self/comm").read_text().rstrip("\n")
    assert own.help == comm
    assert all(item.value.startswith(pid) for item in items)
    for word in ("/proc/", "./x", "."):
        (item,) = TARGET.shell_complete(CONTEXT, PARAMETER, word)
        assert (item.value, item.type) == (word, "file")


def test_hostile_name_is_not_shown() -> None:
    """The name of a process that could disturb a terminal is left out."""
    script = "printf '\\033[2J' > /proc/$$/comm; echo ready; read x"
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", script], stdin=pipe, stdout=pipe) as process:
        assert read_line(process.stdout) == b"ready\n"
        (item,) = [
            item
            for item in TARGET.shell_complete(CONTEXT, PARAMETER, str(process.pid))
            if item.value == str(process.pid)
        ]
        assert item.help is None
        process.communicate(b"\n")


def test_completed_types() -> None:
    """A list of types is completed at its end, with those not in it."""
    found = TYPES.shell_complete(CONTEXT, PARAMETER, "net,u")
    assert [item.value for item in found] == ["net,user", "net,uts"]
    found = TYPES.shell_complete(CONTEXT, PARAMETER, "user,u")
    assert [item.value for item in found] == ["user,uts"]
