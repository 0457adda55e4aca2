"""Named network namespaces: what `ip netns` makes and sees."""

import os
import subprocess

import pytest
from naming import (
    BLUE,
    EXISTS,
    FOLDER,
    in_own_run,
    ip,
    ip_names,
    link_text,
    make,
    never,
)
from pinning import at_once, mounted_at
from provoking import another_process
from support import program
from targets import POWER

from pynamespaces import NamespaceExistsError, NetNamespace, lowlevel
from pynamespaces._core import registry


@POWER
def test_net_namespace_has_the_registry() -> None:
    """The class makes, finds, lists and deletes by name; ``lo`` stays down."""

    def use() -> None:
        made = NetNamespace.create("blue")
        assert type(made) is NetNamespace
        assert NetNamespace.names() == ip_names() == ["blue"]
        found = NetNamespace.from_name("blue")
        assert found == made
        assert "state DOWN" in ip("-n", "blue", "link", "show", "lo")
        with pytest.raises(FileExistsError):
            NetNamespace.create("blue")
        NetNamespace.delete("blue")
        assert NetNamespace.names() == ip_names() == []
        with found:
            assert made.is_current()

    in_own_run(use)


@POWER
def test_directory_is_shared_with_other_mount_namespaces() -> None:
    """Names made and deleted here are so in mount namespaces that were copied."""

    def copy() -> None:
        lowlevel.unshare(lowlevel.CLONE_NEWNS)

    def use() -> None:
        registry.create("red", make)
        assert mounted_at(FOLDER).count("/netns") == 1
        with another_process(copy) as pid:
            registry.create("blue", make)
            assert mounted_at(BLUE, pid) == mounted_at(BLUE) != []
            registry.delete("blue")
            assert mounted_at(BLUE, pid) == []

    in_own_run(use)


@POWER
def test_ip_uses_what_we_made() -> None:
    """``ip netns`` lists our names, runs programs in them, and deletes them."""

    def use() -> None:
        fd = registry.create("blue", make)
        _leave_stale_beside()
        assert ip_names() == registry.names() == ["blue", "stale"]
        assert "lo:" in ip("netns", "exec", "blue", program("ip"), "link")
        link = ip("netns", "exec", "blue", "readlink", "/proc/self/ns/net")
        assert link.strip() == link_text(fd)
        ip("netns", "delete", "blue")
        assert registry.names() == ["stale"]
        assert mounted_at(BLUE) == []

    in_own_run(use)


def _leave_stale_beside() -> None:
    (FOLDER / "stale").touch(mode=0)


@POWER
def test_we_use_what_ip_made() -> None:
    """Names of ``ip netns add`` are found, are taken, and can be deleted."""

    def use() -> None:
        ip("netns", "add", "blue")
        assert registry.names() == ["blue"]
        link = ip("netns", "exec", "blue", "readlink", "/proc/self/ns/net")
        fd = registry.open_name("blue")
        assert link.strip() == link_text(fd)
        with pytest.raises(NamespaceExistsError):
            registry.create("blue", never)
        registry.create("red", make)
        assert ip_names() == ["blue", "red"]
        assert mounted_at(FOLDER).count("/netns") == 1
        registry.delete("blue")
        assert ip_names() == ["red"]

    in_own_run(use)


@POWER
def test_ip_and_we_create_one_name() -> None:
    """Of ``ip netns add`` and us, at the same time, one wins."""
    program("ip")

    def ours() -> None:
        registry.create("blue", make)

    def theirs() -> None:
        command = [program("ip"), "netns", "add", "blue"]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
            raise NamespaceExistsError(17, "by ip")

    def either() -> None:
        (theirs if os.getpid() % 2 else ours)()

    def race() -> None:
        for _ in range(5):
            ended = at_once(6, either)
            assert ended == {"ok": 1, EXISTS: 5}
            assert len(mounted_at(BLUE)) == 1
            registry.delete("blue")

    in_own_run(race)
