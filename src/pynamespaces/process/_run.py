"""`run` and `check_output`, as those of `subprocess`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Literal, Protocol, cast, overload

from typing_extensions import Unpack

from ._popen import Popen

if TYPE_CHECKING:
    from ._hook import Call
    from ._options import Args, OutputOptions, RunOptions


@overload
def run(
    args: Args,
    *,
    text: Literal[True],
    input: str | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[RunOptions],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: Args,
    *,
    encoding: str,
    input: str | None = None,
    text: bool | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[RunOptions],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: Args,
    *,
    errors: str,
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[RunOptions],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: Args,
    *,
    universal_newlines: Literal[True],
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[RunOptions],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: Args,
    *,
    input: bytes | bytearray | memoryview | None = None,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    universal_newlines: Literal[False] | None = None,
    **options: Unpack[RunOptions],
) -> subprocess.CompletedProcess[bytes]: ...
def run(
    args: Args,
    *more: object,
    input: object = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: object,
) -> object:
    """
    Run a program in namespaces, wait for it, and return a ``CompletedProcess``.

    As `subprocess.run`, with the arguments of `Popen`. Whatever interrupts the wait,
    the program is killed and reaped before that is raised. See :manpage:`clone(2)` and
    :manpage:`setns(2)`.

    Raises:
        SpawnError: As `Popen`.

        subprocess.CalledProcessError: With *check*, if the exit status is not 0.

        subprocess.TimeoutExpired: After *timeout* seconds.
    """
    if input is not None:
        if options.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        options["stdin"] = subprocess.PIPE
    if capture_output:
        if options.get("stdout") is not None or options.get("stderr") is not None:
            raise ValueError(
                "stdout and stderr arguments may not be used with capture_output."
            )
        options["stdout"] = options["stderr"] = subprocess.PIPE
    # Held from before it is started, so that whenever a signal handler raises, the
    # program is found and ended; at the latest, when the object goes.
    process: Popen[bytes] = Popen.__new__(Popen)
    process._is_brief = True
    try:
        cast("Call", process.__init__)(args, *more, **options)  # type: ignore[misc]
        with process:
            return _finished(process, input, timeout, check=check)
    except BaseException:
        _end(process)
        raise


def _finished(
    process: Popen[bytes], input: object, timeout: float | None, *, check: bool
) -> subprocess.CompletedProcess[bytes]:
    """Return what has become of it; of text, all that is bytes here is str."""
    try:
        given = cast("bytes | None", input)
        stdout, stderr = process.communicate(given, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        # What it has said so far is in the exception already.
        process.wait()
        raise
    except BaseException:
        process.kill()
        raise
    returncode = cast("int", process.poll())
    done = subprocess.CompletedProcess(process.args, returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


def _end(process: Popen[bytes]) -> None:
    """End what is still running when something was raised; keep nothing open of it."""
    if getattr(process, "_child_created", False) and process.poll() is None:
        process.kill()
        process.wait()
    if process._child is not None:
        process._child.abandon()


@overload
def check_output(
    args: Args,
    *,
    text: Literal[True],
    input: str | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[OutputOptions],
) -> str: ...
@overload
def check_output(
    args: Args,
    *,
    encoding: str,
    input: str | None = None,
    text: bool | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[OutputOptions],
) -> str: ...
@overload
def check_output(
    args: Args,
    *,
    errors: str,
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    universal_newlines: bool | None = None,
    **options: Unpack[OutputOptions],
) -> str: ...
@overload
def check_output(
    args: Args,
    *,
    universal_newlines: Literal[True],
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[OutputOptions],
) -> str: ...
@overload
def check_output(
    args: Args,
    *,
    input: bytes | bytearray | memoryview | None = None,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    universal_newlines: Literal[False] | None = None,
    **options: Unpack[OutputOptions],
) -> bytes: ...
def check_output(args: Args, *more: object, **options: object) -> object:
    """
    Run a program in namespaces, and return what it writes to its standard output.

    As `subprocess.check_output`, with the arguments of `Popen`. See :manpage:`clone(2)`
    and :manpage:`setns(2)`.

    Raises:
        SpawnError: As `Popen`.

        subprocess.CalledProcessError: Its exit status is not 0.

        subprocess.TimeoutExpired: After *timeout* seconds.
    """
    for name in ("stdout", "check"):
        if name in options:
            raise ValueError(f"{name} argument not allowed, it will be overridden.")
    if "input" in options and options["input"] is None:
        # As subprocess has it: an empty standard input, and not the caller's.
        texts = ("text", "encoding", "errors", "universal_newlines")
        options["input"] = "" if any(options.get(name) for name in texts) else b""
    done = cast("_Run", run)(args, *more, stdout=subprocess.PIPE, check=True, **options)
    return done.stdout


class _Run(Protocol):
    def __call__(
        self, *args: object, **options: object
    ) -> subprocess.CompletedProcess[bytes]: ...
