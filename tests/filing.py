"""A mount namespace whose files are its own, and how it is told from the caller's."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
from provoking import mount
from support import TIER, in_child

from pynamespaces import MountNamespace, Namespace, NamespaceSet, UserNamespace, setns

T = TypeVar("T")

INSIDE, OUTSIDE = b"inside\n", b"outside\n"


class Tree(NamedTuple):
    """A directory that in a mount namespace has files of its own."""

    namespace: MountNamespace
    folder: Path
    owner: UserNamespace | None

    def inside(self, function: Callable[[], T]) -> T:
        """Run in a child that has entered."""

        def enter() -> T:
            if self.owner is not None:
                setns(self.owner)
            setns(self.namespace)
            os.chdir(self.folder)
            return function()

        return in_child(enter)

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
        """Open a file below the directory."""
        return self.namespace.open(self.folder / path, flags, mode)

    def read(self, path: str) -> bytes:
        """Read a file below the directory."""
        return contents(self.open(path))


def contents(fd: int) -> bytes:
    """Read a descriptor to its end, and close it."""
    with open(fd, "rb") as file:
        return file.read()


@contextmanager
def fresh_mounts(owned: bool) -> Iterator[tuple[MountNamespace, UserNamespace | None]]:
    """Make a mount namespace: of an ordinary user's, or by the caller's power."""
    if not owned:
        with closing(Namespace.new("mnt")) as namespace:
            yield namespace, None
        return
    with closing(NamespaceSet.new("user", "mnt")) as made:
        with (
            closing(Namespace.from_fd(made["mnt"], "mnt")) as namespace,
            closing(Namespace.from_fd(made["user"], "user")) as owner,
        ):
            yield namespace, owner


@pytest.fixture(params=["owned", "powerful"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    """A folder with a file, which in another mount namespace has another file."""
    if TIER == "plain" and request.param == "powerful":
        pytest.skip("takes power over the caller's own user namespace")
    (tmp_path / "file").write_bytes(OUTSIDE)

    def furnish() -> None:
        mount("none", str(tmp_path), "tmpfs")
        (tmp_path / "file").write_bytes(INSIDE)
        (tmp_path / "directory").mkdir()

    with fresh_mounts(request.param == "owned") as (namespace, owner):
        made = Tree(namespace, tmp_path, owner)
        made.inside(furnish)
        yield made
