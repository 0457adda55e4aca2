"""Fresh namespaces as they were asked for: mounts, clocks, owners, from a chroot."""

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from creating import POWER, check_set, descriptors, inside, member, nothing_happens
from holding import in_own_userns
from provoking import another_process, bind, libc, mount, own_mounts
from support import identity, in_child
from watching import in_worker

from pynamespaces import (
    Namespace,
    NamespaceSet,
    SystemCallError,
    TimeNamespace,
    TypeLike,
    UserNamespace,
    UtsNamespace,
    setns,
    unshare,
    unshared,
)

MS_SHARED = 1 << 20
PR_GET_DUMPABLE = 3


def mounted() -> set[str]:
    """Return where something is mounted, as the calling process sees it."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line.split(" ")[4] for line in lines}


def shared_folders() -> tuple[str, str]:
    """Mount something that passes mounts on, with two folders in it."""
    # In what is mounted there, which is gone with the mount namespace.
    mount("none", "/tmp", "tmpfs")
    folder = tempfile.mkdtemp(dir="/tmp")
    mount("none", folder, "tmpfs")
    mount("none", folder, flags=MS_SHARED)
    for name in ("a", "b"):
        os.mkdir(f"{folder}/{name}")
    return f"{folder}/a", f"{folder}/b"


# --- mounts ---


@pytest.mark.parametrize("types", [("mnt",), ("user", "mnt")], ids=["mnt", "with user"])
def test_mounts_stay_apart(types: tuple[TypeLike, ...]) -> None:
    """Mounts go neither into a fresh mount namespace nor out of it."""

    def check() -> None:
        outer, inner = shared_folders()
        with closing(NamespaceSet.new(*types)) as fresh:
            assert os.path.dirname(outer) in inside(fresh, mounted)
            mount("none", outer, "tmpfs")

            def mount_inside() -> set[str]:
                mount("none", inner, "tmpfs")
                return mounted()

            found = inside(fresh, mount_inside)
            assert {outer, inner} & found == {inner}
            assert {outer, inner} & mounted() == {outer}

    in_own_userns(check, "mnt")


@POWER
def test_copy_of_the_threads() -> None:
    """It is a copy of the calling thread's mount namespace, not of another's."""

    def check(folder: str) -> None:
        with unshared("mnt", unshare_fs=True):
            mount("none", folder, "tmpfs")
            with closing(NamespaceSet.new("mnt", "user")) as fresh:
                assert folder in inside(fresh, mounted)

    with tempfile.TemporaryDirectory() as folder:
        in_worker(lambda: check(folder))
        assert folder not in mounted()


def into_chroot() -> int:
    """Move this process into a chroot that has ``/proc``; returns the old root."""
    folder, _ = map(os.path.dirname, shared_folders())
    os.mkdir(f"{folder}/proc")
    bind("/proc", f"{folder}/proc")
    home = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.chroot(folder)
    os.chdir("/a")
    return home


@POWER
def test_chrooted() -> None:
    """Who is chrooted makes them too, stays there, and mounts stay apart as well."""

    def check() -> None:
        own_mounts()
        into_chroot()
        places = identity("/"), identity(".")
        types: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "time", "uts")
        with nothing_happens(), closing(NamespaceSet.new(*types)) as fresh:
            check_set(fresh, types)
        assert (identity("/"), identity(".")) == places
        with closing(Namespace.new("mnt")) as fresh_mnt:
            mount("none", "/b", "tmpfs")
            found = inside(fresh_mnt, mounted)
            assert not [point for point in found if point.endswith("/b")]
            assert "/b" in mounted()

    in_child(check)


# --- clocks ---

CLOCKS = {"monotonic": time.CLOCK_MONOTONIC, "boottime": time.CLOCK_BOOTTIME}


@pytest.mark.parametrize(
    "offsets",
    [
        {},
        {"monotonic": 86400},
        {"boottime": 1000.25},
        {"monotonic": -0.5, "boottime": 3e9},
        {"boottime": 0, "monotonic": 123456.789012345},
    ],
    ids=str,
)
def test_offsets(offsets: Mapping[str, float]) -> None:
    """Clocks of a child inside are ahead of the machine's by what was asked for."""
    with closing(NamespaceSet.new("user", "time", time_offsets=offsets)) as fresh:
        told = member(fresh, TimeNamespace).offsets
        assert told == pytest.approx({"monotonic": 0, "boottime": 0} | dict(offsets))

        def read() -> dict[str, float]:
            return {name: time.clock_gettime(clock) for name, clock in CLOCKS.items()}

        before, there, after = read(), inside(fresh, read), read()
        for name in CLOCKS:
            ahead = offsets.get(name, 0)
            assert before[name] + ahead - 1e-6 <= there[name] <= after[name] + ahead


@pytest.mark.parametrize("seconds", [-1e9, 1e10, -(2**62), 2**62, 4611686018.5])
@pytest.mark.parametrize("clock", CLOCKS)
def test_offsets_out_of_range(clock: str, seconds: float) -> None:
    """What no clock can be is refused, and nothing is left."""
    with nothing_happens():
        before = descriptors()
        with pytest.raises(SystemCallError, match="negative, or too far") as caught:
            NamespaceSet.new("user", "net", "time", time_offsets={clock: seconds})
        assert caught.value.types == ("time",)
        assert descriptors() == before


def test_offsets_are_absolute() -> None:
    """Of a namespace made inside another, they are told against the machine's."""

    def check() -> tuple[dict[str, float], dict[str, float]]:
        with closing(Namespace.new("time", time_offsets={"monotonic": 50})) as outer:

            def nested() -> tuple[dict[str, float], dict[str, float]]:
                setns(outer)
                with closing(Namespace.new("time")) as first:
                    second = Namespace.new("time", time_offsets={"boottime": 7})
                    with closing(second):
                        return first.offsets, second.offsets

            return in_child(nested)

    first, second = in_own_userns(check)
    assert first == {"monotonic": 50, "boottime": 0}
    assert second == {"monotonic": 50, "boottime": 7}


# --- owners ---


def test_owner() -> None:
    """Namespaces are made in the user namespace that the caller made before."""
    types: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "time", "uts")
    with closing(UserNamespace.new("user")) as owner:
        with nothing_happens():
            made = NamespaceSet.new(*types, owner=owner, hostname="owned")
            with closing(made):
                for each in made.values():
                    with closing(each.owner()) as found:
                        assert found == owner
                assert member(made, UtsNamespace).hostname == "owned"
        with closing(Namespace.new("net", owner=owner)) as net:
            with closing(net.owner()) as found:
                assert found == owner


@POWER
def test_own_user_namespace_as_owner() -> None:
    """The caller's own user namespace as owner changes nothing."""
    with closing(UserNamespace.current("user")) as owner:
        with closing(Namespace.new("uts", owner=owner)) as made:
            with closing(made.owner()) as found:
                assert found == owner


def _become_other_user() -> None:
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    unshare("user")


@pytest.mark.tier("root")
def test_owner_of_another_user() -> None:
    """In another user's namespace as well, and this process's files stay its own."""
    with another_process(_become_other_user) as pid, nothing_happens():
        with closing(Namespace.from_pid(pid, "user")) as owner:
            with closing(NamespaceSet.new("net", "uts", owner=owner)) as made:
                name = member(made, UtsNamespace).hostname
                assert name == os.uname().nodename
                for each in made.values():
                    with closing(each.owner()) as found:
                        assert found == owner
                assert libc.prctl(PR_GET_DUMPABLE) == 1
