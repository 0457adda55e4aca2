"""References, the ways that a kernel leaves to resolve them, and what to refer to."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, TypeVar

from old_kernels import become_old
from provoking import refuse_calls
from support import in_child

from pynamespaces import (
    Namespace,
    NamespaceGoneError,
    NamespaceRef,
    NamespaceType,
    TypeLike,
)
from pynamespaces._core.outcomes import refusal
from pynamespaces._lib import lib, new_creation

T = TypeVar("T")

Place = tuple[int, int]
"""Device and inode of a namespace."""


def without_handles() -> None:
    """Have the kernel refuse file handles, as a container's filter does, for good."""
    refuse_calls(name_to_handle_at=errno.EOPNOTSUPP, open_by_handle_at=errno.EPERM)


def before_6_18() -> None:
    """Leave neither handles nor ids that are never given twice, for good."""
    without_handles()
    become_old("6.17")


WAYS: Final[dict[str, Callable[[], object]]] = {
    "as it is": int,
    "search": without_handles,
    "no ids": lambda: become_old("no ids"),
    "6.17": before_6_18,
}
"""What to run first, in a child, to have references made and resolved in this way."""

_SETTLE: Final = 30.0
"""How long the kernel may take to free a namespace, in seconds."""


def by(way: str, function: Callable[[], T]) -> T:
    """Run in a child that has only this way."""

    def inside() -> T:
        WAYS[way]()
        return function()

    return in_child(inside)


@contextmanager
def made(type: TypeLike) -> Iterator[Namespace]:
    """Make a namespace that nobody is in."""
    what = new_creation()
    what.flags, what.owner, what.count = NamespaceType(type).flag, -1, 1
    what.setup.hostname_length = -1
    what.nstypes[0] = NamespaceType(type).flag
    result = lib.pyns_create(what)
    if result < 0:
        raise refusal(result, (NamespaceType(type),))
    try:
        namespace = Namespace.from_fd(what.fds[0])
    finally:
        os.close(what.fds[0])
    with closing(namespace):
        yield namespace


def ref_of(path: str | int) -> NamespaceRef:
    """Return a reference to what is at a path, or in a descriptor."""
    opened = Namespace.from_fd(path) if isinstance(path, int) else None
    with closing(opened or Namespace.from_path(str(path))) as namespace:
        return namespace.ref()


def place(ref: NamespaceRef) -> Place:
    """Resolve, and return which namespace was opened."""
    with closing(ref.resolve()) as namespace:
        facts = os.fstat(namespace.fileno())
        assert not os.get_inheritable(namespace.fileno())
        assert type(namespace) is not Namespace
        assert namespace.type is ref.id.type
        return facts.st_dev, facts.st_ino


_STRANGER: Final = """
import sys
from pynamespaces import NamespaceRef
from refs import WAYS, place
WAYS[sys.argv[1]]()
for line in sys.stdin:
    print(*place(NamespaceRef.from_bytes(bytes.fromhex(line))), flush=True)
"""


@contextmanager
def stranger(way: str = "as it is") -> Iterator[Callable[[NamespaceRef], Place]]:
    """Have an interpreter that resolves what it gets no more than the bytes of."""
    folder = os.path.dirname(__file__)
    search = os.pathsep.join([folder, *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", _STRANGER, way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search},
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def ask(ref: NamespaceRef) -> Place:
            print(bytes(ref).hex(), file=asked, flush=True)
            dev, ino = answers.readline().split()
            return int(dev), int(ino)

        yield ask


def has_handles() -> bool:
    """Return whether this kernel makes file handles of namespaces."""
    with closing(Namespace.current("uts")) as namespace:
        return namespace.id.unique is not None


def is_gone(ref: NamespaceRef) -> bool:
    """Return whether a reference leads nowhere, and says so."""
    try:
        ref.resolve().close()
    except NamespaceGoneError as error:
        text = f"{ref.id} has died, or is nowhere that this caller may look"
        if text in str(error):
            return True
        raise
    return False


def is_gone_soon(ref: NamespaceRef) -> bool:
    """Return whether it is gone once the kernel has let go of it."""
    deadline = time.monotonic() + _SETTLE
    # User and pid namespaces live on for the moments that freeing their tasks takes.
    while not is_gone(ref) and time.monotonic() < deadline:
        time.sleep(0.001)
    return is_gone(ref)
