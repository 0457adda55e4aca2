"""Fresh interpreters in which a function is called, for processes with threads."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

from .. import _core
from ..errors import CallError
from . import inside, plan
from .reach import Hold, send
from .spawn import Child

if TYPE_CHECKING:
    from .inside import Work
    from .settle import Joined

_NOTHING: Final = -1


def start(
    child: Child,
    ours: Hold,
    theirs: Hold,
    joined: Joined,
    work: Work,
) -> None:
    """
    Start an interpreter, and tell it what to do.

    Raises:
        CallError: The function cannot be passed, or none is to be started here.
    """
    _core.require_home()
    fds = [hold.fileno() for _, hold in joined]
    pickled, needs_main = _pickled(work)
    main_name, main_path = _main() if needs_main else (None, None)
    task = inside.Task(
        joined=[(type, fd) for (type, _), fd in zip(joined, fds, strict=True)],
        sys_argv=sys.argv,
        main_name=main_name,
        main_path=main_path,
        parent=os.getpid(),
        work=pickled,
    )
    words = command(inside.BOOT, str(theirs.fileno()), *sys.path)
    sys.audit("subprocess.Popen", words[0], words, None, None)
    with ExitStack() as stack:
        program = _program(words, [theirs.fileno(), *fds])
        child.start(plan.Where(), program, stack)
    theirs.close()
    data = pickle.dumps(tuple(task))
    with suppress(BrokenPipeError, ConnectionResetError):  # It has been killed.
        send(ours, len(data).to_bytes(8, "big"))
        send(ours, data)


def command(code: str, *args: str) -> list[str]:
    """Return the words that start an interpreter like this one, for some code."""
    from multiprocessing import spawn as starting
    from multiprocessing import util

    flags = util._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [os.fsdecode(starting.get_executable()), *flags, "-c", code, *args]


class _Pickler(pickle.Pickler):
    """What notices whether something is of the main module."""

    needs_main = False

    def reducer_override(self, obj: object) -> str:
        if getattr(obj, "__module__", None) == "__main__":
            self.needs_main = True
        return NotImplemented  # type: ignore[no-any-return]


def _pickled(work: object) -> tuple[bytes, bool]:
    """Return a function and its arguments, and whether they need the main module."""
    why: Exception
    file = io.BytesIO()
    pickler = _Pickler(file, pickle.HIGHEST_PROTOCOL)
    try:
        pickler.dump(work)
    except Exception as error:  # noqa: BLE001 - whatever its methods raise
        why = error
    else:
        if not pickler.needs_main or any(_main()):
            return file.getvalue(), pickler.needs_main
        why = CallError("it is in a main module that has no file")
    try:
        others = import_module("cloudpickle")
    except ImportError:
        raise CallError(
            "a process with threads passes a function to a fresh interpreter, and this "
            f"one cannot be passed: {why!r}; use a function of a module, by its name, "
            "with arguments that can be pickled, or install cloudpickle, which passes "
            "others too"
        ) from why
    return bytes(others.dumps(work)), False


def _main() -> tuple[str | None, str | None]:
    """Return the name or the file of the main module."""
    from multiprocessing import process

    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        # That of a package is not imported under another name.
        return (None if name.rpartition(".")[2] == "__main__" else name), None
    path = getattr(main, "__file__", None)
    if path is None:
        return None, None
    folder = process.ORIGINAL_DIR or ""  # type: ignore[attr-defined]
    whole = os.path.normpath(os.path.join(folder, path))
    return None, whole if os.path.exists(whole) else None  # As <stdin> does not.


def _program(words: list[str], fds: Sequence[int]) -> plan.Program:
    return plan.Program(
        args=plan.Texts.of(words),
        files=plan.Texts.of(words[:1]),
        env=plan.Texts.of_environment(),
        cwd=None,
        stdio=(-1, -1, -1, -1, -1, -1),
        close_fds=True,
        pass_fds=fds,
        uid=None,
        gid=None,
        groups=None,
        umask=_NOTHING,
        restore_signals=True,
        new_session=False,
        process_group=_NOTHING,
        name=words[0],
        directory=None,
    )
