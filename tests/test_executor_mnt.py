"""`ThreadPoolExecutor`: threads in a mount namespace."""

import os
import threading
from contextlib import closing
from pathlib import Path

from starting import POWER
from support import in_child
from working import LIMIT

from pynamespaces import Namespace, ThreadPoolExecutor


@POWER
def test_mnt_own_root_and_cwd(tmp_path: Path) -> None:
    """Each thread has its own working directory and umask; the process keeps its."""
    barrier = threading.Barrier(2)

    def move(name: str) -> tuple[str, int]:
        (tmp_path / name).mkdir()
        os.chdir(tmp_path / name)
        os.umask(0o123 if name == "a" else 0o145)
        barrier.wait(LIMIT)
        found = os.getcwd(), os.umask(0o7)
        barrier.wait(LIMIT)
        return found

    def check() -> None:
        cwd, mask = os.getcwd(), os.umask(0o22)
        with closing(Namespace.new("mnt")) as mnt, ThreadPoolExecutor(mnt, 2) as pool:
            found = [*pool.map(move, ["a", "b"])]
        assert found == [(str(tmp_path / "a"), 0o123), (str(tmp_path / "b"), 0o145)]
        assert (os.getcwd(), os.umask(mask)) == (cwd, 0o22)

    in_child(check)


@POWER
def test_mnt_starts_at_its_root(tmp_path: Path) -> None:
    """A thread of a mount namespace begins at the root of that."""
    assert os.getcwd() != "/"
    with closing(Namespace.new("mnt")) as mnt, ThreadPoolExecutor(mnt, 1) as pool:
        assert pool.submit(os.getcwd).result(LIMIT) == "/"


@POWER
def test_mnt_given_work_from_inside() -> None:
    """Threads have directories of their own, too, where the one is that gives work."""

    def change() -> str:
        os.chdir("/proc")
        os.umask(0o111)
        return os.getcwd()

    def check() -> None:
        with closing(Namespace.new("mnt")) as mnt, ThreadPoolExecutor(mnt, 1) as pool:
            with mnt.enter(unshare_fs=True):
                before = os.getcwd(), os.umask(0o22)
                assert pool.submit(change).result(LIMIT) == "/proc"
                assert (os.getcwd(), os.umask(0o22)) == (before[0], 0o22)

    in_child(check)
