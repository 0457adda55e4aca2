"""What starting programs gives, by how their streams are read."""

import asyncio
from subprocess import PIPE
from typing import assert_type

from pynamespaces import (
    CompletedProcess,
    IdMap,
    NamespaceSet,
    NetNamespace,
    Popen,
    SpawnError,
    SystemCallError,
    check_output,
    create_subprocess_exec,
    run,
)


def start(net: NetNamespace, inside: NamespaceSet) -> None:
    """Streams are of bytes, or of str where text is asked for."""
    assert_type(Popen(["true"], join=net), Popen[bytes])
    assert_type(Popen("true", new="uts", text=True), Popen[str])
    assert_type(Popen(["true"], new=("user", "net"), encoding="utf-8"), Popen[str])
    assert_type(Popen([b"true"], join=[net], universal_newlines=True), Popen[str])
    assert_type(run(["true"], join=inside), CompletedProcess[bytes])
    assert_type(run(["true"], new="uts", text=True, input="x"), CompletedProcess[str])
    assert_type(check_output(["true"], new="pid", init=False), bytes)
    assert_type(check_output(["true"], errors="replace", cgroup=3), str)
    process = Popen(["true"], caps=["net_admin"], no_new_privs=True, stdout=PIPE)
    assert_type(process.pidfd, int)
    assert_type(process.namespaces, NamespaceSet)


def refused(net: NetNamespace) -> None:
    """What would be an error when run is one for type checkers."""
    run(["true"], join="net")  # type: ignore[arg-type]
    run(["true"], new="network")  # type: ignore[arg-type]
    run(["true"], uid_map=[(0, 0, 1)])  # type: ignore[call-overload]
    run(["true"], new="user", uid_map=IdMap.root(), input="x")  # type: ignore[call-overload]
    Popen(["true"], join=net, isolate=True)  # type: ignore[call-overload]


async def start_in_a_loop(net: NetNamespace) -> None:
    """Asyncio's own type."""
    process = await create_subprocess_exec("cat", stdin=PIPE, join=net)
    assert_type(process, asyncio.subprocess.Process)


def fail(error: SpawnError) -> None:
    """The step is told beside what every failed call tells."""
    assert_type(error.step, str)
    known: SystemCallError = error
    assert_type(known.reason, str | None)
