"""
What can be done, said in descriptors and types; knows no class above it.

A module here is imported when it is first asked for, as ``_core.create``: who only
enters namespaces does not wait for the rest. Not, though, where a thread is in a mount
namespace of somebody's: there an import would run what they have put in its place.
"""

import errno
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

from .._forking import import_module
from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import CallError

if TYPE_CHECKING:
    from . import agents as agents
    from . import answers as answers
    from . import awaiting as awaiting
    from . import away as away
    from . import call as call
    from . import census as census
    from . import containers as containers
    from . import create as create
    from . import elsewhere as elsewhere
    from . import engines as engines
    from . import idmap as idmap
    from . import inits as inits
    from . import inside as inside
    from . import interpreters as interpreters
    from . import maps as maps
    from . import marks as marks
    from . import mounts as mounts
    from . import pids as pids
    from . import pin as pin
    from . import place as place
    from . import plan as plan
    from . import record as record
    from . import registry as registry
    from . import residents as residents
    from . import seek as seek
    from . import settle as settle
    from . import sockets as sockets
    from . import spawn as spawn
    from . import steps as steps
    from . import wire as wire


_LATER = (
    "agents", "answers", "awaiting", "away", "call", "census", "containers", "create",
    "elsewhere", "engines", "idmap", "inits", "inside", "interpreters", "maps", "marks",
    "mounts", "pids", "pin", "place", "plan", "record", "registry", "residents", "seek",
    "settle", "sockets", "spawn", "steps", "wire",
)  # fmt: skip


_LIBRARY = (
    *(
        "dataclasses",
        "encodings.idna",
        "multiprocessing",
        "pwd",
        "socket",
        "subprocess",
    ),
    "threading",
)
"""What is imported inside functions of this package, and by looking up a name."""

WINGS: dict[str, str] = {}
"""
Modules that build on the core, and are imported later too: each if another is by then.

The face of the package enters them, since the core knows nobody above it.
"""

_is_sealed = False

_home: tuple[int, int] | None = None
"""The mount namespace that modules come from, if a thread has entered another."""


def load_all() -> None:
    """
    Import all that this package would import later, the standard library's too.

    What cannot be imported, as by a thread that is chrooted, is not looked for later
    either. And what is in the file of the init is kept, which is out of reach then.
    """
    global _home, _is_sealed  # noqa: PLW0603 - the state of this module
    if _is_sealed:
        return
    _home = _mnt_of_thread()
    wings = [name for name, needed in WINGS.items() if needed in sys.modules]
    try:
        for name in (*(f"{__name__}.{name}" for name in _LATER), *_LIBRARY, *wings):
            with suppress(ImportError):
                import_module(name)
        with suppress(ImportError):
            import_later(f"{__name__}.residents").keep()
        with suppress(ImportError):
            import_later(f"{__name__}.away").install()
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "open", (), error.filename) from None
    _is_sealed = True


def _mnt_of_thread() -> tuple[int, int]:
    fd = lib.pyns_own_namespace(lib.CLONE_NEWNS, 0)
    if fd < 0:
        raise from_errno(-fd, "open", (NamespaceType.MNT,), "/proc/thread-self/ns/mnt")
    try:
        facts = os.fstat(fd)
    except OSError as error:
        number = error.errno or errno.EIO
        raise from_errno(number, "fstat", (NamespaceType.MNT,)) from None
    finally:
        os.close(fd)
    return facts.st_dev, facts.st_ino


def is_away() -> bool:
    """Return whether the calling thread is where modules and sources are not ours."""
    try:
        return _is_sealed and _mnt_of_thread() != _home
    except OSError:
        return True  # Nobody knows, so it may be.


def require_home() -> None:
    """
    Refuse to look for an interpreter where one would be somebody else's.

    Raises:
        CallError: The calling thread is in a mount namespace of somebody's.
    """
    if is_away():
        raise CallError(
            "this starts an interpreter, and in the mount namespace where this thread "
            "is, that would be whatever is there: call from outside"
        )


def import_later(name: str) -> ModuleType:
    """Import a module of this package, unless that could run a target's code."""
    if _is_sealed and name not in sys.modules:
        raise ImportError(
            f"{name} could not be imported before a thread entered a mount "
            "namespace, and is not looked for since"
        )
    # Another thread may still be importing it: this waits.
    import_module(name)
    return sys.modules[name]


def __getattr__(name: str) -> ModuleType:
    if name not in _LATER:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    return import_later(f"{__name__}.{name}")
