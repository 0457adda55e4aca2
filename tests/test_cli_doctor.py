"""``pynamespaces doctor``: what this caller can do, for people and as JSON."""

import json
import os

import pytest
from commanding import lines_on_terminal, pynamespaces
from holding import holder

from pynamespaces import NamespaceType
from pynamespaces.cli import command, doctor
from pynamespaces.probing import Access, Explanation, Operation, Outcome, Support

REASON = "the sysctl user.max_net_namespaces is 0, and " + "so on " * 20
SOME = Support(
    [
        Operation("new", NamespaceType.NET, "make one", False, REASON, "raise it"),
        Operation("join", NamespaceType.NET, "start a program in it", True),
        Operation("new", NamespaceType.UTS, "make one", False, REASON, "raise it"),
        Operation("clone3", None, "clone3(2)", False, "a filter forbids it"),
    ]
)


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.partition("\n\n")[0].splitlines()]


def test_here() -> None:
    """It says of each type and operation whether it works, as it was tried."""
    done = pynamespaces("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    operations = json.loads(done.stdout)["operations"]
    assert {each["type"] for each in operations} == {*NamespaceType, None}
    assert all(each["works"] or each["reason"] for each in operations)


def test_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is a table of types, and each reason once, with its hint."""
    monkeypatch.setattr(doctor, "support", lambda: SOME)
    assert command(["doctor"]) == 0
    printed = capsys.readouterr().out
    head, *rows = _rows(printed)
    assert head == ["TYPE", "NEW", "JOIN"]
    assert ["net", "no", "yes"] in rows
    assert ["uts", "no", "-"] in rows
    assert ["ipc", "-", "-"] in rows
    assert "clone3     no     clone3(2)\n" in printed
    why = printed.partition("Why not:\n")[2]
    assert why == (
        f"  new (net, uts)\n    {REASON.strip()}\n    hint: raise it\n"
        "  clone3\n    a filter forbids it\n"
    )


def test_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be about some types only."""
    monkeypatch.setattr(doctor, "support", lambda: SOME)
    assert command(["doctor", "--type", "uts"]) == 0
    printed = capsys.readouterr().out
    assert [row[0] for row in _rows(printed)] == ["TYPE", "uts"]
    assert "clone3" not in printed
    assert command(["doctor", "--type", "uts", "--json"]) == 0
    (each,) = json.loads(capsys.readouterr().out)["operations"]
    assert each["type"] == "uts"


def test_target() -> None:
    """Of a target, it says which namespaces could be entered and joined."""
    with holder("user", "uts") as made:
        done = pynamespaces("doctor", str(made.pid))
        inode = os.stat(f"/proc/{made.pid}/ns/uts").st_ino
    assert done.returncode == 0, done.stderr
    head, *rows = _rows(done.stdout)
    assert head == ["TYPE", "NS", "OURS", "ENTER", "JOIN"]
    found = {row[0]: row[1:] for row in rows}
    assert found["uts"][:2] == [str(inode), "no"]
    assert found["net"][1:] == ["yes", "yes", "yes"]
    assert found["user"][2] == "no"
    assert "Why not:" in done.stdout


def test_target_as_json() -> None:
    """The same as JSON."""
    done = pynamespaces("doctor", str(os.getpid()), "--type", "net,uts", "--json")
    plain = json.loads(done.stdout)
    assert [each["type"] for each in plain["namespaces"]] == ["net", "uts"]
    assert plain["enter"]["works"]


def test_target_that_may_not_be_looked_into(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing is known of a namespace, there is its type and the reason."""
    why = Outcome(False, "ptrace access is refused")
    refused = [Access(type, None, False, why, why) for type in NamespaceType]
    made = Explanation(refused, why, why)
    monkeypatch.setattr(doctor, "explain", lambda *_: made)
    assert command(["doctor", "1"]) == 0
    printed = capsys.readouterr().out
    assert ["net", "-", "no", "no", "no"] in _rows(printed)
    assert printed.count("ptrace access is refused") == 1


@pytest.mark.parametrize("width", [80, 160])
def test_on_a_terminal(width: int) -> None:
    """On a terminal nothing is cut: reasons go on in the next line."""
    lines = lines_on_terminal("doctor", width=width, height=100)
    assert not any("…" in line for line in lines)
    assert max(map(len, lines)) <= width
