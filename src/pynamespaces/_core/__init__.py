"""
What can be done, said in descriptors and types; knows no class above it.

A module here is imported when it is first asked for, as ``_core.create``: who only
enters namespaces does not wait for the rest. Not, though, where a thread is in a mount
namespace of somebody's: there an import would run what they have put in its place.
"""

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from .._refusals import from_errno

if TYPE_CHECKING:
    from . import create as create
    from . import elsewhere as elsewhere
    from . import idmap as idmap
    from . import maps as maps
    from . import marks as marks
    from . import mounts as mounts
    from . import pids as pids
    from . import pin as pin
    from . import registry as registry
    from . import seek as seek
    from . import sockets as sockets
    from . import wire as wire


_LATER = (
    "create", "elsewhere", "idmap", "maps", "marks", "mounts", "pids", "pin",
    "registry", "seek", "sockets", "wire",
)  # fmt: skip


_LIBRARY = ("dataclasses", "encodings.idna", "pwd", "socket", "subprocess", "threading")
"""What is imported inside functions of this package, and by looking up a name."""

_is_sealed = False


def load_all() -> None:
    """
    Import all that this package would import later, the standard library's too.

    What cannot be imported, as by a thread that is chrooted, is not looked for later
    either.
    """
    global _is_sealed  # noqa: PLW0603 - the state of this module
    if _is_sealed:
        return
    try:
        for name in (*_LATER, *_LIBRARY):
            with suppress(ImportError):
                __import__(f"{__name__}.{name}" if name in _LATER else name)
    except OSError as error:
        raise from_errno(error.errno or errno.EIO, "open", (), error.filename) from None
    _is_sealed = True


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__} has no attribute {name!r}")
    if _is_sealed:
        raise ImportError(
            f"{__name__}.{name} could not be imported before a thread entered a mount "
            "namespace, and is not looked for since"
        )
    __import__(f"{__name__}.{name}")
    return globals()[name]
