"""What a killed maker of a pin has left is taken over, and nothing else is."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from naming import BLUE, FOLDER, in_own_run
from pinning import fresh, in_own_mounts, mounted_at
from provoking import own_mounts
from support import in_child
from targets import POWER

from pynamespaces import (
    NamespaceExistsError,
    NetNamespace,
    NoSuchNamespaceError,
    unpin,
)

pytestmark = POWER


def leave(path: Path) -> Path:
    """Leave what one has who was killed before anything was mounted there."""
    path.touch()
    path.chmod(stat.S_IWUSR)
    return path


def test_pin_takes_it_over(tmp_path: Path) -> None:
    """The next pin at that path is as good as any."""

    def keep() -> None:
        path = leave(tmp_path / "pin")
        fresh("uts").pin(path)
        assert len(mounted_at(path)) == 1
        unpin(path)
        assert os.listdir(tmp_path) == []

    in_own_mounts(tmp_path, keep)


def test_unpin_removes_it(tmp_path: Path) -> None:
    """There is no pin, and nothing is in the way of the next."""

    def end() -> None:
        path = leave(tmp_path / "pin")
        unpin(path, missing_ok=True)
        assert os.listdir(tmp_path) == []
        with pytest.raises(NoSuchNamespaceError) as caught:
            unpin(leave(path))
        assert caught.value.errno == errno.ENOENT
        assert os.listdir(tmp_path) == []

    in_own_mounts(tmp_path, end)


def test_name_is_given_again() -> None:
    """A name that was about to be given is free at once."""

    def create() -> None:
        FOLDER.mkdir()
        leave(BLUE)
        NetNamespace.create("blue").close()
        assert len(mounted_at(BLUE)) == 1

    in_own_run(create)


def _held(path: Path) -> Callable[[], None]:
    leave(path)
    file = os.open(path, os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_EX)
    return lambda: os.close(file)


def _written(path: Path) -> Callable[[], None]:
    path.write_text("mine")
    path.chmod(stat.S_IWUSR)
    return lambda: None


def _fifo(path: Path) -> Callable[[], None]:
    os.mkfifo(path, stat.S_IWUSR)
    return lambda: None


@pytest.mark.parametrize("make", [_held, _written, _fifo])
def test_what_is_not_left(
    make: Callable[[Path], Callable[[], None]], tmp_path: Path
) -> None:
    """What somebody still works on, or has made otherwise, stays as it is."""

    def refused() -> None:
        path = tmp_path / "pin"
        end = make(path)
        before = path.lstat()
        with closing(fresh("uts")) as namespace:
            with pytest.raises(NamespaceExistsError):
                namespace.pin(path)
        assert path.lstat() == before
        end()

    in_own_mounts(tmp_path, refused)


def test_pin_elsewhere_is_not_left(tmp_path: Path) -> None:
    """A pin that only another mount namespace sees is in the way, and stays."""

    def refused() -> None:
        path = tmp_path / "pin"

        def keep() -> None:
            own_mounts()
            fresh("uts").pin(path)

        in_child(keep)
        with closing(fresh("uts")) as namespace:
            with pytest.raises(NamespaceExistsError):
                namespace.pin(path)

    in_own_mounts(tmp_path, refused)
