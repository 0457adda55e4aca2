"""Pins: files that namespaces are mounted on, which keeps them alive."""

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn, Self

from .. import _proc
from .._lib import lib
from .._refusals import from_errno
from .._types import NamespaceType
from ..errors import NoSuchNamespaceError
from ..lowlevel._arguments import check
from .reach import Path

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE: Final = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_PATIENCE: Final = 0.1
"""How long a caller may take from detaching a namespace to removing its file, in s."""
_PAUSE: Final = 0.001


class Place:
    """
    A name in a directory, which is held open: its path may lead elsewhere later.

    A context manager that closes the directory. All is done in the mount namespace
    of the calling thread.
    """

    __slots__ = ("_directory", "_name", "_parent", "_types", "path")

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
        flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            self._directory = os.open(self._parent, flags)
        except OSError as error:
            self._refuse(error, syscall)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)

    def _refuse(self, error: OSError, syscall: str) -> NoReturn:
        number = error.errno or errno.EIO
        raise from_errno(number, syscall, self._types, self.path) from None

    def facts(self) -> os.stat_result:
        """Look at what has the name, links not followed."""
        try:
            return os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except OSError as error:
            self._refuse(error, "stat")

    def is_pin(self) -> bool:
        """
        Return whether a namespace is mounted on the name itself.

        Raises:
            NoSuchNamespaceError: Nothing has that name.
        """
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

        If anything goes wrong, the file is removed, which was made here or not at all.

        Raises:
            NamespaceExistsError: The name is taken; *source* was not called.
        """
        make = partial(os.open, flags=_MAKE, mode=0, dir_fd=self._directory)
        made: list[int] = []
        namespace = None
        try:
            try:
                # All in C: a signal's exception comes before the file is made, or
                # when it is known to have been.
                made.extend(map(make, (self._name,)))
            except OSError as error:
                self._refuse(error, "open(O_CREAT)")
            namespace = source()
            self._attach(namespace, type, made[0])
        except BaseException:
            for file in made:
                self._undo(file, namespace)
            raise
        finally:
            for file in made:
                os.close(file)

    def _attach(self, namespace: int, type: NamespaceType, file: int) -> None:
        result = lib.pyns_attach(namespace, file)
        check(result, "move_mount", (type,), self.path, fd=namespace)
        if _identity(self.facts()) != _identity(os.fstat(namespace)):
            raise from_errno(errno.EBUSY, "move_mount", (type,), self.path)

    def _undo(self, file: int, namespace: int | None) -> None:
        """Unlink the file that was made, if it still is the one with the name."""
        try:
            if namespace is not None:
                pinned = _identity(os.fstat(namespace))
                if _identity(self.facts()) == pinned:
                    self._detach()
            if _identity(self.facts()) == _identity(os.fstat(file)):
                self.unlink()
        except NoSuchNamespaceError:
            pass  # Another program has removed it.

    def _detach(self) -> int:
        """Detach what is mounted on the name; return 0 or -errno."""
        parent = self._parent
        if _proc.namespace_types() is not None:
            # The directory that was opened, wherever its path leads by now.
            parent = b"/proc/thread-self/fd/%d" % self._directory
        return lib.pyns_detach(parent + b"/" + self._name)

    def detach(self) -> bool:
        """
        Detach all namespaces that are mounted on the name, one after the other.

        Returns:
            Whether there was one, and no other caller was faster.
        """
        detached = False
        try:
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
        return detached

    def unlink(self) -> None:
        """
        Remove the name.

        Raises:
            NoSuchNamespaceError: There is none.
        """
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except OSError as error:
            self._refuse(error, "unlink")


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _wait_for_another(place: Place) -> None:
    """
    Wait for a caller that has detached the namespace, and is to remove the file.

    Raises:
        NoSuchNamespaceError: It has done so.
    """
    deadline = time.monotonic() + _PATIENCE
    # Files of other kinds were not made by `pin`, so nobody is about to remove them.
    while _looks_made(place.facts()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _looks_made(facts: os.stat_result) -> bool:
    return facts.st_mode == stat.S_IFREG and facts.st_size == 0


def pin(fd: int, type: NamespaceType, path: Path) -> None:
    """
    Make a file and mount a namespace on it, in the thread's mount namespace.

    If it fails, no file is left. The descriptor stays the caller's.
    """
    with Place(path, "open(O_CREAT)", (type,)) as place:
        place.fill(type, lambda: fd)


def unpin(path: Path, *, missing_ok: bool = False) -> None:
    """
    Detach the namespace that is pinned at a path, and remove the file.

    This happens in the mount namespace of the calling *thread*, and in those that
    its mounts propagate to. The namespace lives on while anything else holds it. Of
    callers at the same time, one unpins it, and the others find it missing. See
    :manpage:`umount(2)`.

    Args:
        path: What `Namespace.pin` or another program has mounted a namespace on.
            Links are not followed.

        missing_ok: Allow that there is no such file.

    Raises:
        NotANamespaceError: No namespace is pinned there: it is a link, as those in
            ``/proc/PID/ns``, or a directory, or a file with nothing mounted on it.
            Nothing was changed.

        NoSuchNamespaceError: There is no such file.

        NamespacePermissionError: The caller has no CAP_SYS_ADMIN over the thread's
            mount namespace, or may not remove the file.
    """
    try:
        with Place(path, "open") as place:
            _remove(place)
    except NoSuchNamespaceError:
        if not missing_ok:
            raise


def _remove(place: Place) -> None:
    if not place.is_pin():
        _wait_for_another(place)
        raise from_errno(errno.EINVAL, "umount2", (), place.path)
    if not place.detach():
        raise from_errno(errno.ENOENT, "umount2", (), place.path)
    # Of callers who each detached one of several, another may have come first.
    with suppress(NoSuchNamespaceError):
        place.unlink()
