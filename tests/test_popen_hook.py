"""The private side of the standard library that programs are started through."""

import asyncio
import inspect
import os
import subprocess
from asyncio import base_subprocess

import pytest
from starting import OURS, Options

from pynamespaces import Popen, run
from pynamespaces._core import plan
from pynamespaces.process import aio
from pynamespaces.process._hook import Hooked


def parameters(function: object) -> list[str]:
    """Return the names of what a function takes, without its self and defaults."""
    assert callable(function)
    return [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if not name.startswith("_") and name != "self"
    ]


def test_signature() -> None:
    """What `subprocess` calls to start a child takes what ours takes, in order."""
    theirs = getattr(subprocess.Popen, "_execute_child")  # noqa: B009 - private
    ours = getattr(Hooked, "_execute_child")  # noqa: B009
    assert parameters(ours) == parameters(theirs)


def test_environment() -> None:
    """What is below ``os.environ`` is what programs get, entry by entry."""
    entries = [name + b"=" + value for name, value in os.environb.items()]
    text, number = plan.Texts.of_environment()
    assert (sorted(text.split(b"\0")), number) == (sorted(entries), len(entries))
    assert all(isinstance(entry, bytes) for entry in getattr(os.environ, "_data"))  # noqa: B009


def test_status_hook() -> None:
    """What `subprocess` calls when a child has ended takes its status."""
    theirs = getattr(subprocess.Popen, "_handle_exitstatus")  # noqa: B009 - private
    assert parameters(theirs) == ["sts"]


@OURS
def test_hooks_are_called(ours: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a program goes through our hooks, and nothing else starts one."""
    called = []

    class Watched(Popen[bytes]):
        def _execute_child(self, *args: object) -> None:
            called.append("execute")
            super()._execute_child(*args)  # type: ignore[arg-type]

        def _handle_exitstatus(self, sts: int) -> None:
            called.append("status")
            super()._handle_exitstatus(sts)

    monkeypatch.delattr(subprocess, "_fork_exec")
    with Watched(["true"], **ours) as process:
        assert process.wait() == 0
    assert called == ["execute", "status"]


def test_without_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without namespaces the standard library starts the program itself."""
    monkeypatch.delattr(subprocess, "_fork_exec")
    with pytest.raises(NameError, match="_fork_exec"):
        run(["true"])


def test_transport() -> None:
    """What asyncio calls to start a child takes what our transport takes."""
    theirs = getattr(base_subprocess.BaseSubprocessTransport, "_start")  # noqa: B009
    assert parameters(getattr(aio._Transport, "_start"))[:6] == parameters(theirs)[:6]  # noqa: B009
    assert hasattr(base_subprocess.BaseSubprocessTransport, "_process_exited")
    assert hasattr(base_subprocess.BaseSubprocessTransport, "_wait")
    assert parameters(asyncio.subprocess.Process) == ["transport", "protocol", "loop"]
