"""What workers do that are killed, and what of it may be left."""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pinning import mounted_at
from provoking import another_thread
from refusals_of_starting import cgroup2
from starting import RANGES, Options, makable
from working import square

from pynamespaces import (
    Namespace,
    NamespaceSet,
    NetNamespace,
    Popen,
    ThreadPoolExecutor,
    TypeLike,
    get_context,
    run,
    unpin,
)
from pynamespaces.tracing import supervise, trace

Left = Literal["nothing", "whole", "half-made"]

PIN: Final = Path("/run/pin")
NAME: Final = "blue"
NAMED: Final = Path("/run/netns", NAME)
LIMIT: Final = 60.0


class Operation(NamedTuple):
    """What a worker does, and how to look at what it has left."""

    name: str
    act: Callable[[], object]
    tiers: tuple[str, ...] = ("root", "userns", "plain")
    clear: Callable[[], Left] = lambda: "nothing"
    """Take away what may be left, as anybody would; return what it was."""

    is_watched: bool = True
    """Whether its calls can be watched by a filter: it has none itself."""

    is_repeated: bool = True
    """Whether it can be done again before it is looked at what is left."""

    share: int = 4
    """How many kills it gets, compared to others: fewer where it takes long."""


# --- pins and names -----------------------------------------------------------------


def _pin() -> None:
    with closing(Namespace.new("uts")) as namespace:
        namespace.pin(PIN)


def _pin_and_unpin() -> None:
    _pin()
    unpin(PIN)


def _clear_pin() -> Left:
    mounts = mounted_at(PIN)
    assert len(mounts) <= 1, mounts
    if not mounts:
        return "half-made" if PIN.exists() else "nothing"
    unpin(PIN)
    return "whole"


def _name() -> None:
    NetNamespace.create(NAME).close()
    NetNamespace.delete(NAME)


def _clear_name() -> Left:
    mounts = mounted_at(NAMED)
    assert len(mounts) <= 1, mounts
    assert NetNamespace.names() == [NAME] * NAMED.exists()
    if not mounts:
        return "half-made" if NAMED.exists() else "nothing"
    NetNamespace.delete(NAME)
    return "whole"


# --- programs -----------------------------------------------------------------------


def _start(options: Options) -> None:
    assert run(["true"], **options).returncode == 0


def _keep(options: Options) -> None:
    guarded: Options = {**options, "die_with_parent": True}
    with Popen(["sleep", "1000"], **guarded) as process:
        process.kill()


def _feed(options: Options) -> None:
    with Popen(["cat"], stdin=subprocess.PIPE, **options):
        pass


def _join(*types: TypeLike) -> None:
    with ExitStack() as stack:
        new = NamespaceSet.new(*types)
        stack.callback(new.close)
        assert run(["true"], join=new).returncode == 0


def _in_cgroup(*, die_with_parent: bool) -> None:
    _start(Options(cgroup=group(), die_with_parent=die_with_parent))


def group() -> Path:
    """Return the cgroup that the arena has made."""
    return cgroup2() / f"pynamespaces-killed-{os.environ['PYNAMESPACES_ARENA']}"


# --- Python -------------------------------------------------------------------------


def _new(*types: TypeLike) -> None:
    NamespaceSet.new(*types).close()


def _new_with_ranges() -> None:
    NamespaceSet.new("user", "uts", uid_map=RANGES, gid_map=RANGES).close()


def _call(*types: TypeLike) -> None:
    with ExitStack() as stack:
        new = NamespaceSet.new(*types)
        stack.callback(new.close)
        assert new.call(square, 3) == 9


def _call_from_threads() -> None:
    with another_thread():
        _call("user", "uts")


def _pool_of_threads() -> None:
    with ExitStack() as stack:
        new = NamespaceSet.new(*makable("net", "uts"))
        stack.callback(new.close)
        joined = [member for member in new.values() if member.type != "user"]
        with ThreadPoolExecutor(joined, 2) as pool:
            assert list(pool.map(square, range(4))) == [0, 1, 4, 9]


def _pool_of_processes() -> None:
    # Else they live on, as the standard library's do.
    context = get_context(new=makable("uts"), die_with_parent=True)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(square, range(4))) == [0, 1, 4, 9]


# --- watching -----------------------------------------------------------------------

_MOVING: Final = ["unshare", "--user", "true"]


def _supervise() -> None:
    assert supervise(_MOVING, on_event=id) == 0


def _trace(backend: Literal["perf", "notify"]) -> None:
    with trace(command=_MOVING, backend=backend) as traced:
        assert list(traced)


POWER: Final = ("root", "userns")
INIT: Final = Options(new=makable("pid"))
OPERATIONS: Final = (
    Operation("pin", _pin, POWER, _clear_pin, is_repeated=False),
    Operation("name", _name, POWER, _clear_name),
    Operation("new uts", partial(_new, *makable("uts")), share=3),
    Operation("new user net", partial(_new, "user", "net", "time"), share=3),
    Operation("new ranges", _new_with_ranges, ("root",)),
    Operation("run", partial(_start, Options(new=makable("uts", "net")))),
    Operation("run init", partial(_start, INIT)),
    Operation("guarded", partial(_keep, Options(new=makable("uts")))),
    Operation("guarded init", partial(_keep, Options(new=("user", "pid", "mnt")))),
    Operation("guarded bare", partial(_keep, Options())),
    Operation("fed init", partial(_feed, INIT)),
    Operation("join", partial(_join, *makable("uts", "net"))),
    Operation("cgroup", partial(_in_cgroup, die_with_parent=False), ("root",)),
    Operation("cgroup guarded", partial(_in_cgroup, die_with_parent=True), ("root",)),
    Operation("call", partial(_call, "uts", "net"), POWER, share=3),
    Operation("call in user", partial(_call, "user", "uts")),
    Operation("call from threads", _call_from_threads, share=1),
    Operation("thread pool", _pool_of_threads, POWER, share=3),
    Operation("process pool", _pool_of_processes, share=1),
    Operation("supervise", _supervise, is_watched=False),
    Operation("notify", partial(_trace, "notify"), is_watched=False),
    Operation("perf", partial(_trace, "perf"), ("root",), share=1),
)

UNPIN: Final = Operation("unpin", _pin_and_unpin, POWER, _clear_pin)
