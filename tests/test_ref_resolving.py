"""Resolving references to what lives: by handle, and by looking around."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from holding import holder, in_own_userns
from provoking import (
    another_process,
    bind,
    check,
    libc,
    need_own_user,
    own_mounts,
)
from refs import (
    WAYS,
    Place,
    by,
    has_handles,
    is_gone,
    is_gone_soon,
    made,
    place,
    ref_of,
    stranger,
)
from support import ALL_TYPES, identity, missing, own

from pynamespaces import (
    NamespaceRef,
    TypeLike,
    lowlevel,
    unshare,
    unshared,
)
from pynamespaces._core import seek

BY_MAKING: tuple[TypeLike, ...] = ("cgroup", "ipc", "mnt", "net", "user", "uts")
MNT_DETACH = 2
BOTH = pytest.mark.parametrize("way", ["search", "6.17"])
EACH_WAY = pytest.mark.parametrize("way", WAYS)


Strangers = Mapping[str, Callable[[NamespaceRef], Place]]


@pytest.fixture(scope="module")
def strangers() -> Iterator[Strangers]:
    """Interpreters that have only the bytes of references, by the way they have."""
    with ExitStack() as stack:
        yield {way: stack.enter_context(stranger(way)) for way in WAYS}


# --- where there is somebody inside ---


@EACH_WAY
@pytest.mark.parametrize("type", ALL_TYPES)
def test_process_inside(type: TypeLike, way: str, strangers: Strangers) -> None:
    """A namespace that only another process is in is found, and when it ends, gone."""
    need_own_user()
    types: tuple[TypeLike, ...] = ("user",) if type == "user" else ("user", type)

    def is_told() -> bool:
        with holder(*types) as target:
            path = f"/proc/{target.pid}/ns/{type}"
            ref = by(way, lambda: ref_of(path))
            assert by(way, lambda: place(ref)) == identity(path) != own(type)
            assert strangers[way](ref) == identity(path)
        return by(way, lambda: is_gone_soon(ref)) and is_gone_soon(ref)

    # Without ids, another that has got the same number cannot be told from it; and what
    # runs beside the tests may have made one, but not each time.
    has_ids = has_handles() and way in ("as it is", "search")
    assert any(is_told() for _ in range(1 if has_ids else 3))


@EACH_WAY
def test_thread_inside(way: str) -> None:
    """A namespace that one thread of a process is in is found."""
    need_own_user()
    over, ready = threading.Event(), threading.Event()
    found: list[int] = []

    def stand() -> None:
        with unshared("uts"):
            found.append(threading.get_native_id())
            ready.set()
            over.wait(10)

    def look() -> bool:
        WAYS[way]()
        thread = threading.Thread(target=stand)
        thread.start()
        try:
            assert ready.wait(10)
            path = f"/proc/self/task/{found[0]}/ns/uts"
            return place(ref_of(path)) == identity(path) != own("uts")
        finally:
            over.set()
            thread.join()

    assert in_own_userns(look, "uts")


@BOTH
@pytest.mark.parametrize("moved", [True, False], ids=["own", "another"])
def test_due_for_children(way: str, moved: bool) -> None:
    """A time namespace that only children will be in is found by that."""
    need_own_user()

    def look() -> bool:
        unshare("uts" if not moved else "time")
        WAYS[way]()
        with ExitStack() as stack:
            pid: int | str = "thread-self"
            if not moved:
                prepare = lambda: lowlevel.unshare(lowlevel.CLONE_NEWTIME)  # noqa: E731
                pid = stack.enter_context(another_process(prepare))
            path = f"/proc/{pid}/ns/time_for_children"
            return place(ref_of(path)) == identity(path) != own("time")

    assert in_own_userns(look)


@pytest.mark.tier("root")
@pytest.mark.parametrize("type", ALL_TYPES)
def test_by_handle_alone(type: TypeLike, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has power over all opens any by its handle, and needs not look around."""
    if not has_handles():
        missing("nsfs-handles", "Linux before 6.18")
    monkeypatch.delattr(seek, "open_found")
    with holder(type) as target:
        path = f"/proc/{target.pid}/ns/{type}"
        assert place(ref_of(path)) == identity(path) != own(type)


# --- where there is nobody inside ---


@EACH_WAY
@pytest.mark.parametrize("type", BY_MAKING)
def test_open_here(type: TypeLike, way: str) -> None:
    """What this process has open is found, and gone when it is closed."""
    need_own_user()

    def look() -> bool:
        WAYS[way]()
        with made(type) as namespace:
            ref = namespace.ref()
            assert place(ref) == identity(namespace.fileno())
            with closing(ref.resolve()) as again:
                assert again == namespace
        return is_gone_soon(ref)

    assert in_own_userns(look)


@EACH_WAY
def test_open_elsewhere(way: str) -> None:
    """What only another process has open is found by an interpreter with the bytes."""
    need_own_user()

    def look() -> bool:
        with made("uts") as namespace:
            ref = namespace.ref()
            with stranger(way) as place_there:
                return place_there(ref) == identity(namespace.fileno())

    assert in_own_userns(look)


@BOTH
@pytest.mark.parametrize("name", ["pinned", "a b\\040c\n\td"], ids=["plain", "odd"])
def test_mounted(way: str, name: str, tmp_path: Path) -> None:
    """What is only mounted is found, whatever the name of the file."""
    need_own_user()
    point = tmp_path / name
    point.touch()

    def look() -> bool:
        own_mounts()
        with made("uts") as namespace:
            bind(f"/proc/self/fd/{namespace.fileno()}", str(point))
        WAYS[way]()
        ref = ref_of(str(point))
        assert place(ref) == identity(str(point))
        check(libc.umount2(os.fsencode(point), MNT_DETACH))
        return is_gone(ref)

    assert in_own_userns(look, "uts")


def test_refused_only_here() -> None:
    """A reference made with a handle is resolved where handles are refused."""
    ref = ref_of("/proc/thread-self/ns/net")
    assert by("search", lambda: place(ref)) == own("net")
    assert by("6.17", lambda: place(ref)) == own("net")
    bare = by("search", lambda: ref_of("/proc/thread-self/ns/net"))
    assert place(bare) == own("net")
    assert len(bytes(bare)) == len(bytes(ref)) - (16 if has_handles() else 0)
