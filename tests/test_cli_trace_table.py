"""``pynamespaces trace``: the table, on terminals and elsewhere."""

import re

import pytest
from commanding import check_harmless
from happenings import (
    CLONED,
    ENTERED,
    EVERY,
    REFUSED,
    SHOWN,
    UNSHARED,
    FakeTrace,
    Gives,
    gives,
)
from rich.cells import cell_len

from pynamespaces.cli import command, output
from pynamespaces.tracing import TraceEvent

Printed = pytest.CaptureFixture[str]

__all__ = ["gives"]


def _on_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))


@pytest.mark.parametrize("width", [80, 160])
def test_table_is_aligned(
    width: int, gives: Gives, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal what follows each other is below each other, and fits."""
    _on_terminal(monkeypatch, width)
    gives(FakeTrace([[ENTERED, REFUSED], [UNSHARED, CLONED]]))
    assert command(["trace"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, [head, *rows])) <= width
    events = [row for row in rows if row[0] != " "]
    assert len(events) == 4
    for title in ("CALL", "RESULT"):
        start = head.index(title)
        for row in events:
            assert row[start - 2 : start] == "  "
            assert row[start] != " "
    for row, pid in zip(events, (4242, 4242, 4243, 4244), strict=True):
        assert row[: head.index("PID") + 3].endswith(f" {pid}")
    assert "NEWNS|NEWUSER|NEWNET" in events[2]


@pytest.mark.parametrize("width", [80, 160])
def test_every_change_can_be_read(
    width: int, gives: Gives, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow it is, no change is cut; those of one event are in a column."""
    _on_terminal(monkeypatch, width)
    gives(FakeTrace([[ENTERED, UNSHARED, CLONED]]))
    assert command(["trace"]) == 0
    printed = capsys.readouterr().out
    for text in (
        "net 4026531840 -> 4026532177\n",
        "mnt 4026531841 -> 4026532280 (new)\n",
        "net 4026531840 -> 4026532281 (new)\n",
        "user ? -> 4026532279 (new)\n",
        "uts 4026531838 -> 4026532290 (new?)\n",
    ):
        assert text in printed
    places = [
        found.start() for found in re.finditer(r"\w+ \S+ -> \d+ \(new\)", printed)
    ]
    columns = {place - printed.rindex("\n", 0, place) for place in places}
    assert (len(places), len(columns)) == (3, 1)


@pytest.mark.parametrize("width", [80, 160])
def test_long_calls_go_on_below(
    width: int, gives: Gives, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No flag is cut either."""
    _on_terminal(monkeypatch, width)
    gives(FakeTrace([[UNSHARED._replace(flags=0x7E020080, changes=())]]))
    assert command(["trace"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    column = slice(head.index("CALL"), head.index("RESULT"))
    flags = "NEWTIME|NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET"
    assert "".join(row[column].strip() for row in rows) == f"unshare({flags})"


@pytest.mark.parametrize("width", [None, 20, 80, 119, 120, 160])
def test_whatever_names_hold(
    width: int | None, gives: Gives, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a name no terminal obeys anything, however wide it is."""
    if width is not None:
        _on_terminal(monkeypatch, width)
    gives(FakeTrace([EVERY]))
    assert command(["trace", "--format", "table"]) == 0
    printed = capsys.readouterr()
    check_harmless(printed.out)
    check_harmless(printed.err)
    if width is None:
        assert SHOWN in printed.out


def test_lines_can_be_split(gives: Gives, capsys: Printed) -> None:
    """Away from a terminal a table has one line an event, with a word a column."""
    named = UNSHARED._replace(comm="a b")
    gives(FakeTrace([[*EVERY, named]]))
    assert command(["trace", "--format", "table"]) == 0
    head, *rows = [
        line.split(maxsplit=6) for line in capsys.readouterr().out.splitlines()
    ]
    assert head == ["TIME", "PID", "TID", "COMM", "CALL", "RESULT", "CHANGES"]
    assert [len(row) for row in rows] == [7] * (len(EVERY) + 1)
    assert rows[0][1:] == [
        *("4242", "4242", "nsenter", "setns(3,NEWNET)", "0"),
        "net 4026531840 -> 4026532177",
    ]
    assert [row[4:6] for row in rows[4:]] == [
        ["unshare(NEWNS|NEWUSER|NEWNET)", "denied"],
        ["clone(CHILD_SETTID|NEWUTS|SIGCHLD)", "4245"],
        ["clone3(?)", "?"],
        ["(child:4247)", "-"],
        ["(changed)", "-"],
        ["lost", "12"],
        ["unshare(NEWNS|NEWUSER|NEWNET)", "0"],
    ]
    assert rows[-1][3] == r"a\x20b"
    assert rows[2][4:6] == ["setns(3=net:[4026532177],NEWNET)", "EPERM"]
    assert rows[3][6].endswith(", user ? -> 4026532279 (new)")


def test_the_head_is_there_at_once(
    gives: Gives, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything happens one sees that it has begun; a new width begins anew."""
    _on_terminal(monkeypatch, 80)
    heads: list[str] = []

    class Watched(FakeTrace):
        def read(self, timeout: float | None = None) -> list[TraceEvent]:
            heads.append(capsys.readouterr().out)
            monkeypatch.setenv("COLUMNS", "160")
            return super().read(timeout)

    gives(Watched([[ENTERED]]))
    assert command(["trace"]) == 0
    assert heads[0].split() == ["TIME", "PID", "COMM", "CALL", "RESULT"]
    assert "CHANGES" in heads[1].splitlines()[0]
