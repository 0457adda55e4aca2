"""Others exchange what a path leads to for links, while it is opened or pinned."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from filing import INSIDE, OUTSIDE, Tree, contents, tree
from pinning import fresh, in_own_mounts, mounted_at
from provoking import FakeLib
from swapping import busy, exchange
from targets import POWER

from pynamespaces import Namespace, SystemCallError, setns, unpin
from pynamespaces._core import place
from pynamespaces._lib import lib

__all__ = ["tree"]

TURNS: Final = int(os.environ.get("PYNAMESPACES_TURNS", "200"))
"""How often it is tried."""

REFUSALS: Final = {
    *(errno.ELOOP, errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EAGAIN)
}

LEADING_OUT: Final[dict[str, Callable[[Path], str]]] = {
    "root of another": lambda folder: f"/proc/{os.getppid()}/root{folder}",
    "own root": lambda folder: f"/proc/self/root{folder}",
    "directory of another": lambda folder: f"/proc/{os.getppid()}/cwd",
    "far up": lambda folder: "../" * 40 + str(folder)[1:],
}


@contextmanager
def swapped(tree: Tree, target: str) -> Iterator[None]:
    """Have somebody inside exchange a directory for a link, and back."""

    def furnish() -> None:
        Path("swap").mkdir()
        Path("swap/file").write_bytes(INSIDE)
        Path("link").symlink_to(target)

    tree.inside(furnish)

    has_entered: list[bool] = []

    def enter_and_swap() -> None:
        if not has_entered:
            if tree.owner is not None:
                setns(tree.owner)
            setns(tree.namespace)
            os.chdir(tree.folder)
            has_entered.append(True)
        exchange("swap", "link")

    with busy(enter_and_swap):
        yield


@pytest.mark.parametrize("leading", LEADING_OUT)
def test_never_outside(tree: Tree, leading: str) -> None:
    """What is opened is inside or not opened, whatever the path becomes meanwhile."""
    found = set[bytes | str]()
    with swapped(tree, LEADING_OUT[leading](tree.folder)):
        for turn in range(TURNS):
            try:
                found.add(tree.read("swap/file"))
            except OSError as error:
                found.add("refused" if error.errno in REFUSALS else str(error))
            if turn > 50 and {INSIDE, "refused"} <= found:
                break
    assert {INSIDE} <= found <= {INSIDE, "refused"}


def test_never_made_outside(tree: Tree) -> None:
    """Nor is a file made outside, or a file outside emptied."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    target = LEADING_OUT["root of another"](tree.folder)
    others: list[str] = []
    with swapped(tree, target):
        for turn in range(TURNS // 2):
            for name in (f"new{turn % 10}", "file"):
                try:
                    os.close(tree.open(f"swap/{name}", flags))
                except OSError as error:
                    others += [str(error)] * (error.errno not in REFUSALS)
    assert others == []
    assert os.listdir(tree.folder) == ["file"]
    assert contents(os.open(tree.folder / "file", os.O_RDONLY)) == OUTSIDE


def _pins_below(folder: Path) -> list[str]:
    lines = Path("/proc/thread-self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


@POWER
def test_pin_while_exchanged(tmp_path: Path) -> None:
    """A pin is never on what a link leads to, and none is left that has failed."""

    def look() -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(OUTSIDE)
        (tmp_path / "folder").mkdir()
        name, decoy = tmp_path / "folder/name", tmp_path / "folder/decoy"
        decoy.symlink_to(victim)
        with closing(fresh("uts")) as made:
            with busy(lambda: exchange(name, decoy)):
                for _ in range(TURNS // 2):
                    _pin_and_unpin(made, name)
                    assert mounted_at(victim) == []
            assert victim.read_bytes() == OUTSIDE
            assert _pins_below(tmp_path) == []

    in_own_mounts(tmp_path, look)


def _pin_and_unpin(made: Namespace, name: Path) -> None:
    try:
        made.pin(name)
    except SystemCallError:
        assert _pins_below(name.parent) == []
        for path in (name, name.with_name("decoy")):
            if not path.is_symlink():
                path.unlink(missing_ok=True)
    else:
        unpin(name)


@POWER
def test_exchanged_at_the_worst_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file goes elsewhere just before the mount, no mount is left there."""

    def look() -> None:
        (tmp_path / "victim").write_bytes(OUTSIDE)
        name, decoy = tmp_path / "name", tmp_path / "decoy"
        decoy.symlink_to("victim")

        def attach(namespace: int, file: int) -> int:
            exchange(name, decoy)
            return lib.pyns_attach(namespace, file)

        monkeypatch.setattr(place, "lib", FakeLib(pyns_attach=attach))
        with closing(fresh("uts")) as made, pytest.raises(SystemCallError):
            made.pin(name)
        assert _pins_below(tmp_path) == []
        assert name.readlink() == Path("victim")
        assert (tmp_path / "victim").read_bytes() == OUTSIDE

    in_own_mounts(tmp_path, look)
