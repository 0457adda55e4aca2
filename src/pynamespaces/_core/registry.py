"""The network namespaces that have names, as ``ip netns`` keeps them."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import NoSuchNamespaceError, SystemCallError
from ..lowlevel._arguments import check
from .place import Place
from .reach import open_path

DIRECTORY: Final = "/run/netns"

_NET: Final = NamespaceType.NET
_LONGEST_NAME: Final = 255
_PATIENCE: Final = 10**9
"""How long ``ip netns add`` is given to mount the namespace on its file, in ns."""
_PAUSE: Final = 0.01


def path_of(name: str) -> str:
    """
    Return the path of a name, without looking whether it is there.

    Raises:
        TypeError: The name is no str.

        ValueError: It can be no name.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    fits = 1 <= len(os.fsencode(name)) <= _LONGEST_NAME
    if not fits or name in {".", ".."} or "/" in name or "\0" in name:
        raise ValueError(
            f"{name!r} can be no name: it has 1 to {_LONGEST_NAME} bytes, no slash "
            "and no null byte, and is neither . nor .."
        )
    return f"{DIRECTORY}/{name}"


def create(name: str, make: Callable[[], int]) -> int:
    """
    Take a name, then make a namespace for it; return the descriptor, the caller's.

    Waits while another program uses the directory, and a second for one that may be
    about to finish a file that is no namespace yet; after that, such a file is stale
    and replaced. If anything fails, no file is left.

    Args:
        name: What nobody else has.

        make: Makes the namespace, when the name is the caller's, and returns a
            descriptor.

    Raises:
        NamespaceExistsError: The name is taken; *make* was not called.
    """
    path = path_of(name)
    try:
        os.mkdir(DIRECTORY, 0o755)
    except FileExistsError:
        pass
    except OSError as error:
        raise _refusal(error, "mkdir", DIRECTORY) from None
    while True:
        with _locked(DIRECTORY):
            _share_directory()
            # Opened only now: the mount that was on top has changed.
            with Place(path, "open(O_CREAT)", (_NET,)) as place:
                if _is_free(place):
                    return _create(place, make)
        # Not while holding the lock, which others wait for.
        time.sleep(_PAUSE)


def _create(place: Place, make: Callable[[], int]) -> int:
    made: list[int] = []

    def source() -> int:
        made.append(make())
        return made[0]

    try:
        place.fill(_NET, source)
    except BaseException:
        for fd in made:
            os.close(fd)
        raise
    return made[0]


def _is_free(place: Place) -> bool:
    """
    Remove what is stale; return False when it may only be unfinished.

    If the name is taken, making the file will tell.
    """
    try:
        if place.is_half_made():
            return True  # The name is taken, or left by one who was killed.
        facts = place.facts()
        is_file = stat.S_ISREG(facts.st_mode) and not place.is_pin()
        if not is_file and os.path.exists(place.path):
            return True  # A namespace, a directory, or a link that leads somewhere.
        # A clock that was set back must not make it young for ever.
        if abs(time.time_ns() - facts.st_ctime_ns) < _PATIENCE:
            return False
        place.unlink()
    except NoSuchNamespaceError:
        pass
    except SystemCallError as error:
        if error.errno != errno.EBUSY:  # That is: finished since the look.
            raise
    return True


def _share_directory() -> None:
    """Let what is mounted here be mounted and unmounted in all mount namespaces."""
    directory = DIRECTORY.encode()
    result = lib.pyns_make_shared(directory)
    if result == -errno.EINVAL:  # It is no mount point yet.
        check(lib.pyns_bind(directory, directory), "mount", (_NET,), DIRECTORY)
        result = lib.pyns_make_shared(directory)
    check(result, "mount", (_NET,), DIRECTORY)


@contextmanager
def _locked(path: str, name: str | None = None) -> Iterator[None]:
    """Hold the lock of the directory, which ``ip netns add`` takes too."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(error, "open", name or path) from None
    try:
        try:
            # Each caller has its own open file, so threads wait for one another, too.
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            raise _refusal(error, "flock", path) from None
        try:
            yield
        finally:
            # Closing is not enough: a child that was forked meanwhile has it open. But
            # what was done is done, whether or not others have to wait for that child.
            with suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _refusal(error: OSError, syscall: str, path: str) -> SystemCallError:
    return from_errno(error.errno or errno.EIO, syscall, (_NET,), path)


def open_name(name: str) -> int:
    """
    Open the namespace that has a name.

    Raises:
        NoSuchNamespaceError: None has it.

        NotANamespaceError: The name is stale, left over from a namespace.
    """
    return open_path(path_of(name), _NET)


def names() -> list[str]:
    """Return the names there are, sorted: those that ``ip netns list`` prints."""
    try:
        return sorted(os.listdir(DIRECTORY))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _refusal(error, "open", DIRECTORY) from None


def delete(name: str) -> None:
    """
    Take a name away from its namespace, or remove one that is stale.

    The namespace lives on while anything else holds it.

    Raises:
        NoSuchNamespaceError: There is no such name.
    """
    path = path_of(name)
    with _locked(DIRECTORY, path), Place(path, "open", (_NET,)) as place:
        if not place.remove():
            raise from_errno(errno.ENOENT, "umount2", (_NET,), path)
