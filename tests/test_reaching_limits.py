"""Helper tasks at the limits of a process, and what thousands of them leave."""

import ctypes
import errno
import gc
import os
import resource
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from provoking import closed_fd, drop_capabilities, give_up_root
from reaching import ACTS, Places, count_open, data_size, mappings
from support import in_child
from targets import PR_SET_DUMPABLE
from veth import Pair, net, pair

from pynamespaces import NamespaceLimitError, _core

__all__ = ["net", "pair"]

libc = ctypes.CDLL(None, use_errno=True)
acts = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


def free_descriptors(count: int) -> None:
    """Leave so many descriptors to be had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    lowest = closed_fd()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, hard))


def is_refused(act: Callable[[], object]) -> bool:
    """Return whether an act is refused, for want of descriptors."""
    try:
        act()
    except NamespaceLimitError as error:
        if error.errno != errno.EMFILE or "RLIMIT_NOFILE" not in str(error):
            raise
        return True
    return False


@acts
@pytest.mark.parametrize("powerful", [True, False])
def test_few_descriptors(act: Callable[[Places], object], powerful: bool) -> None:
    """With too few descriptors it says so, and keeps none of those it had."""

    def ask() -> list[bool]:
        places = Places()
        if not powerful:
            drop_capabilities()
        act(places)
        before = count_open()
        worked = []
        # Some numbers above the lowest may be taken.
        for count in range(40):
            free_descriptors(count)
            worked.append(not is_refused(lambda: act(places)))
            free_descriptors(50)
            assert count_open() == before
        return worked

    worked = in_child(ask)
    assert worked == sorted(worked)
    assert not worked[0]
    assert worked[-1]


@acts
@pytest.mark.tier("root", "plain")
def test_no_more_processes(act: Callable[[Places], object]) -> None:
    """Where an ordinary user may have no more processes, no helper task is started."""

    def ask() -> None:
        # What is not imported yet may be out of an ordinary user's reach.
        _core.load_all()
        give_up_root()
        libc.prctl(PR_SET_DUMPABLE, 1)
        places = Places()
        act(places)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        act(places)

    with pytest.raises(NamespaceLimitError, match="RLIMIT_NPROC") as caught:
        in_child(ask)
    assert (caught.value.errno, caught.value.syscall) == (errno.EAGAIN, "clone")


TIMES = 1000


def test_thousands_leave_nothing(pair: Pair) -> None:
    """Thousands of sockets leave no descriptor, child, thread, mapping or memory."""

    def ask() -> None:
        def make(times: int) -> None:
            for _ in range(times):
                pair.near.socket().close()
                with suppress(OSError):
                    pair.near.socket(200)
            gc.collect()

        make(100)
        before = count_open(), threading.active_count()
        mapped, size = mappings(), data_size()
        make(TIMES)
        assert (count_open(), threading.active_count()) == before
        assert len(os.listdir("/proc/self/task")) == 1
        # Python may take more memory, 1 MiB at a time; a page for each would be 8 MiB.
        assert data_size() - size < 4 << 20
        assert mappings() - mapped < 10
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    in_child(ask)
