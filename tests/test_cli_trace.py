"""``pynamespaces trace``: what it prints of events, and how it ends."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commanding import check_harmless, check_refusal_text
from happenings import (
    CLONED,
    ENTERED,
    EVERY,
    LOST,
    REFUSED,
    SHOWN,
    STAYED,
    UNSHARED,
    FakeTrace,
)
from rich.cells import cell_len

from pynamespaces import NamespaceType, tracing
from pynamespaces.cli import command, output
from pynamespaces.tracing._formats import to_json
from pynamespaces.tracing.events import TraceEvent

Printed = pytest.CaptureFixture[str]
Gives = Callable[[FakeTrace], list[dict[str, object]]]


@pytest.fixture
def gives(monkeypatch: pytest.MonkeyPatch) -> Gives:
    """Have commands of this process get a trace; with what they ask is returned."""

    def give(trace: FakeTrace) -> list[dict[str, object]]:
        asked: list[dict[str, object]] = []

        def start(**options: object) -> FakeTrace:
            asked.append(options)
            return trace

        monkeypatch.setattr(tracing, "trace", start, raising=False)
        return asked

    return give


def _on_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))


def test_lines_of_json(gives: Gives, capsys: Printed) -> None:
    """Away from a terminal each event is one object on one line."""
    gives(FakeTrace([EVERY[:3], [], EVERY[3:]]))
    for words in (["trace"], ["trace", "--json"], ["trace", "--format", "json"]):
        gives(FakeTrace([EVERY[:3], [], EVERY[3:]]))
        assert command(words) == 0
        printed = capsys.readouterr().out
        assert printed.splitlines() == [to_json(event) for event in EVERY]
        check_harmless(printed)


def test_lines_as_tracee_has_them(gives: Gives, capsys: Printed) -> None:
    """With ``--format tracee`` each event is one object as Tracee has it."""
    gives(FakeTrace([EVERY]))
    assert command(["trace", "--format", "tracee"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["eventName"] for event in found][:4] == ["setns"] * 3 + ["unshare"]
    # The initial pid namespace always has this number.
    is_host = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC
    assert ("hostProcessId" in found[0]) == is_host
    assert found[0]["timestamp"] > 10**18


def test_each_batch_is_seen_at_once(
    gives: Gives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads has a batch before the next one is waited for."""
    reader, writer = os.pipe()
    seen: list[bytes] = []

    class Watched(FakeTrace):
        def read(self, timeout: float | None = None) -> list[TraceEvent]:
            events = super().read(timeout)
            if len(self.timeouts) > 1:
                seen.append(os.read(reader, 65536))
            return events

    gives(Watched([[ENTERED], [UNSHARED, STAYED]]))
    with os.fdopen(reader, "rb"), os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert command(["trace"]) == 0
    expected = [f"{to_json(ENTERED)}\n", f"{to_json(UNSHARED)}\n{to_json(STAYED)}\n"]
    assert [data.decode() for data in seen] == expected


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


def test_what_is_asked_for(gives: Gives) -> None:
    """Each option is one of `trace`, and none is changed on the way."""
    asked = gives(FakeTrace([]))
    assert command(["trace"]) == 0
    assert asked.pop() == {
        "pid": None,
        "command": None,
        "backend": "auto",
        "calls": True,
        "types": None,
        "syscalls": None,
        "changed_only": False,
        "failed": True,
    }
    line = "--pid 1 --changes --no-failed --type net,user -t uts --syscall setns"
    line += " --syscall clone --no-calls --backend perf"
    assert command(["trace", *line.split()]) == 0
    assert asked.pop() == {
        "pid": 1,
        "command": None,
        "backend": "perf",
        "calls": False,
        "types": (NamespaceType.NET, NamespaceType.USER, NamespaceType.UTS),
        "syscalls": ("setns", "clone"),
        "changed_only": True,
        "failed": False,
    }
    assert command(["trace", "--", "make", "-j", "--pid"]) == 0
    assert asked.pop()["command"] == ("make", "-j", "--pid")


def test_who_is_watched_and_how_is_told(gives: Gives, capsys: Printed) -> None:
    """Standard error has it, in one line."""
    for words, whom in (
        ([], "all processes"),
        (["--pid", "1"], "process 1 and what it starts"),
        (["--", "make", "x"], "make and what it starts"),
    ):
        gives(FakeTrace([]))
        assert command(["trace", *words]) == 0
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == f"pynamespaces: watching {whom}, by perf\n"


def test_loss_is_told(gives: Gives, capsys: Printed) -> None:
    """What was lost is an event, and is summed up on standard error at the end."""
    gives(FakeTrace([[ENTERED, LOST]], lost=12))
    assert command(["trace"]) == 0
    printed = capsys.readouterr()
    last = json.loads(printed.out.splitlines()[-1])
    assert (last["event"], last["count"]) == ("lost", 12)
    assert "12 calls lost: " in printed.err.splitlines()[-1]


def test_loss_is_told_after_an_interrupt(gives: Gives, capsys: Printed) -> None:
    """Ctrl-C ends it with 130; it has said all by then, and the trace is closed."""

    class Interrupted(FakeTrace):
        def read(self, timeout: float | None = None) -> list[TraceEvent]:
            if not self.timeouts:
                return super().read(timeout)
            raise KeyboardInterrupt

    made = Interrupted([[ENTERED]], lost=1)
    gives(made)
    assert command(["trace"]) == 130
    printed = capsys.readouterr()
    assert printed.out == to_json(ENTERED) + "\n"
    assert "1 call lost: " in printed.err
    assert made.closed


@pytest.mark.parametrize(
    ("returncode", "status"), [(0, 0), (3, 3), (-15, 143), (None, 0)]
)
def test_the_status_is_the_program_s(
    returncode: int | None, status: int, gives: Gives
) -> None:
    """It ends as the program has, and signals are as shells have them."""
    gives(FakeTrace([[ENTERED]], pid=os.getpid(), returncode=returncode))
    assert command(["trace", "--", "true"]) == status


def test_count(gives: Gives, capsys: Printed) -> None:
    """After so many events it is over, in the middle of a batch as well."""
    made = FakeTrace([EVERY, EVERY], returncode=-9)
    gives(made)
    assert command(["trace", "--count", "3", "--", "make"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert made.closed
    assert len(made.timeouts) == 1


def test_duration(gives: Gives, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many seconds it is over, and it waits for no longer than that."""
    now = iter([100.0, 100.0, 101.5, 103.0])
    monkeypatch.setattr("pynamespaces.cli.following.time.monotonic", lambda: next(now))
    made = FakeTrace([[ENTERED], [ENTERED], [ENTERED], [ENTERED]])
    gives(made)
    assert command(["trace", "--duration", "2.5"]) == 0
    assert made.timeouts == [2.5, 1.0, 0]
    assert made.closed


def test_reader_that_goes(gives: Gives, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody reads any more, it ends, in silence, and so does the program."""
    reader, writer = os.pipe()
    os.close(reader)
    made = FakeTrace([[ENTERED], [ENTERED]])
    gives(made)
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr("sys.stdout", stream)
    assert command(["trace"]) == 141
    stream.close()
    assert made.closed
    assert len(made.timeouts) == 1


def test_output(gives: Gives, capsys: Printed, tmp_path: Path) -> None:
    """With ``--output`` a file has the events, and standard output nothing."""
    gives(FakeTrace([[ENTERED]]))
    file = tmp_path / "events"
    assert command(["trace", "--output", str(file), "--", "make"]) == 0
    assert file.read_text() == to_json(ENTERED) + "\n"
    assert capsys.readouterr().out == ""
    assert command(["trace", "-o", "/nonexistent/x"]) == 1
    check_refusal_text(capsys.readouterr().err, "/nonexistent/x", "No such file")


def test_refusal_is_told(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is what the exception says, in one line."""
    text = "needs CAP_PERFMON, or kernel.perf_event_paranoid at -1"

    def refuse(**_: object) -> None:
        raise PermissionError(13, text)

    monkeypatch.setattr(tracing, "trace", refuse, raising=False)
    assert command(["trace"]) == 1
    check_refusal_text(capsys.readouterr().err, text)


def test_contradiction_is_told(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `trace` refuses as contradictory is a wrong command line."""

    def refuse(**_: object) -> None:
        raise ValueError("calls=False sees no syscalls")

    monkeypatch.setattr(tracing, "trace", refuse, raising=False)
    assert command(["trace"]) == 2
    check_refusal_text(capsys.readouterr().err, "calls=False sees no syscalls")


WRONG = {
    "trace --type nett": ("'nett'",),
    "trace --syscall fork": ("'fork'", "'setns'"),
    "trace --backend bpf": ("'bpf'", "'perf-own'"),
    "trace --format xml": ("'xml'", "'tracee'"),
    "trace --json --format table": ("--json and --format",),
    "trace --count 0": ("0",),
    "trace --duration 0": ("0",),
    "trace --duration nan": ("nan",),
    "trace --pid 0": ("is no pid",),
    "trace --pid 1 -- true": ("--pid and CMD",),
    "trace --deny net": ("CMD",),
    "trace --deny nett -- true": ("'nett'",),
    "trace --deny net --backend perf -- true": ("--backend perf",),
    "trace --deny net --no-calls -- true": ("--no-calls",),
    "trace --deny net --count 1 -- true": ("--count",),
    "trace true": ("--",),
}
"""Command lines that are wrong, and what the one line about it has."""


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage(line: str, capsys: Printed) -> None:
    """Each is one line that says what is wrong, where help is, and status 2."""
    assert command(line.split(" ")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    check_refusal_text(printed.err, *WRONG[line])
    assert "hint: see pynamespaces trace --help" in printed.err
