"""``pynamespaces trace``: what it prints of events, and how it ends."""

import json
import os
from pathlib import Path

import pytest
from commanding import check_harmless, check_refusal_text
from happenings import (
    ENTERED,
    EVERY,
    LOST,
    REFUSED,
    STAYED,
    UNSHARED,
    FakeTrace,
    Gives,
    change,
    gives,
)
from holding import holder

from pynamespaces import NamespaceType, tracing
from pynamespaces.cli import command
from pynamespaces.tracing._formats import to_json
from pynamespaces.tracing.events import TraceEvent

Printed = pytest.CaptureFixture[str]

__all__ = ["gives"]


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


def test_a_storm_is_taken_while_it_is_shown(gives: Gives, capsys: Printed) -> None:
    """Of many events some are shown, more are taken, and so on; the order is kept."""
    storm = [ENTERED._replace(time_ns=number) for number in range(100_000)]
    printed: list[str] = []

    class Watched(FakeTrace):
        def read(self, timeout: float | None = None) -> list[TraceEvent]:
            printed.extend(capsys.readouterr().out.splitlines())
            if len(self.timeouts) == 1:
                # Between two batches not more than this was waited for.
                assert 0 < len(printed) < 1000
            return super().read(timeout)

    made = Watched([storm[:20_000], storm[20_000:40_000], storm[40_000:]])
    gives(made)
    assert command(["trace"]) == 0
    printed.extend(capsys.readouterr().out.splitlines())
    assert [json.loads(line)["time_ns"] for line in printed] == [*range(100_000)]
    # It waits only when there is nothing to show.
    assert made.timeouts[:3] == [None, 0, 0]


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


def test_into(gives: Gives, capsys: Printed) -> None:
    """With ``--into`` only who gets into the target's own counts, and what is lost."""
    with holder("user", "net", "uts") as held:
        inode = os.stat(f"/proc/{held.pid}/ns/net").st_ino
        into = change(NamespaceType.NET, 1, inode)
        shared = os.stat(f"/proc/{held.pid}/ns/ipc").st_ino
        entered = ENTERED._replace(changes=(into,))
        tried = REFUSED._replace(target=into.after)
        others: list[TraceEvent] = [
            *(ENTERED, REFUSED, STAYED, UNSHARED),
            ENTERED._replace(changes=(change(NamespaceType.UTS, 1, inode),)),
            ENTERED._replace(changes=(change(NamespaceType.NET, inode, 1),)),
            ENTERED._replace(changes=(change(NamespaceType.IPC, 1, shared),)),
        ]
        gives(FakeTrace([[*others, entered], others, [tried, LOST]]))
        assert command(["trace", "--into", str(held.pid)]) == 0
        found = capsys.readouterr().out.splitlines()
        assert found == [to_json(event) for event in (entered, tried, LOST)]
        gives(FakeTrace([[entered]]))
        assert command(["trace", "--into", str(held.pid), "--type", "uts"]) == 0
        assert capsys.readouterr().out == ""


def test_into_nothing(gives: Gives, capsys: Printed) -> None:
    """One cannot get into where one is."""
    gives(FakeTrace([]))
    assert command(["trace", "--into", str(os.getpid())]) == 1
    check_refusal_text(capsys.readouterr().err, "is where you are")
    assert command(["trace", "--into", "2147483647"]) == 1
    check_refusal_text(capsys.readouterr().err, "2147483647")


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

    monkeypatch.setattr(tracing, "trace", refuse)
    assert command(["trace"]) == 1
    check_refusal_text(capsys.readouterr().err, text)


def test_contradiction_is_told(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `trace` refuses as contradictory is a wrong command line."""

    def refuse(**_: object) -> None:
        raise ValueError("calls=False sees no syscalls")

    monkeypatch.setattr(tracing, "trace", refuse)
    assert command(["trace"]) == 2
    check_refusal_text(capsys.readouterr().err, "calls=False sees no syscalls")
