"""What may come of a hostile call, and what must not."""

import gc
import os
import re
import signal
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from fuzzed import World
from fuzzing import OPTIONS, Target, option_names
from hostile_values import OddError
from support import in_child, own_all

from pynamespaces import NamespaceError, Popen

MOVING: Final = {"setns", "unshare", "lowlevel.setns", "lowlevel.unshare"}
ALONE: Final = MOVING | {
    "lowlevel.clone3",
    "Popen.send_signal",
}
"""What cannot be undone, where it works: each in a process of its own."""

PATIENCE: Final = 20
"""After how many seconds a call hangs."""

SETTLE: Final = 2.0
"""How long what is ending may take to be gone, in seconds."""

ALLOWED: Final = (TypeError, ValueError, NamespaceError, OddError)

DOCUMENTED: Final[dict[str, tuple[type[Exception], ...]]] = {
    "IdMap.subids": (LookupError,),
    "MountNamespace.open": (OSError,),
    "NamespaceSet.__getitem__": (KeyError,),
    "NetNamespace.socket": (OSError,),
    "trace": (OSError,),
}
"""What else some are to raise."""

STANDARD: Final = {
    "Namespace.call": {"args"},
    "NamespaceSet.call": {"args"},
    "NetNamespace.create_connection": {
        "address",
        "timeout",
        "source_address",
        "getaddrinfo",
    },
    "NetNamespace.create_server": {"address", "family", "backlog"},
    "Popen.send_signal": {"sig"},
    "NetNamespace.socket": {"family", "type", "proto"},
    "ThreadPoolExecutor": {"max_workers", "initargs"},
}
"""What the standard library judges, or a function of the caller's."""

UNCLEAR: Final = re.compile(
    r"cdata|ctype|initializer for|'NoneType' object has|object has no attribute|"
    r"unsupported operand|not supported between|has no len|is not subscriptable|"
    r"positional argument|object is not callable|cannot convert|string conversion|"
    r"unpack|does not fit|an integer is required"
)
"""What only one understands who knows the inside."""


def is_standard(target: Target, name: str) -> bool:
    """Return whether what is given under a name is the standard library's to judge."""
    if target.name in OPTIONS and name not in {"deny", "clone3", "on_event"}:
        return name not in option_names()["Places"] and name != "preload"
    if name == "all_errors":  # It asks for an ExceptionGroup.
        return True
    return name in STANDARD.get(target.name, ())


def _let_go_of_pipes(before: Mapping[str, object]) -> None:
    """Close pipes that ``subprocess`` leaves open when it refuses what it judges."""
    known = before["descriptors"]
    assert isinstance(known, dict)
    gc.collect()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # The directory's own.
            if name not in known and "pipe:" in os.readlink(f"/proc/self/fd/{name}"):
                os.close(int(name))


def complaint(target: Target, error: BaseException) -> str | None:
    """Say what is wrong with an error of a call, if anything is."""
    kind, text = type(error).__name__, str(error)
    documented = DOCUMENTED.get(target.name, ())
    if not isinstance(error, ALLOWED) and not isinstance(error, documented):
        return f"{kind} leaks from inside: {text:.300}"
    if not text:
        return f"{kind} says nothing"
    innermost = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
    is_ours = "/pynamespaces/" in innermost.f_code.co_filename
    if is_ours and UNCLEAR.search(text):
        return f"{kind} is unclear: {text:.300}"
    return None


def is_broken(error: BaseException) -> bool:
    """Return whether an error is none that anybody may raise."""
    broken = (AssertionError, SystemError, RecursionError, NotImplementedError)
    return isinstance(error, broken)


_OPENS: Final = re.compile(
    r"\.(open|pidfd_(open|getfd|get_.*)|ns_get_(userns|parent)|ns_mnt_get_(next|prev)"
    r"|open_by_handle_at)$"
)
"""What returns a descriptor."""

_LENDS: Final = {"__getitem__", "get", "differing"}
"""What returns what it has."""


def dispose(target: Target, value: object) -> None:
    """Let go of what a call has returned."""
    if isinstance(value, Popen):
        value.kill()
        value.wait()
        for stream in (value.stdin, value.stdout, value.stderr):
            if stream is not None:
                stream.close()
        return
    if _OPENS.search(target.name):
        fd = value[0] if isinstance(value, tuple) else value
        assert isinstance(fd, int)
        os.close(fd)
        return
    if target.own in _LENDS:
        return
    for name in ("close", "shutdown"):
        end = getattr(value, name, None)
        if end is not None and not isinstance(value, type):
            end()
            return


def state() -> dict[str, object]:
    """Return what a call must not change."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    umask = os.umask(0)
    os.umask(umask)
    return {
        "descriptors": found,
        "namespaces": own_all(),
        "threads": sorted(os.listdir("/proc/self/task")),
        "children": Path("/proc/thread-self/children").read_text(),
        "places": (os.getcwd(), os.stat("/").st_ino),
        "umask": umask,
        "signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        **_outside(),
    }


_OUTSIDE: Final = ("files", "names", "mounts", "uts")
"""What only a call that is refused must not change."""


def _outside() -> dict[str, object]:
    names = sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    mounts = Path("/proc/thread-self/mountinfo").read_bytes().count(b"\n")
    files = sorted(os.listdir("."))
    return dict(zip(_OUTSIDE, (files, names, mounts, os.uname()), strict=True))


def _hang(*_: object) -> NoReturn:
    raise AssertionError("the call hangs")


def tried(target: Target, world: World, given: Mapping[str, object]) -> str | None:
    """Call a target with something wrong; say what is wrong with what comes of it."""
    if target.name in ALONE:
        return in_child(lambda: _tried_alone(target, world, given))
    before = state()
    said, is_done = _outcome(target, world, given)
    if target.name in OPTIONS and any(is_standard(target, name) for name in given):
        _let_go_of_pipes(before)
    return said or _changes(before, is_done=is_done)


def _tried_alone(
    target: Target, world: World, given: Mapping[str, object]
) -> str | None:
    # A child of clone3 may tell of its end by any of them.
    signal.pthread_sigmask(signal.SIG_SETMASK, {*signal.Signals} - {signal.SIGALRM})
    before = state()
    said, is_done = _outcome(target, world, given)
    return said if said or is_done else _changes(before, is_done=False)


def _outcome(
    target: Target, world: World, given: Mapping[str, object]
) -> tuple[str | None, bool]:
    """Return what is wrong with the outcome, and whether the call did something."""
    pid = os.getpid()
    signal.signal(signal.SIGALRM, _hang)
    signal.alarm(PATIENCE)
    try:
        value = world.call(target, given)
    except BaseException as error:
        if is_broken(error) or not any(is_standard(target, name) for name in given):
            return complaint(target, error), False
        return None, False
    finally:
        signal.alarm(0)
        if os.getpid() != pid:
            os._exit(0)  # A child of clone3.
    if target.name not in ALONE:
        dispose(target, value)
    return None, True


def _changes(before: Mapping[str, object], *, is_done: bool) -> str | None:
    """Say what is not as before, and does not become so."""
    ignored = _OUTSIDE if is_done else ()
    deadline = time.monotonic() + SETTLE
    while True:
        after = state()
        changed = [
            f"{name}: before {was}, after {after[name]}"
            for name, was in before.items()
            if after[name] != was and name not in ignored
        ]
        if not changed or time.monotonic() > deadline:
            return "; ".join(changed) or None
        gc.collect()
        time.sleep(0.005)
