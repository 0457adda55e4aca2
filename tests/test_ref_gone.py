"""References to what has died or is hidden, and what is not taken for it."""

import errno
import os
import resource
import signal
from contextlib import closing

import pytest
from holding import in_own_userns
from newer import has, need
from provoking import another_process, need_own_user, own_user
from refs import (
    WAYS,
    by,
    has_handles,
    is_gone,
    made,
    place,
    ref_of,
    without_handles,
)
from support import in_child, own
from targets import POWER

from pynamespaces import (
    Namespace,
    NamespaceId,
    NamespaceLimitError,
    NamespaceRef,
    NamespaceType,
    TypeLike,
    lowlevel,
)
from pynamespaces._core import elsewhere, marks, seek
from pynamespaces._core.marks import Marks
from pynamespaces._ref import _made
from pynamespaces._refusals import from_errno

EACH_WAY = pytest.mark.parametrize("way", WAYS)
BOTH = pytest.mark.parametrize("way", ["search", "6.17"])


@EACH_WAY
def test_not_the_callers(way: str) -> None:
    """What lives where the caller may not look is as good as gone."""
    need_own_user()

    def look() -> bool:
        ref = ref_of("/proc/thread-self/ns/uts")
        own_user(lowlevel.CLONE_NEWUTS)
        WAYS[way]()
        return is_gone(ref)

    assert in_child(look)


def reuse(type: TypeLike, way: str) -> bool:
    """Move on until the number of one that died lives again: is that one gone."""

    def look() -> bool:
        WAYS[way]()
        known: dict[tuple[int, int], NamespaceRef] = {}
        for _ in range(500):
            lowlevel.unshare(NamespaceType(type).flag)
            if (number := own(type)) in known:
                return is_gone(known[number])
            known[number] = ref_of(f"/proc/thread-self/ns/{type}")
        raise AssertionError("no inode number was given again")

    return in_own_userns(look)


@EACH_WAY
@pytest.mark.parametrize("type", ["uts", "mnt"])
def test_number_lives_again(type: TypeLike, way: str) -> None:
    """The namespace that has the dead one's number is not taken for it (6.18)."""
    need_own_user()
    # The documented weakness before 6.18; of mount namespaces, before 6.11.
    weak = not has("mntns-ids") if type == "mnt" else way == "6.17" or not has_handles()
    assert reuse(type, way) is not weak


@POWER
def test_cookie_tells() -> None:
    """Before 6.18, the cookie tells network namespaces of one number apart."""
    need("netns-cookies")

    def look() -> list[bool]:
        with made("net") as one, made("net") as two:
            (_, _, first), (_, _, second) = (
                marks.marks_of(namespace.fileno()) for namespace in (one, two)
            )
            assert one.id.unique is None
            # As if the one had died, and the other had got its number.
            known = [Marks(two.id, b"", number) for number in (first, second, None)]
            assert first != second
            assert first is not None
            assert second is not None
            return [marks.fits(two.fileno(), what) for what in known]

    assert by("6.17", look) == [False, True, True]


def test_own_cookie() -> None:
    """Before 6.18, the cookie of the own network namespace needs no power."""
    need("netns-cookies")

    def look() -> bool:
        with closing(Namespace.current("net")) as here:
            asked = marks.marks_of(here.fileno())
            other = Marks(here.id, b"", (asked.number or 0) + 1)
            assert marks.fits(here.fileno(), asked)
            assert not marks.fits(here.fileno(), other)
            return asked.number is not None

    assert by("6.17", look)


def test_cookie_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without power over it, the cookie is not known; without room, that is said."""
    net = NamespaceType.NET
    answers: list[Exception] = [
        from_errno(errno.EPERM, "setns", (net,)),
        from_errno(errno.ENOPROTOOPT, "getsockopt", (net,)),
        from_errno(errno.EMFILE, "open", (net,)),
    ]

    def ask(netns: int) -> int:
        raise answers.pop(0)

    with closing(Namespace.current("net")) as here:
        # Another one's file, so that it is not for the caller's own.
        other = NamespaceId(net, here.id.dev, here.id.ino + 1)
        monkeypatch.setattr(elsewhere, "netns_cookie", ask)
        assert marks._number(here.fileno(), other) is None
        assert marks._number(here.fileno(), other) is None
        with pytest.raises(NamespaceLimitError):
            marks._number(here.fileno(), other)
        assert not answers


def test_not_the_namespace_of_the_handle() -> None:
    """What a handle leads to is verified before it is handed out."""
    with (
        closing(Namespace.current("uts")) as uts,
        closing(Namespace.current("net")) as net,
    ):
        other, known = (marks.marks_of(ns.fileno()) for ns in (uts, net))
    ref = _made(Marks(known.id, other.handle, known.number), marks.boot_id())
    assert place(ref) == own("net")


@BOTH
def test_no_room(way: str) -> None:
    """Where no descriptor is left, that is said, and not that it has died."""

    def look() -> None:
        ref = ref_of("/proc/thread-self/ns/uts")
        WAYS[way]()
        lowest = os.dup(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
        place(ref)

    with pytest.raises(NamespaceLimitError):
        in_child(look)


def test_no_room_to_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to be able to look around is an error too."""
    # What is asked about first is left open, so that there is no more room.
    monkeypatch.setattr(seek, "keep_if", lambda fd, _: False)

    def look() -> None:
        without_handles()
        ref = ref_of("/proc/thread-self/ns/uts")
        # The library keeps a pidfd of each thread, from its first use on.
        Namespace.current("uts").close()
        os.close(lowest := os.dup(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
        place(ref)

    with pytest.raises(NamespaceLimitError):
        in_child(look)


def test_dies_while_nobody_looks() -> None:
    """A reference of a process that was killed is gone, and its class a LookupError."""
    need_own_user()

    def prepare() -> None:
        own_user(lowlevel.CLONE_NEWIPC)

    with another_process(prepare) as pid:
        ref = ref_of(f"/proc/{pid}/ns/ipc")
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(LookupError):
            ref.resolve()
