"""
What can be done, said in descriptors and types; knows no class above it.

A module here is imported when it is first asked for, as ``_core.create``: who only
enters namespaces does not wait for the rest. Not, though, where a thread is in a mount
namespace of somebody's: there an import would run what they have put in its place.
"""

from typing import TYPE_CHECKING

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


def load_all() -> None:
    """Import all that this package would import later, the standard library's too."""
    import pwd
    import socket
    import subprocess

    from .. import _table

    for name in _LATER:
        __getattr__(name)
    # Named, so that it is seen that they are for that.
    _ = pwd, socket, subprocess, _table


def __getattr__(name: str) -> object:
    try:
        __import__(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__} has no attribute {name!r}") from None
    return globals()[name]
