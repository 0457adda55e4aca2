"""Named network namespaces: names, and what may have one."""

import fcntl
import os
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from naming import (
    BLUE,
    FOLDER,
    in_own_run,
    leave,
    make,
    never,
)
from pinning import fresh_fd, mounted_at
from provoking import bind, replace
from support import identity, in_child
from targets import POWER

from pynamespaces import (
    NamespaceExistsError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NotANamespaceError,
    WrongTypeError,
)
from pynamespaces._core import pin as pins
from pynamespaces._core import registry
from pynamespaces._lib import lib

# --- what a name is ---


@POWER
def test_create_open_list_delete() -> None:
    """A name leads to the namespace that was made for it, until it is deleted."""

    def use() -> None:
        assert registry.names() == []
        assert not FOLDER.exists()
        made = {name: registry.create(name, make) for name in ("blue", "a b", "é")}
        assert registry.names() == ["a b", "blue", "é"]
        for name, fd in made.items():
            assert identity(registry.open_name(name)) == identity(fd)
            assert not os.get_inheritable(fd)
        registry.delete("blue")
        assert registry.names() == ["a b", "é"]
        assert mounted_at(BLUE) == []

    in_own_run(use)


@POWER
def test_files_are_as_those_of_ip() -> None:
    """Directory and files have the modes that ``ip netns`` gives them."""

    def look() -> None:
        registry.create("blue", make)
        assert FOLDER.stat().st_mode & 0o7777 == 0o755
        lib.pyns_detach(os.fsencode(BLUE))
        assert BLUE.stat().st_mode & 0o7777 == 0

    in_own_run(look)


BAD = ["", ".", "..", "a/b", "/", "/run/netns/a", "a\0b", "x" * 256, "é" * 128]
FUNCTIONS = pytest.mark.parametrize(
    "function",
    [lambda name: registry.create(name, never), registry.open_name, registry.delete],
    ids=["create", "open_name", "delete"],
)


def _no_calls() -> None:
    """Leave the module without any way to call the system."""
    replace(registry, lib=None, fcntl=None, open_path=None, Place=None)
    replace(registry, os=SimpleNamespace(fsencode=os.fsencode))


@FUNCTIONS
@pytest.mark.parametrize("name", BAD)
def test_bad_names(function: Callable[[str], object], name: str) -> None:
    """What can be no name is refused before any system call."""

    def refused() -> None:
        _no_calls()
        with pytest.raises(ValueError, match="255 bytes, no slash"):
            function(name)

    in_child(refused)


@FUNCTIONS
@pytest.mark.parametrize("name", [None, 1, b"blue", BLUE])
def test_names_are_text(function: Callable[[object], object], name: object) -> None:
    """A name is a str, and no path."""

    def refused() -> None:
        _no_calls()
        with pytest.raises(TypeError, match="must be a str"):
            function(name)

    in_child(refused)


@POWER
def test_longest_names() -> None:
    """Names of 255 bytes work, and odd ones."""

    def use() -> list[str]:
        for name in ("x" * 255, "...", "-n", "a\nb"):
            registry.create(name, make)
        return registry.names()

    assert in_own_run(use) == sorted(["x" * 255, "...", "-n", "a\nb"])


# --- missing, stale, of another kind ---


@POWER
def test_missing_name() -> None:
    """A name that is not there is said so, with or without the directory."""

    def refused() -> None:
        for _ in range(2):
            for function in (registry.open_name, registry.delete):
                with pytest.raises(NoSuchNamespaceError) as caught:
                    function("blue")
                assert caught.value.filename == str(BLUE)
            FOLDER.mkdir(exist_ok=True)

    in_own_run(refused)


@POWER
@pytest.mark.parametrize("kind", ["file", "link"])
def test_stale_name_is_repaired(kind: str) -> None:
    """A file that has long been no namespace is replaced by one that is."""

    def use() -> None:
        leave(kind)
        fd = registry.create("blue", make)
        assert identity(str(BLUE)) == identity(fd)
        assert len(mounted_at(BLUE)) == 1
        registry.delete("blue")
        assert registry.names() == []

    in_own_run(use)


@POWER
def test_stale_name_is_told() -> None:
    """Opening a stale name says how to repair it; listing shows it; deleting works."""

    def use() -> None:
        leave("file")
        assert registry.names() == ["blue"]
        with pytest.raises(NotANamespaceError, match="left over") as caught:
            registry.open_name("blue")
        assert "create it again" in (caught.value.hint or "")
        assert caught.value.filename == str(BLUE)
        registry.delete("blue")
        assert registry.names() == []

    in_own_run(use)


@POWER
def test_unfinished_name_is_waited_for() -> None:
    """A file that has just been made may yet become a namespace: that is waited for."""

    def finish(_: float) -> None:
        # Whoever is to finish it can have the lock.
        fd = os.open(FOLDER, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        bind("/proc/self/ns/net", str(BLUE))

    def use() -> None:
        leave("file")
        replace(registry, time=SimpleNamespace(sleep=finish, time_ns=time.time_ns))
        with pytest.raises(NamespaceExistsError):
            registry.create("blue", never)
        assert identity(str(BLUE)) == identity("/proc/self/ns/net")

    in_own_run(use)


@POWER
def test_name_that_is_finished_when_found_stale() -> None:
    """A name is not replaced that becomes a namespace at the last moment."""

    def finish() -> int:
        bind("/proc/self/ns/net", str(BLUE))
        return 2**62

    def use() -> None:
        leave("file")
        replace(registry, time=SimpleNamespace(time_ns=finish))
        with pytest.raises(NamespaceExistsError):
            registry.create("blue", never)
        assert len(mounted_at(BLUE)) == 1

    in_own_run(use)


@POWER
@pytest.mark.parametrize("kind", ["directory", "link to a file", "link to a namespace"])
def test_name_of_another_kind(kind: str) -> None:
    """What is neither a namespace nor stale is taken, and left alone."""

    def refused() -> None:
        FOLDER.mkdir()
        if kind == "directory":
            BLUE.mkdir()
        else:
            is_file = kind == "link to a file"
            BLUE.symlink_to("/dev/null" if is_file else "/proc/self/ns/net")
        before = BLUE.lstat()
        with pytest.raises(NamespaceExistsError):
            registry.create("blue", never)
        assert BLUE.lstat() == before

    in_own_run(refused)


@POWER
def test_link_to_a_namespace() -> None:
    """A link, as scripts make for containers, is a name; deleting it spares its end."""

    def use() -> None:
        target = registry.create("red", make)
        BLUE.symlink_to("red")
        assert identity(registry.open_name("blue")) == identity(target)
        registry.delete("blue")
        assert registry.names() == ["red"]
        assert identity(registry.open_name("red")) == identity(target)

    in_own_run(use)


@POWER
def test_name_of_another_type() -> None:
    """A namespace that is no network namespace is not taken for one."""

    def use() -> None:
        registry.create("red", make)
        pins.pin(fresh_fd("uts"), NamespaceType.UTS, BLUE)
        with pytest.raises(WrongTypeError):
            registry.open_name("blue")
        registry.delete("blue")
        assert registry.names() == ["red"]

    in_own_run(use)


@pytest.mark.tier("plain")
def test_registry_without_power() -> None:
    """An ordinary user may look, and is told what making a name takes."""
    assert registry.names() == sorted(registry.names())
    with pytest.raises(NamespacePermissionError):
        registry.create("pynamespaces-test", never)
    with pytest.raises(NoSuchNamespaceError):
        registry.open_name("pynamespaces-test")
