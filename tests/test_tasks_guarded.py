"""Helper tasks keep their caller from those who have power where they go."""

import ctypes
import os
from contextlib import closing
from pathlib import Path

import pytest
from holding import holder
from provoking import mount, own_mounts
from support import in_child

from pynamespaces import Namespace, NoSuchNamespaceError, UserNamespace
from pynamespaces._core import maps

POWER = pytest.mark.tier("root", "userns")
PR_GET_DUMPABLE = 3


def dumpable() -> int:
    """Return whether other processes of the user may look into this one."""
    return int(ctypes.CDLL(None).prctl(PR_GET_DUMPABLE))


@POWER
@pytest.mark.parametrize("kind", ["link", "file"])
def test_forged_proc(kind: str, tmp_path: Path) -> None:
    """Nothing is written to what stands in the place of /proc."""

    def check() -> tuple[str, str]:
        own_mounts()
        mount("none", str(tmp_path), "tmpfs")
        (tmp_path / "real").mkdir()
        mount("proc", str(tmp_path / "real"), "proc")
        (tmp_path / "file").write_text("precious")
        mount("none", "/proc", "tmpfs")
        if kind == "link":
            os.symlink(tmp_path / "real" / str(victim), "/proc/self")
        else:
            os.mkdir("/proc/self")
            for name in ("setgroups", "uid_map", "gid_map"):
                os.symlink(tmp_path / "file", f"/proc/self/{name}")
        with pytest.raises(NoSuchNamespaceError):
            Namespace.new("user")
        written = (tmp_path / "real" / str(victim) / "uid_map").read_text()
        return written, (tmp_path / "file").read_text()

    with holder("user") as unmapped:
        victim = unmapped.pid
        assert in_child(check) == ("", "precious")


def test_apart_has_nothing(tmp_path: Path) -> None:
    """A task in a user namespace that others are in has none of our descriptors."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with (
        secret.open(),
        holder("user") as other,
        closing(UserNamespace.from_pid(other.pid, "user")) as namespace,
        maps._inhabited(namespace.fileno(), fresh=False) as inhabitant,
    ):
        folder = f"/proc/{inhabitant.pid}"
        assert not Path(folder, "task", str(inhabitant.pid), "children").read_text()
        # Of what is undumpable, all is root's; and only root may look.
        assert os.stat(f"{folder}/uid_map").st_uid in (0, 65534)
        if os.access(f"{folder}/fd", os.R_OK) and os.geteuid() == 0:
            links = [
                os.readlink(f"{folder}/fd/{n}") for n in os.listdir(f"{folder}/fd")
            ]
            assert str(secret) not in links
            assert len(links) <= 3
        assert dumpable() == 1


@POWER
def test_hidden_while_inside() -> None:
    """While a task of root's is in a fresh one, nobody may look into this process."""
    with closing(UserNamespace.new("user")) as namespace:
        assert dumpable() == 1
        with maps._inhabited(namespace.fileno(), fresh=True):
            assert dumpable() == 0
        assert dumpable() == 1


def test_dismissed_whatever_happens() -> None:
    """An inhabitant is gone after its body, also after one that raised."""
    with closing(UserNamespace.new("user")) as namespace:
        with pytest.raises(ZeroDivisionError):
            with maps._inhabited(namespace.fileno(), fresh=True) as inhabitant:
                pid = inhabitant.pid
                assert os.stat(f"/proc/{pid}")
                raise ZeroDivisionError
        assert not os.path.exists(f"/proc/{pid}")
