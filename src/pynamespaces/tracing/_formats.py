"""
Events for other programs: as objects of JSON, and in the shape that Tracee has.

Names of processes are kept as they are: a byte that is not UTF-8 is a lone surrogate,
and what prints a name has to escape it.
"""

from __future__ import annotations

import errno
import json
import signal
import time
from typing import Final, TypeAlias

from .._types import CloneFlag, NamespaceId
from .events import (
    ChangeEvent,
    CloneEvent,
    LostEvent,
    NamespaceChange,
    SetnsEvent,
    TraceEvent,
    UnshareEvent,
)

_NAMES: Final[dict[type, str]] = {
    SetnsEvent: "setns",
    UnshareEvent: "unshare",
    CloneEvent: "clone",
    ChangeEvent: "change",
    LostEvent: "lost",
}

_Argument: TypeAlias = tuple[str, str, int | str]
"""An argument: its name, its type in C, and its value."""

_UNSIGNED: Final = 0xFFFFFFFF

_SIGNAL: Final = 0xFF
"""Where clone, and only clone, has the signal that tells of the child's end."""


def to_json(event: TraceEvent) -> str:
    """
    Return an event as one line of JSON, in ASCII.

    It is an object that has the fields of the event under their names, and ``event``
    with what it is of: ``setns``, ``unshare``, ``clone``, ``change`` or ``lost``.
    Beside flags there are their names.
    """
    return _line(_as_object(event))


def _line(data: dict[str, object]) -> str:
    return json.dumps(data, separators=(",", ":"))


def _as_object(event: TraceEvent) -> dict[str, object]:
    found: dict[str, object] = {"event": _NAMES[type(event)]}
    for name, value in zip(event._fields, event, strict=True):
        found[name] = _plain(value)
        if name == "nstype" and isinstance(event, SetnsEvent):
            found["nstype_names"] = flag_names(event)
        elif name == "flags" and isinstance(event, (UnshareEvent, CloneEvent)):
            found["flag_names"] = flag_names(event)
    return found


def _plain(value: object) -> object:
    if isinstance(value, NamespaceId):
        return {"type": value.type.value, "ino": value.ino, "unique": value.unique}
    if isinstance(value, NamespaceChange):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def flag_names(event: SetnsEvent | UnshareEvent | CloneEvent) -> list[str]:
    """
    Return the names of the flags that a call was given.

    Bits without a name are in one number, as ``0x3``. Of clone the signal for the
    parent is the last; of clone3 it is elsewhere, and nobody has seen it.
    """
    flags = event.nstype if isinstance(event, SetnsEvent) else event.flags
    if flags is None:
        return []
    names = []
    if isinstance(event, CloneEvent) and event.syscall == "clone":
        names = [_signal_name(flags & _SIGNAL)] if flags & _SIGNAL else []
        flags &= ~_SIGNAL
    elif flags < 0:
        flags &= _UNSIGNED
    known = [flag for flag in CloneFlag if flags & flag]
    rest = flags & ~sum(known)
    unknown = [f"{rest:#x}"] if rest else []
    return [*(str(flag.name) for flag in known), *unknown, *names]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"{number:#x}"


# --- Tracee ---


def to_tracee(
    event: TraceEvent, *, epoch_ns: int | None = None, host: bool = False
) -> str:
    """
    Return an event as one line of JSON, in the shape that events of Tracee have.

    The names of keys and arguments are Tracee's, and so is ``returnValue``, which is a
    negative errno where the call has failed. What only this package knows is there as
    well: ``types``, ``certainty`` and ``changes``, as `to_json` has them. A change
    without a call is ``switch_task_ns``; ``lost_events`` is not Tracee's.

    Args:
        event: The event.

        epoch_ns: What to add to the time, so that it is that of the calendar; if not
            given, as much as it is now.

        host: Whether the ids are those of the machine, and go under ``hostProcessId``
            as well: so it is where the caller is in the initial pid namespace.
    """
    if epoch_ns is None:
        epoch_ns = time.time_ns() - time.monotonic_ns()
    found: dict[str, object] = {"timestamp": event.time_ns + epoch_ns}
    if isinstance(event, LostEvent):
        counts = {"count": event.count, "records": event.records}
        lost: list[_Argument] = [(name, "u64", n) for name, n in counts.items()]
        return _line({**found, **_called("lost_events", lost)})
    found["processName"] = event.comm
    ids = {"ProcessId": event.pid, "ThreadId": event.tid, "ParentProcessId": event.ppid}
    for name, value in ids.items():
        found[name[0].lower() + name[1:]] = value
        if host:
            found["host" + name] = value
    if isinstance(event, ChangeEvent):
        found |= _called("switch_task_ns", _new_ones(event))
    else:
        found |= _call(event)
    found |= {"certainty": event.certainty, "changes": _plain(event.changes)}
    return _line(found)


def _call(event: SetnsEvent | UnshareEvent | CloneEvent) -> dict[str, object]:
    name = event.syscall if isinstance(event, CloneEvent) else _NAMES[type(event)]
    return {
        **_called(name, _arguments(event)),
        "syscall": name,
        "returnValue": _return_value(event),
        "types": _plain(event.types),
        **({"denied": True} if event.denied else {}),
    }


def _called(name: str, arguments: list[_Argument]) -> dict[str, object]:
    keys = ("name", "type", "value")
    args = [dict(zip(keys, argument, strict=True)) for argument in arguments]
    return {"eventName": name, "argsNum": len(args), "args": args}


def _arguments(event: SetnsEvent | UnshareEvent | CloneEvent) -> list[_Argument]:
    """Return the arguments, as with Tracee's option ``parse-arguments``."""
    flags = "|".join(flag_names(event))
    if isinstance(event, SetnsEvent):
        return [("fd", "int", event.fd), ("nstype", "int", flags or event.nstype)]
    if event.flags is None:
        return []
    type = "int" if isinstance(event, UnshareEvent) else "unsigned long"
    return [("flags", type, flags or event.flags)]


def _return_value(event: SetnsEvent | UnshareEvent | CloneEvent) -> int | None:
    if event.error is None:
        return event.result
    number = getattr(errno, event.error, None)
    return -number if isinstance(number, int) else -1


def _new_ones(event: ChangeEvent) -> list[_Argument]:
    found: list[_Argument]
    found = [("pid", "int", event.tid if event.child is None else event.child)]
    for change in event.changes:
        if change.after is not None:
            found.append((f"new_{change.type}", "u32", change.after.ino))
    return found
