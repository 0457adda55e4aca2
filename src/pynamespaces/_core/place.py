"""The place of a pin: a name in a directory, what is mounted on it, what is below."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn, Self

from .. import _proc
from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import NoSuchNamespaceError, SystemCallError
from ..lowlevel._arguments import check
from .reach import Path

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE: Final = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# It may have become a FIFO, which is not to be waited for.
_TAKE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

_HALF_MADE: Final = stat.S_IFREG | stat.S_IWUSR
"""The mode of a file until a namespace is on it: seen from other mounts, it is 0."""


class Place:
    """
    A name in a directory, which is held open: its path may lead elsewhere later.

    A context manager that closes the directory. All is done in the mount namespace
    of the calling thread. Where nothing has the name, NoSuchNamespaceError is raised.
    """

    __slots__ = ("_covered", "_directory", "_name", "_parent", "_types", "path")

    def __init__(
        self, path: Path, syscall: str, types: tuple[NamespaceType, ...] = ()
    ) -> None:
        self.path = os.fspath(path)
        encoded = os.fsencode(self.path)
        if b"\0" in encoded:
            raise ValueError(f"a path cannot contain a null byte: {self.path!r}")
        parent, name = os.path.split(encoded)
        # "x/" means what is in the directory x, which is itself.
        self._name = name or (parent and b".")
        self._parent = parent or b"."
        self._types = types
        self._covered = -1
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            self._directory = os.open(self._parent, flags)
        except OSError as error:
            self._refuse(error, syscall)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)
        if self._covered >= 0:
            os.close(self._covered)

    def _refuse(self, error: OSError, syscall: str) -> NoReturn:
        number = error.errno or errno.EIO
        raise from_errno(number, syscall, self._types, self.path) from None

    def facts(self) -> os.stat_result:
        """Look at what has the name, links not followed."""
        try:
            return os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except OSError as error:
            self._refuse(error, "stat")

    def is_half_made(self) -> bool:
        """Return whether it is a file on which a namespace is to be, and is not yet."""
        facts = self.facts()
        # By another name, or of another user's, it is none that a pin has left.
        is_own = facts.st_nlink == 1 and facts.st_uid == os.geteuid()
        return facts.st_mode == _HALF_MADE and looks_made(facts) and is_own

    def is_pin(self) -> bool:
        """Return whether a namespace is mounted on the name itself."""
        try:
            fd = os.open(self._name, _LOOK, dir_fd=self._directory)
        except OSError as error:
            self._refuse(error, "open")
        try:
            return lib.pyns_is_nsfs(fd) == 1
        finally:
            os.close(fd)

    def fill(self, type: NamespaceType, source: Callable[[], int]) -> None:
        """
        Make the file, then get a namespace, and mount it on the file.

        If anything goes wrong, the file is removed. Only who is killed leaves one, and
        the next takes it over.

        Raises:
            NamespaceExistsError: The name is taken; *source* was not called.
        """
        made: list[int] = []
        namespace = None
        try:
            self._make(made)
            namespace = source()
            self._attach(namespace, type, made[0])
        except BaseException:
            for file in made:
                self._undo(file, namespace)
            raise
        finally:
            for file in made:
                os.close(file)

    def _make(self, made: list[int]) -> None:
        """Make the file, or take over what is left of one; put it into *made*."""
        make = partial(os.open, flags=_MAKE, mode=stat.S_IWUSR, dir_fd=self._directory)
        try:
            # All in C: a signal's exception comes before the file is made, or when it
            # is known to have been.
            made.extend(map(make, (self._name,)))
            held = _lock(made[0])
            # Between the two calls, it may have been taken over.
            if held == errno.EWOULDBLOCK or not self._is_named(made[0]):
                os.close(made.pop())
                raise FileExistsError(errno.EEXIST, "")
        except OSError as error:
            if error.errno != errno.EEXIST or not self._take_over(made):
                self._refuse(error, "open(O_CREAT)")

    def _take_over(self, made: list[int]) -> bool:
        """Take over what one has left who was killed; return whether that is there."""
        take = partial(os.open, flags=_TAKE, dir_fd=self._directory)
        try:
            if not self.is_half_made():
                return False
            made.extend(map(take, (self._name,)))
            if _lock(made[0]) == 0 and self._is_named(made[0]):
                return self.is_half_made()
        except OSError:
            pass  # It is gone by now, or not the caller's to read.
        if made:
            os.close(made.pop())
        return False

    def remove_half_made(self) -> bool:
        """Remove what one has left who was killed; return whether that was there."""
        left: list[int] = []
        try:
            if self._take_over(left):
                self.unlink()
            return bool(left)
        finally:
            for file in left:
                os.close(file)

    def _is_named(self, file: int) -> bool:
        return _identity(self.facts()) == _identity(self._facts_of(file))

    def _facts_of(self, fd: int) -> os.stat_result:
        try:
            return os.fstat(fd)
        except OSError as error:
            self._refuse(error, "fstat")

    def _attach(self, namespace: int, type: NamespaceType, file: int) -> None:
        result = lib.pyns_attach(namespace, file)
        check(result, "move_mount", (type,), self.path, fd=namespace)
        if _identity(self.facts()) != _identity(self._facts_of(namespace)):
            raise from_errno(errno.EBUSY, "move_mount", (type,), self.path)
        with suppress(OSError):  # Some file systems have no modes.
            os.fchmod(file, 0)

    def _undo(self, file: int, namespace: int | None) -> None:
        """Unlink the file that was made, if it still is the one with the name."""
        try:
            if namespace is not None:
                pinned = _identity(self._facts_of(namespace))
                if _identity(self.facts()) == pinned:
                    self._detach()
                else:
                    self._follow(file, pinned)
            if self._is_named(file):
                self.unlink()
        except NoSuchNamespaceError:
            pass  # Another program has removed it.

    def _follow(self, file: int, pinned: tuple[int, int]) -> None:
        """Detach what is mounted on the file that was made, if others have moved it."""
        try:
            path = os.readlink(b"/proc/thread-self/fd/%d" % file)
        except OSError:
            return  # No /proc: it is not known where it is.
        # With a namespace on it, nobody can move it on.
        with Place(path, "open", self._types) as moved:
            if _identity(moved.facts()) == pinned:
                moved._detach()
                moved.unlink()

    def _mark(self, mode: int) -> None:
        """Say by the file below whether it is only left over, should we be killed."""
        if self._covered < 0:
            self._covered = lib.pyns_open_covered(self._directory, self._name)
        # One of another kind was not made by `pin`, and is not to be taken over.
        if self._covered >= 0 and looks_made(self._facts_of(self._covered)):
            _lock(self._covered)
            with suppress(OSError):  # Some file systems have no modes.
                os.fchmod(self._covered, mode)

    def _detach(self) -> int:
        """Detach what is mounted on the name; return 0 or -errno."""
        parent = self._parent
        if _proc.namespace_types() is not None:
            # The directory that was opened, wherever its path leads by now.
            parent = b"/proc/thread-self/fd/%d" % self._directory
        return lib.pyns_detach(parent + b"/" + self._name)

    def detach(self) -> bool:
        """Detach all that are mounted on the name; return whether this caller has."""
        detached = False
        try:
            if self.is_pin():
                self._mark(stat.S_IWUSR)
            while self.is_pin():
                result = self._detach()
                # Then another caller has detached it since the look.
                if result == -errno.EINVAL and not self.is_pin():
                    break
                check(result, "umount2", self._types, self.path)
                detached = True
        except NoSuchNamespaceError:
            # Another caller has removed the file, too.
            if not detached:
                raise
        except SystemCallError:
            self._mark(0)  # It is a pin as before.
            raise
        return detached

    def remove(self) -> bool:
        """
        Detach all that are mounted on the name, then remove it.

        Where it cannot be removed, what was on top is mounted on it again.

        Returns:
            Whether it was this caller who did; else another has, since the look.
        """
        namespace = self._open_pin()
        if namespace is None:
            self.unlink()
            return True
        try:
            return self.detach() and self._unlink_or_restore(namespace)
        finally:
            os.close(namespace)

    def _unlink_or_restore(self, namespace: int) -> bool:
        try:
            self.unlink()
        except NoSuchNamespaceError:
            pass  # Of callers who each detached one of several, another came first.
        except BaseException:
            self._attach_again(namespace)
            self._mark(0)
            raise
        return True

    def _open_pin(self) -> int | None:
        """Open the namespace that is mounted on the name, if one is."""
        if not self.is_pin():
            return None
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._name, flags, dir_fd=self._directory)
        except OSError as error:
            self._refuse(error, "open")

    def _attach_again(self, namespace: int) -> None:
        with suppress(OSError):
            file = os.open(self._name, _LOOK, dir_fd=self._directory)
            try:
                lib.pyns_attach(namespace, file)
            finally:
                os.close(file)

    def unlink(self) -> None:
        """Remove the name."""
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except OSError as error:
            self._refuse(error, "unlink")


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _lock(file: int) -> int:
    """Keep others from taking a file over, while it is open; return 0 or errno."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def looks_made(facts: os.stat_result) -> bool:
    return facts.st_mode in (stat.S_IFREG, _HALF_MADE) and facts.st_size == 0
