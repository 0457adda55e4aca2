"""Events as JSON, and as Tracee has them."""

import json
from typing import cast

import pytest
from happenings import (
    BORN,
    CHANGED,
    CLONED,
    DENIED,
    ENTERED,
    EVERY,
    HIDDEN,
    HOSTILE,
    LOST,
    REFUSED,
    SECOND,
    STAYED,
    UNSHARED,
)

from pynamespaces import CloneFlag
from pynamespaces.tracing._formats import flag_names, to_json, to_tracee
from pynamespaces.tracing.events import SetnsEvent, TraceEvent


def read(line: str) -> dict[str, object]:
    """Return what one line of JSON has."""
    assert len(line.splitlines()) == 1
    assert line.isascii()
    return cast("dict[str, object]", json.loads(line))


def _tracee(event: TraceEvent, *, host: bool = False) -> dict[str, object]:
    return read(to_tracee(event, epoch_ns=1000 * SECOND, host=host))


@pytest.mark.parametrize("event", EVERY, ids=str)
def test_json_has_every_field(event: TraceEvent) -> None:
    """Each field is under its name, and no other value than what is added."""
    found = read(to_json(event))
    added = {"event", "flag_names", "nstype_names"}
    assert {*event._fields} <= {*found} <= {*event._fields, *added}
    for name in ("time_ns", "pid", "tid", "ppid", "comm", "result", "error", "count"):
        if name in event._fields:
            assert found[name] == getattr(event, name)


def test_json_says_what_it_is() -> None:
    """The key ``event`` tells the kinds apart, clone and clone3 by another."""
    kinds = [read(to_json(event))["event"] for event in EVERY]
    assert kinds == [
        *("setns", "setns", "setns", "unshare", "unshare", "clone", "clone"),
        *("change", "change", "lost"),
    ]
    assert read(to_json(HIDDEN))["syscall"] == "clone3"


def test_json_of_namespaces() -> None:
    """A namespace is its type, its inode number, and its unique id if it has one."""
    assert read(to_json(ENTERED))["changes"] == [
        {
            "type": "net",
            "before": {"type": "net", "ino": 4026531840, "unique": None},
            "after": {"type": "net", "ino": 4026532177, "unique": None},
            "created": False,
        }
    ]
    target = {"type": "net", "ino": 4026532177, "unique": 99}
    assert read(to_json(REFUSED))["target"] == target


def test_json_of_flags() -> None:
    """Flags are there as the number that was given, and by their names."""
    found = read(to_json(UNSHARED))
    assert found["flags"] == UNSHARED.flags
    assert found["flag_names"] == ["CLONE_NEWNS", "CLONE_NEWUSER", "CLONE_NEWNET"]
    assert found["types"] == ["mnt", "net", "user"]
    found = read(to_json(STAYED))
    assert (found["nstype"], found["nstype_names"]) == (0, [])
    found = read(to_json(HIDDEN))
    assert (found["flags"], found["flag_names"]) == (None, [])


def test_names_of_flags() -> None:
    """Of clone the low byte is a signal, of others it has a flag; the rest is told."""
    assert flag_names(CLONED) == ["CLONE_CHILD_SETTID", "CLONE_NEWUTS", "SIGCHLD"]
    assert flag_names(CLONED._replace(flags=0x7F)) == ["0x7f"]
    assert flag_names(UNSHARED._replace(flags=0x80)) == ["CLONE_NEWTIME"]
    assert flag_names(HIDDEN._replace(flags=0x80)) == ["CLONE_NEWTIME"]
    odd = UNSHARED._replace(flags=0x3 | CloneFlag.CLONE_NEWNET)
    assert flag_names(odd) == ["CLONE_NEWNET", "0x3"]
    # An int in C, of which these bits are left.
    assert flag_names(ENTERED._replace(nstype=-1))[-1] == "0x7f"


def test_json_keeps_names() -> None:
    """What a process is called is kept, byte for byte, and does no harm on the way."""
    line = to_json(UNSHARED)
    assert line.isprintable()
    assert read(line)["comm"] == HOSTILE


def test_tracee_of_setns() -> None:
    """A call has Tracee's keys; what changed is added."""
    found = _tracee(ENTERED, host=True)
    assert found["timestamp"] == 1005 * SECOND + 1234567
    assert (found["eventName"], found["syscall"]) == ("setns", "setns")
    assert found["args"] == [
        {"name": "fd", "type": "int", "value": 3},
        {"name": "nstype", "type": "int", "value": "CLONE_NEWNET"},
    ]
    assert (found["argsNum"], found["returnValue"]) == (2, 0)
    assert (found["processId"], found["hostProcessId"]) == (4242, 4242)
    assert (found["threadId"], found["hostThreadId"]) == (4242, 4242)
    assert (found["parentProcessId"], found["hostParentProcessId"]) == (4200, 4200)
    assert found["processName"] == "nsenter"
    assert found["changes"] == read(to_json(ENTERED))["changes"]


def test_tracee_of_the_inside() -> None:
    """Where ids are not the machine's, nothing says that they are."""
    assert not [key for key in _tracee(ENTERED) if key.startswith("host")]


def test_tracee_of_failures() -> None:
    """A failure is a negative errno, as the kernel has it."""
    assert _tracee(REFUSED)["returnValue"] == -1
    assert _tracee(REFUSED._replace(error="EINVAL"))["returnValue"] == -22
    assert _tracee(REFUSED._replace(error="EWHATEVER"))["returnValue"] == -1
    assert _tracee(DENIED)["denied"] is True
    assert _tracee(HIDDEN)["returnValue"] is None


def test_tracee_of_other_calls() -> None:
    """Flags have names; an argument that nobody has seen is left out."""
    flags = "CLONE_NEWNS|CLONE_NEWUSER|CLONE_NEWNET"
    expected = [{"name": "flags", "type": "int", "value": flags}]
    assert _tracee(UNSHARED)["args"] == expected
    assert _tracee(STAYED)["args"] == [
        {"name": "fd", "type": "int", "value": 3},
        {"name": "nstype", "type": "int", "value": 0},
    ]
    found = _tracee(HIDDEN)
    assert (found["eventName"], found["args"]) == ("clone3", [])


def test_tracee_of_changes() -> None:
    """A change without a call is Tracee's event for that, of the one it is about."""
    for event, pid in ((BORN, 4247), (CHANGED, 4246)):
        found = _tracee(event)
        assert found["eventName"] == "switch_task_ns"
        assert found["args"] == [
            {"name": "pid", "type": "int", "value": pid},
            {"name": "new_pid", "type": "u32", "value": 4026532300},
        ]
        assert "returnValue" not in found


def test_tracee_of_loss() -> None:
    """Loss is told, with both counts."""
    found = _tracee(LOST)
    assert found["eventName"] == "lost_events"
    assert found["args"] == [
        {"name": "count", "type": "u64", "value": 12},
        {"name": "records", "type": "u64", "value": 30},
    ]


def test_tracee_has_the_time_of_the_calendar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If nobody says what the clocks differ by, they are asked."""
    monkeypatch.setattr("time.time_ns", lambda: 5_000)
    monkeypatch.setattr("time.monotonic_ns", lambda: 3_000)
    event = ENTERED._replace(time_ns=10)
    assert isinstance(event, SetnsEvent)
    assert read(to_tracee(event))["timestamp"] == 2_010
