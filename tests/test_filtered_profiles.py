"""The filters that the tests put up, and the command that runs others under them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import docker_profile
import pytest
from filters import ABOVE, EQUAL, Newer, Rule, Where, install, number
from machines import MACHINES
from old_kernels import become_old, need_filters
from provoking import libc
from support import identity, in_child, own

from pynamespaces import (
    MountNamespace,
    Namespace,
    NetNamespace,
    UnsupportedError,
    lowlevel,
)

_UNDER: Final = Path(__file__).with_name("under.py")
_GETPRIORITY: Final = number(140, 141)
_UNSHARE, _SETNS, _KEYCTL = number(272, 97), number(308, 268), number(250, 219)
_PERSONALITY, _BY_HANDLE = number(135, 92), number(304, 265)
_CLONE3, _IO_URING_SETUP, _STATMOUNT, _LISTNS = 435, 425, 457, 470
_CLONE: Final = number(56, 220)


@pytest.fixture(autouse=True)
def _known() -> None:
    need_filters()


def _said(call: int, *arguments: int) -> int:
    """Return the errno of a system call, or 0."""
    words = [ctypes.c_long(each) for each in arguments]
    return ctypes.get_errno() if libc.syscall(call, *words) < 0 else 0


def _under(rules: list[Rule | Newer], look: Callable[[], list[int]]) -> list[int]:
    def inside() -> list[int]:
        install(rules)
        return look()

    return in_child(inside)


def test_first_rule_decides() -> None:
    """The first rule that holds is taken, and what none is about is done."""
    rules: list[Rule | Newer] = [
        Rule([_GETPRIORITY], 0, (Where(0, EQUAL, (1, 2)),)),
        Rule([_GETPRIORITY], errno.EDOM, (Where(0, ABOVE, (7,)),)),
        Rule(
            [_GETPRIORITY], errno.EXDEV, (Where(0, EQUAL, (5,)), Where(1, EQUAL, (3,)))
        ),
        Newer(4000),
    ]
    calls = [(1, 0), (2, 0), (8, 0), (5, 3), (5, 4)]

    def look() -> list[int]:
        found = [_said(_GETPRIORITY, *each) for each in calls]
        return [*found, _said(4001), _said(number(39, 172))]

    expected = [0, 0, errno.EDOM, errno.EXDEV, errno.EINVAL, errno.ENOSYS, 0]
    assert _under(rules, look) == expected


def test_many_calls() -> None:
    """A rule may be about more calls than one jump can pass over."""
    rules: list[Rule | Newer] = [Rule([*range(1000, 2000), _GETPRIORITY], errno.EDOM)]

    def look() -> list[int]:
        return [_said(each) for each in (1000, 1999, 2000, _GETPRIORITY)]

    assert _under(rules, look) == [errno.EDOM, errno.EDOM, errno.ENOSYS, errno.EDOM]


def test_docker() -> None:
    """Docker's profile answers as its rules say, and lets programs live."""

    def look() -> list[int]:
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        return [
            _said(_CLONE3, 0, 0),
            _said(_CLONE, 0x10000011, 0, 0, 0, 0),
            _said(_UNSHARE, 0),
            _said(_SETNS, -1, 0),
            _said(_KEYCTL, 0, 0),
            _said(_IO_URING_SETUP, 0, 0),
            _said(_BY_HANDLE, -1, 0, 0),
            _said(_PERSONALITY, 0xFFFFFFFF),
            _said(_PERSONALITY, 0x0040000),
            _family(40),
            _family(38),
            _family(socket.AF_INET),
            _said(_LISTNS, 0, 0, 0, 0),
        ]

    refused, missing = errno.EPERM, errno.ENOSYS
    expected = [missing, *[refused] * 6, 0, *[refused] * 3, 0, missing]
    assert _under(docker_profile.rules(), look) == expected


def _family(family: int) -> int:
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError as error:
        return error.errno or 0
    return 0


def test_docker_with_more() -> None:
    """A capability that a container is given opens the calls that it is for."""

    def look() -> list[int]:
        return [_said(_UNSHARE, 0), _said(_BY_HANDLE, -1, 0, 0)]

    found = _under(docker_profile.rules("SYS_ADMIN", "DAC_READ_SEARCH"), look)
    assert found[0] == 0
    # It is the kernel that has looked at the arguments.
    assert found[1] in (errno.EFAULT, errno.EBADF)


def test_old_kernel() -> None:
    """What came after 5.10 is hidden as that kernel would; the rest is there."""

    def look() -> list[int]:
        become_old("5.10")
        with closing(Namespace.current("mnt")) as mnt:
            number_of_mnt = _errno(lambda: lowlevel.ns_get_mntns_id(mnt))
            handle = _errno(lambda: lowlevel.name_to_handle_at(mnt))
        pidfd = os.pidfd_open(os.getpid())
        return [
            _said(_STATMOUNT, 0, 0, 0, 0),
            _errno(lambda: fcntl.ioctl(pidfd, 0xFF01, 0)),
            number_of_mnt,
            handle,
            _errno(lambda: os.memfd_create("", 8)),
            _said(436, 1000, 1001, 4),
            _said(436, 1000, 1001, 0),
            _said(437, -1, 0, 0, 0),
        ]

    tty, invalid = errno.ENOTTY, errno.EINVAL
    expected = [errno.ENOSYS, tty, tty, errno.EOPNOTSUPP, invalid, invalid, 0, invalid]
    assert in_child(look) == expected


def _errno(act: Callable[[], object]) -> int:
    try:
        act()
    except OSError as error:
        return error.errno or 0
    return 0


def test_old_cookie() -> None:
    """Where sockets have no cookies yet, that is what is said, and refs do without."""

    def inside() -> None:
        become_old("5.10")
        with closing(NetNamespace.current("net")) as net:
            with pytest.raises(UnsupportedError, match=r"older than Linux 5\.14"):
                _ = net.cookie
            with closing(net.ref().resolve()) as found:
                assert identity(found.fileno()) == own("net")

    in_child(inside)


def test_old_mounts() -> None:
    """Without statmount(2), mounts are read from ``/proc``: the same ones."""

    def listed() -> list[str]:
        with closing(MountNamespace.current("mnt")) as mnt:
            return sorted(mount.path for mount in mnt.mounts())

    def inside() -> tuple[list[str], list[str]]:
        before = listed()
        become_old("5.10")
        return before, listed()

    before, after = in_child(inside)
    assert before == after


def _run_under(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(_UNDER), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_command() -> None:
    """A command is run on the machine that it is asked for."""
    code = "import pynamespaces as p; print(p.Namespace.current('net').id.unique)"
    done = _run_under("5.10", sys.executable, "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_suite_under_a_filter() -> None:
    """Tests can be run there as they are."""
    path = Path(__file__).with_name("test_types.py")
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path))
    done = _run_under("docker", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_machine() -> None:
    """A machine that there is none of is refused, and all are listed."""
    done = _run_under("6.99", "true")
    assert done.returncode == 1
    assert "no machine '6.99'" in done.stderr
    assert _run_under().stdout.splitlines() == [*MACHINES]
