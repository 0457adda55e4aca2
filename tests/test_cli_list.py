"""``pynamespaces list``: the table, its filters and columns, JSON and pictures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import inventories
import pytest
from commanding import check_harmless, found, pynamespaces
from holding import Holder, holder

from pynamespaces import NamespaceType
from pynamespaces.cli import columns, command
from pynamespaces.inventory import Inventory, Unreadable

DEFAULT = "NS TYPE PROCS PID USER NAME COMMAND"


@pytest.fixture(scope="module")
def held() -> Iterator[Holder]:
    """A process in three namespaces of its own, whoever runs the tests."""
    with holder("user", "net", "uts") as made:
        yield made


def _inode(pid: int, type: str) -> str:
    return str(os.stat(f"/proc/{pid}/ns/{type}").st_ino)


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_table(held: Holder) -> None:
    """There is a line for each namespace, with who is in it."""
    done = pynamespaces("list")
    assert done.returncode == 0, done.stderr
    head, *rows = _rows(done.stdout)
    assert " ".join(head) == DEFAULT
    assert {row[1] for row in rows} == {str(type) for type in NamespaceType}
    (row,) = [row for row in rows if row[0] == _inode(held.pid, "uts")]
    # Its parent is in it too, and older.
    leader = Path(f"/proc/{held.pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert row[1:4] == ["uts", "2", leader]
    assert "pytest" in " ".join(row[6:])


def test_type(held: Holder) -> None:
    """Types are separated by commas, or given one by one."""
    for options in (["--type", "net,UTS"], ["-t", "net", "-t", "uts,net"]):
        rows = _rows(pynamespaces("list", *options).stdout)[1:]
        assert {row[1] for row in rows} == {"net", "uts"}
        assert _inode(held.pid, "net") in {row[0] for row in rows}


def test_pid(held: Holder) -> None:
    """Of a process there is each namespace, once."""
    rows = _rows(pynamespaces("list", "--pid", str(held.pid)).stdout)[1:]
    expected = [[_inode(held.pid, type), type] for type in sorted(NamespaceType)]
    assert [row[:2] for row in rows] == expected


def test_owner(held: Holder) -> None:
    """Of a user namespace there is what it owns, however its id is written."""
    owner = _inode(held.pid, "user")
    for text in (owner, f"user:[{owner}]"):
        done = pynamespaces("list", "--owner", text, "--columns", "type,owner")
        assert _rows(done.stdout)[1:] == [["net", owner], ["uts", owner]]


def test_filters_together(held: Holder) -> None:
    """Of several filters all hold."""
    owner = _inode(held.pid, "user")
    options = ("--pid", str(held.pid), "--owner", owner, "--type", "net,ipc")
    rows = _rows(pynamespaces("list", *options).stdout)[1:]
    assert [row[0] for row in rows] == [_inode(held.pid, "net")]


def test_columns(held: Holder) -> None:
    """The columns are those that were asked for, in that order."""
    done = pynamespaces(
        *("list", "--pid", str(held.pid), "--type", "net"),
        *("--columns", "TYPE,ns,owner,uid,unique,path"),
    )
    head, row = _rows(done.stdout)
    assert head == ["TYPE", "NS", "OWNER", "UID", "UNIQUE", "PATH"]
    assert row[:4] == [
        *("net", _inode(held.pid, "net"), _inode(held.pid, "user"), str(os.getuid())),
    ]
    assert os.stat(row[5]).st_ino == int(row[1])


def test_every_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each column has something to say, of an inventory that has everything."""
    found(monkeypatch, inventories.nested())
    for line in columns.HELP.splitlines():
        name = line.split()[0]
        assert command(["list", "--columns", name]) == 0
        head, *cells = capsys.readouterr().out.splitlines()
        assert head.strip() == name.upper()
        assert set(map(str.strip, cells)) - {"-", "0"}, name


@pytest.mark.parametrize("name", ["nested", "hostile"])
def test_lines_can_be_split(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever names hold, a line has as many words as there are columns."""
    found(monkeypatch, getattr(inventories, name)())
    assert command(["list", "-o", "ns,container,name,pins,user,type"]) == 0
    printed = capsys.readouterr().out
    check_harmless(printed)
    assert {len(row) for row in _rows(printed)} == {6}


def test_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Away from a terminal a line is as long as it must be."""
    long = inventories.process(1, 0, "x")._replace(arguments=("word " * 1000,))
    found(monkeypatch, Inventory(inventories.initial(1), [long]))
    assert command(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()[1]) > 5000


def test_why_it_is_alive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a namespace without processes, it says what else keeps it."""
    found(monkeypatch, inventories.nested())
    assert command(["list", "-t", "net,uts,time"]) == 0
    printed = capsys.readouterr().out
    assert r"(pinned: /run/a \xff\nb)" in printed
    assert "(thread 103)" in printed
    assert "(children of 100 </script> are born here)" in printed


def test_json(held: Holder) -> None:
    """The JSON is that of an inventory, and can be read back as one."""
    done = pynamespaces("list", "--json", "--pid", str(held.pid))
    inventory = Inventory.from_json(done.stdout)
    assert [record.type for record in inventory] == sorted(NamespaceType)
    process = inventory.process(held.pid)
    assert process is not None
    assert process.namespaces == {record.type: record.id for record in inventory}


def test_unreadable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How much could not be read is one line of standard error, and in the JSON."""
    places = [Unreadable(f"/proc/{pid}/ns", "Permission denied") for pid in (5, 6)]
    places += [Unreadable("/proc/5/fd", "Permission denied"), Unreadable("mounts", "x")]
    found(monkeypatch, Inventory(unreadable=places))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command(["list"]) == 0
    assert capsys.readouterr().err == (
        "pynamespaces: 2 processes and 1 other place could not be read (Permission "
        "denied); root sees all\n"
    )
    assert command(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["unreadable"]
    assert listed == [place._asdict() for place in places]


@pytest.mark.parametrize(("form", "start"), [("dot", "digraph"), ("html", "<!")])
def test_picture(form: str, start: str, tmp_path: Path) -> None:
    """A picture is written to a file, or printed."""
    path = tmp_path / "picture"
    done = pynamespaces("list", f"--{form}", str(path), "--type", "net")
    assert (done.returncode, done.stdout) == (0, "")
    assert path.read_text().lower().startswith(start)
    printed = pynamespaces("list", f"--{form}", "-", "--type", "net")
    assert printed.stdout.lower().startswith(start)


def test_picture_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be written is named."""
    found(monkeypatch, inventories.small())
    assert command(["list", "--dot", "/dev/full"]) == 1
    assert capsys.readouterr().err == (
        "pynamespaces: cannot write '/dev/full': No space left on device\n"
    )


def test_process_that_could_not_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A filter for a process that is hidden is a failure, not an empty table."""
    found(monkeypatch, inventories.nested())
    assert command(["list", "--pid", "300"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "300 (hidden) could not be read" in printed.err
    assert "hint: " in printed.err
