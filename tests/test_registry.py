"""Named network namespaces: one maker wins, nothing is half-made, `ip netns` agrees."""

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest
from pinning import at_once, fresh_fd, in_own_mounts, mounted_at, outcome
from provoking import FakeLib, another_process, bind, replace
from support import identity, in_child, program
from targets import POWER

from pynamespaces import (
    NamespaceExistsError,
    NamespacePermissionError,
    NamespaceType,
    NoSuchNamespaceError,
    NotANamespaceError,
    SystemCallError,
    WrongTypeError,
    lowlevel,
)
from pynamespaces._core import pin as pins
from pynamespaces._core import registry

T = TypeVar("T")

EXISTS = "NamespaceExistsError"
FOLDER = Path(registry.DIRECTORY)
BLUE = FOLDER / "blue"


class CutShort(BaseException):
    """What a signal handler raises here."""


def in_own_run(function: Callable[[], T]) -> T:
    """Run in a child with an empty /run of its own."""
    return in_own_mounts("/run", function)


def make() -> int:
    """Make a network namespace."""
    return fresh_fd("net")


def never() -> int:
    """Be what must not be called."""
    raise AssertionError("a namespace was made without a name for it")


def ip(*words: str) -> str:
    """Run ``ip``."""
    command = [program("ip"), *words]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def ip_names() -> list[str]:
    """Return what ``ip netns list`` prints, sorted."""
    return sorted(line.split()[0] for line in ip("netns", "list").splitlines())


def link_text(fd: int) -> str:
    """Return what links in ``/proc`` say of a network namespace."""
    return f"net:[{os.fstat(fd).st_ino}]"


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
        pins.lib.pyns_detach(os.fsencode(BLUE))
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


def _leave(kind: str) -> None:
    FOLDER.mkdir()
    if kind == "file":
        BLUE.touch(mode=0)
    else:
        BLUE.symlink_to("/proc/1/ns/missing")


@POWER
@pytest.mark.parametrize("kind", ["file", "link"])
def test_stale_name_is_repaired(kind: str) -> None:
    """A file that has long been no namespace is replaced by one that is."""

    def use() -> None:
        _leave(kind)
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
        _leave("file")
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
        _leave("file")
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
        _leave("file")
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


# --- many at once ---


@POWER
def test_twenty_processes_create_one_name() -> None:
    """One wins, nineteen are told that it exists, and find it whole."""

    def create() -> None:
        try:
            registry.create("blue", make)
        except FileExistsError:
            registry.open_name("blue")
            raise

    def race() -> None:
        assert at_once(20, create) == {"ok": 1, EXISTS: 19}
        assert registry.names() == ["blue"]
        assert len(mounted_at(BLUE)) == 1

    in_own_run(race)


@POWER
def test_twenty_threads_create_one_name() -> None:
    """Threads of one process exclude one another as processes do."""
    made: list[int] = []
    ended: list[str] = []

    def race() -> Counter[str]:
        barrier = threading.Barrier(20)

        def create() -> None:
            barrier.wait()
            ended.append(outcome(lambda: made.append(registry.create("blue", make))))

        threads = [threading.Thread(target=create) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [identity(fd) for fd in made] == [identity(str(BLUE))]
        return Counter(ended)

    assert in_own_run(race) == {"ok": 1, EXISTS: 19}


@POWER
def test_stale_name_is_repaired_by_one() -> None:
    """Of those who find a stale name, one repairs it."""

    def race() -> None:
        _leave("file")
        assert at_once(8, lambda: registry.create("blue", make)) == {
            "ok": 1,
            EXISTS: 7,
        }
        assert len(mounted_at(BLUE)) == 1

    in_own_run(race)


@POWER
def test_create_and_delete_at_once() -> None:
    """Whatever the order, no error but those of the names, and no stale file."""

    def both() -> None:
        for _ in range(20):
            for function in (lambda: registry.create("blue", make), _delete_blue):
                assert outcome(function) in {"ok", EXISTS, "NoSuchNamespaceError"}

    def race() -> None:
        assert at_once(4, both) == {"ok": 4}
        outcome(_delete_blue)
        assert registry.names() == []
        assert mounted_at(BLUE) == []

    in_own_run(race)


def _delete_blue() -> None:
    registry.delete("blue")


@POWER
def test_different_names_at_once() -> None:
    """Creators of different names all succeed, though the directory is new."""

    def race() -> None:
        created = at_once(10, lambda: registry.create(f"net{os.getpid()}", make))
        assert created == {"ok": 10}
        assert len(registry.names()) == 10
        # Once: those before it would be hidden.
        assert mounted_at(FOLDER).count("/netns") == 1
        for name in registry.names():
            assert len(mounted_at(FOLDER / name)) == 1

    in_own_run(race)


# --- nothing half-made ---


@POWER
def test_name_is_taken_before_the_namespace_is_made() -> None:
    """The file is there when *make* is called, and *make* not when it was before."""

    def use() -> None:
        def look() -> int:
            assert BLUE.exists()
            assert mounted_at(BLUE) == []
            return make()

        registry.create("blue", look)
        with pytest.raises(NamespaceExistsError) as caught:
            registry.create("blue", never)
        assert isinstance(caught.value, FileExistsError)
        assert caught.value.filename == str(BLUE)
        assert caught.value.types == ("net",)

    in_own_run(use)


@POWER
@pytest.mark.parametrize("error", [OSError(5, "no"), CutShort(), KeyboardInterrupt()])
def test_no_name_when_making_fails(error: BaseException) -> None:
    """Whatever *make* raises, the name is free again, and the error its own."""

    def fail() -> int:
        raise error

    def use() -> None:
        with pytest.raises(type(error)):
            registry.create("blue", fail)
        assert registry.names() == []
        registry.create("blue", make)

    in_own_run(use)


@POWER
def test_no_name_when_mounting_fails() -> None:
    """A refused mount leaves neither file nor descriptor."""

    def use() -> None:
        replace(pins, lib=FakeLib(pyns_attach=lambda *_: -5))
        before = os.listdir("/proc/self/fd")
        with pytest.raises(SystemCallError):
            registry.create("blue", make)
        assert registry.names() == []
        assert os.listdir("/proc/self/fd") == before

    in_own_run(use)


@POWER
@pytest.mark.parametrize("answers", [[-1], [-22, -22], [-22, -1]])
def test_directory_that_cannot_be_shared(answers: list[int]) -> None:
    """A refusal to make the directory a shared mount is told; no name is made."""
    rest = iter(answers)

    def use() -> None:
        replace(registry, lib=FakeLib(pyns_make_shared=lambda _: next(rest)))
        with pytest.raises(SystemCallError) as caught:
            registry.create("blue", never)
        assert caught.value.errno == -answers[-1]
        assert (caught.value.syscall, caught.value.filename) == ("mount", str(FOLDER))
        assert registry.names() == []

    in_own_run(use)


def _interrupt_when_waiting(pid: int) -> Callable[[], None]:
    """Return what sends SIGINT to a process as soon as it waits for a lock."""

    def watch() -> None:
        while True:
            for line in Path("/proc/locks").read_text().splitlines():
                if "->" in line and str(pid) in line.split():
                    os.kill(pid, signal.SIGINT)
                    os._exit(0)
            os.sched_yield()

    return watch


@POWER
def test_interrupt_while_waiting_for_the_lock() -> None:
    """Ctrl-C ends the wait for another program's lock; no name and no lock is left."""

    def use() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        FOLDER.mkdir()
        lock = os.open(FOLDER, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        pid = os.getpid()
        watcher = os.fork()
        if watcher == 0:
            _interrupt_when_waiting(pid)()
        with pytest.raises(KeyboardInterrupt):
            registry.create("blue", never)
        os.waitpid(watcher, 0)
        assert registry.names() == []
        os.close(lock)
        registry.create("blue", make)

    in_own_run(use)


@POWER
def test_lock_does_not_outlive_the_call() -> None:
    """A child that was forked meanwhile does not keep the lock."""

    def use() -> None:
        children = []

        def fork_and_make() -> int:
            child = another_process()
            child.__enter__()
            children.append(child)
            return make()

        registry.create("blue", fork_and_make)
        lock = os.open(FOLDER, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
        children[0].__exit__(None, None, None)

    in_own_run(use)


# --- with ip netns ---


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

    def ours() -> None:
        registry.create("blue", make)

    def theirs() -> None:
        command = [program("ip"), "netns", "add", "blue"]
        if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
            raise NamespaceExistsError(17, "by ip")

    def race() -> None:
        for _ in range(5):
            ended = at_once(6, lambda: (theirs if os.getpid() % 2 else ours)())
            assert ended == {"ok": 1, EXISTS: 5}
            assert len(mounted_at(BLUE)) == 1
            registry.delete("blue")

    in_own_run(race)
