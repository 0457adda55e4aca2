"""``pynamespaces show``: all about one process, namespace or container."""

import json
import os
from collections.abc import Iterator

import inventories
import pytest
from commanding import check_harmless, check_refusal, found, pynamespaces
from holding import Holder, holder
from support import TIER

from pynamespaces import NamespaceType
from pynamespaces.cli import command, details
from pynamespaces.inventory import Inventory, NamespaceRecord


@pytest.fixture(scope="module")
def held() -> Iterator[Holder]:
    """A process in namespaces of its own, whoever runs the tests."""
    with holder("user", "net", "pid") as made:
        yield made


def _inode(pid: int, type: str) -> int:
    return os.stat(f"/proc/{pid}/ns/{type}").st_ino


def _facts(text: str) -> dict[str, str]:
    """Return what stands behind each name, before the first table."""
    block = text.partition("\n\n")[0].splitlines()[1:]
    return {line[2:14].strip(): line[15:] for line in block}


def test_process(held: Holder) -> None:
    """Of a process: who it is, and its namespaces, with whether they are ours."""
    done = pynamespaces("show", str(held.pid))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"process {held.pid}\n")
    facts = _facts(done.stdout)
    assert facts["user"].endswith(f"({os.getuid()})")
    assert "pytest" in facts["command"]
    assert facts["pids"].startswith(f"{held.pid} = 1,")
    head, *rows = [
        line.split() for line in done.stdout.partition("\n\n")[2].splitlines()
    ]
    assert head == ["TYPE", "NS", "OURS", "PROCS", "OWNER", "LEADER"]
    assert [row[:2] for row in rows] == [
        [type, str(_inode(held.pid, type))] for type in sorted(NamespaceType)
    ]
    differing = [row[0] for row in rows if row[2] == "no"]
    assert differing == ["net", "pid", "user"]


def test_process_as_json(held: Holder) -> None:
    """The same as JSON."""
    done = pynamespaces("show", str(held.pid), "--json")
    plain = json.loads(done.stdout)
    assert plain["target"] == str(held.pid)
    assert plain["process"]["pids"] == [held.pid, 1]
    found = {each["type"]: each["ns"] for each in plain["namespaces"]}
    assert found == {type: _inode(held.pid, type) for type in NamespaceType}
    assert "unreadable" in plain


@pytest.mark.parametrize("form", ["path", "type"])
def test_namespace(form: str, held: Holder) -> None:
    """Of one namespace: its owner, what belongs to it, and who is in it."""
    target = {
        "path": [f"/proc/{held.pid}/ns/user"],
        "type": [str(held.pid), "--type", "user"],
    }[form]
    done = pynamespaces("show", *target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"user:[{_inode(held.pid, 'user')}]\n")
    facts = _facts(done.stdout)
    assert facts["owner"].startswith(f"user:[{os.stat('/proc/self/ns/user').st_ino}]")
    assert facts["has"] == "1 net, 1 pid"
    assert facts["processes"] == "2"
    rows = [line.split() for line in done.stdout.partition("\n\n")[2].splitlines()]
    assert rows[0] == ["PID", "USER", "COMMAND"]
    assert str(held.pid) in {row[0] for row in rows}


def test_pid_namespace(held: Holder) -> None:
    """Of a pid namespace, the processes have what they are called inside."""
    done = pynamespaces("show", f"/proc/{held.pid}/ns/pid")
    rows = [line.split() for line in done.stdout.partition("\n\n")[2].splitlines()]
    assert rows[0][:3] == ["PID", "INSIDE", "USER"]
    assert rows[1][:2] == [str(held.pid), "1"]


def test_descriptor_is_not_ours(held: Holder) -> None:
    """The command itself is not found to hold what it shows."""
    path = f"/proc/{held.pid}/ns/net"
    plain = json.loads(pynamespaces("show", path, "--json").stdout)
    assert plain["namespaces"][0]["descriptors"] == []
    with open(path, "rb") as opened:
        facts = _facts(pynamespaces("show", path).stdout)
        assert facts["descriptor"].startswith(f"{opened.fileno()} of {os.getpid()} ")


def test_process_of_another() -> None:
    """A process that may not be looked into is refused in one line."""
    if TIER != "plain":
        pytest.skip("whoever has power may")
    check_refusal(pynamespaces("show", "1"), 1, "1", "may not")


def test_all_of_a_namespace() -> None:
    """Everything that keeps a namespace is told."""
    inventory = inventories.nested()
    (net,) = [record for record in inventory if record.name == "red </script>"]
    lines = [
        "".join(text for text, _ in line)
        for line in details.of_namespace(net, inventory)
    ]
    facts = [line.split(None, 1) for line in lines[1:]]
    *facts, (last, path) = facts
    assert last == "pin"
    assert path.startswith('/run/"</script>')
    assert facts == [
        ["name", "red </script>"],
        ["unique", "id    431"],
        ["owner", "user:[4026532302], of root (0)"],
        ["processes", "0"],
        ["descriptor", "3 of 100 /bin/</script>"],
        ["descriptor", "12 of 200 /bin/deeper"],
        ["socket", '7 of 50 /bin/we"b\n\x1b[2J'],
        ["pin", "/run/a \udcff\nb, in mnt:[4026532321]"],
    ]


def test_names_are_harmless(
    held: Holder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever processes are called, no terminal obeys it."""
    namespaces: list[NamespaceRecord] = []
    processes = []
    for type in NamespaceType:
        id = inventories.named(type, _inode(held.pid, type))
        facts = os.stat(f"/proc/{held.pid}/ns/{type}")
        id = type_id = id.__class__(type, facts.st_dev, id.ino)
        namespaces.append(inventories.record(type_id, None, 1, held.pid))
    for pid in (1, held.pid):
        process = inventories.process(pid, 0, inventories.HOSTILE[0])
        processes.append(process._replace(arguments=inventories.HOSTILE))
    found(monkeypatch, Inventory(namespaces, processes))
    for words in ([str(held.pid)], [str(held.pid), "--type", "net"]):
        assert command(["show", *words]) == 0
        printed = capsys.readouterr().out
        assert r"\x1b[31m" in printed
        check_harmless(printed)
