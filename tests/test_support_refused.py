"""`support` where something is refused, hangs or breaks: the reason, and no traces."""

import errno
import os
import resource
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest import mock

import pytest
from creating import kill_calls
from mapping import NOBODY
from old_kernels import KERNELS, become_old
from provoking import (
    CAP_SYS_ADMIN,
    another_thread,
    drop_capabilities,
    hide_proc,
    libc,
    need_own_user,
    own_mounts,
    own_user,
    refuse_calls,
)
from support import TIER, in_child

from pynamespaces import CallError, NamespaceType, SystemCallError, _core
from pynamespaces.probing import Operation, Support, _answering, _support, support
from pynamespaces.probing._operations import TRIES

ONE_THREAD_AND_MORE = pytest.mark.parametrize(
    "beside", [nullcontext, another_thread], ids=["alone", "beside"]
)
Beside = Callable[[], AbstractContextManager[object]]

_PLANNED = _support._planned


def told(*only: str) -> Support:
    """Return what there is to be told of these operations; none named: of all."""
    # Each is tried by a child of its own, so the others have no part in it.
    planned = [each for each in _PLANNED() if not only or each[1].name in only]
    with mock.patch.object(_support, "_planned", return_value=planned):
        return support()


def told_after(
    prepare: Callable[[], object], *only: str, beside: Beside = nullcontext
) -> Support:
    """Return what a child is told of these operations after it has prepared itself."""

    def inside() -> Support:
        prepare()
        with beside():
            return told(*only)

    return in_child(inside)


def why(operation: Operation) -> str:
    """Return why something does not work."""
    assert not operation.works, operation
    return operation.reason or ""


@ONE_THREAD_AND_MORE
def test_filter(beside: Beside) -> None:
    """A seccomp filter is named, and what works all the same is told to work."""
    need_own_user()
    found = told_after(
        lambda: refuse_calls(clone3=errno.ENOSYS, unshare=errno.EPERM), beside=beside
    )
    assert why(found.general["clone3"]) == (
        "a seccomp filter hides the call, which came with Linux 5.3"
    )
    assert "seccomp filter forbids user namespaces" in why(found["user"]["new"])
    assert why(found["uts"]["new"])
    # As under the default profile of container engines: by clone(2).
    assert found["uts"]["exists"]
    if TIER != "plain":
        assert "seccomp" in why(found["uts"]["new"])
        # There is none to try it with, but the call itself is allowed.
        assert found["uts"]["enter"]
        assert found["uts"]["pin"]


@ONE_THREAD_AND_MORE
def test_killing_filter(beside: Beside) -> None:
    """Who is killed by a filter for trying is no problem for the others."""
    need_own_user()

    found = told_after(lambda: kill_calls("setns"), beside=beside)
    said = "a seccomp filter kills who tries it (SIGSYS)"
    assert why(found["net"]["enter"]) == why(found["net"]["enter_threaded"]) == said
    assert found["net"]["new_with_user"]
    assert found["net"]["exists"]


@pytest.mark.parametrize("kernel", [name for name in KERNELS if name[0].isdigit()])
def test_old_kernels(kernel: str) -> None:
    """What an older kernel lacks is told, and the rest goes by other ways."""
    found = told_after(lambda: become_old(kernel), "ids", "pidfd_namespaces", "exists")
    assert "no such request" in why(found.general["ids"])
    works = found.general["pidfd_namespaces"].works
    assert works == (kernel == "6.17")
    assert found["net"]["exists"]


def test_limit() -> None:
    """A limit that is 0 is told of that type, and of no other."""
    need_own_user()

    def prepare() -> None:
        own_user()
        Path("/proc/sys/user/max_net_namespaces").write_text("0")

    found = told_after(prepare, "new", "new_with_user", "loopback")
    for name in ("new", "new_with_user"):
        assert "user.max_net_namespaces is 0" in why(found["net"][name])
        assert found["net"][name].errno == errno.ENOSPC
        assert found["uts"][name]
    assert "user.max_net_namespaces" in why(found.general["loopback"])


@ONE_THREAD_AND_MORE
@pytest.mark.tier("root", "userns")
def test_without_capabilities(beside: Beside) -> None:
    """Rights that this thread has given up are missed, whoever its user is."""
    found = told_after(drop_capabilities, "new", "enter", "pin", beside=beside)
    assert "CAP_SYS_ADMIN" in why(found["uts"]["new"])
    assert "CAP_SYS_ADMIN" in why(found["uts"]["enter"])
    assert "CAP_SYS_ADMIN" in why(found["uts"]["pin"])


@ONE_THREAD_AND_MORE
@pytest.mark.tier("root")
def test_without_one_capability(beside: Beside) -> None:
    """One that is given up is missed, and a user namespace makes up for it."""
    found = told_after(
        lambda: drop_capabilities(CAP_SYS_ADMIN),
        *("new", "new_with_user", "join"),
        beside=beside,
    )
    assert "CAP_SYS_ADMIN" in why(found["net"]["new"])
    assert found["net"]["new_with_user"]
    assert found["net"]["join"]


@pytest.mark.tier("root", "userns")
def test_chrooted(tmp_path: Path) -> None:
    """Who is chrooted makes no user namespace, and is told so."""
    for name in ("proc", "etc"):
        (tmp_path / name).mkdir()

    def prepare() -> None:
        # What is not imported yet is out of reach in there.
        _core.load_all()
        own_mounts()
        assert (
            libc.mount(b"/proc", f"{tmp_path}/proc".encode(), None, 0x5000, None) == 0
        )
        os.chroot(tmp_path)
        os.chdir("/")

    found = told_after(prepare, "new", "enter")
    assert "chrooted" in why(found["user"]["new"])
    assert found["uts"]["new"]
    assert found["uts"]["enter"]


@pytest.mark.tier("root", "userns")
def test_without_proc() -> None:
    """Without /proc, what needs none works, and what does says so."""
    found = told_after(hide_proc, "new", "enter", "cgroup")
    assert found["net"]["new"]
    assert found["net"]["enter"]
    assert not found.general["cgroup"]


def test_no_new_privs() -> None:
    """That nothing can be gained by programs changes nothing here."""
    found = told_after(lambda: libc.prctl(38, 1, 0, 0, 0))
    before = support()
    differing = {a.name for a, b in zip(found, before, strict=True) if a != b}
    assert differing <= {"subids"}


def test_few_descriptors() -> None:
    """With next to no descriptors left, what lacks them is told, or works."""

    def prepare() -> None:
        last = os.dup(0)
        os.close(last)
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 12, last + 12))

    found = told_after(prepare)
    for each in found:
        assert each.works or each.reason


@pytest.mark.tier("root", "plain")
def test_no_more_processes() -> None:
    """Where no child can be started, nothing is said of what was not tried."""

    def inside() -> tuple[int | None, str | None]:
        if os.geteuid() == 0:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        with pytest.raises(SystemCallError) as caught:
            support()
        return caught.value.errno, caught.value.reason

    number, reason = in_child(inside)
    assert number == errno.EAGAIN
    assert "RLIMIT_NPROC" in (reason or "")


# --- tries that go wrong ------------------------------------------------------------


def _only(monkeypatch: pytest.MonkeyPatch, attempt: Callable[[object], None]) -> None:
    """Have one operation tried so, in little time."""
    monkeypatch.setitem(TRIES, "clone3", attempt)
    monkeypatch.setattr(_answering, "PATIENCE", 0.5)


def test_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not answer is told so, and ended with all that it has started."""

    def hang(_: object) -> None:
        os.fork()
        signal.pause()

    _only(monkeypatch, hang)
    general = told("clone3", "pidfd_open").general
    assert why(general["clone3"]) == "the kernel did not answer in time"
    assert general["pidfd_open"]


def test_crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What kills its process is told so, and the others are tried all the same."""

    def crash(_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _only(monkeypatch, crash)
    general = told("clone3", "pidfd_open").general
    assert why(general["clone3"]) == "who tried it was killed (SIGKILL)"
    assert general["pidfd_open"]
    _only(monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGSYS))
    assert "seccomp filter kills" in why(told("clone3").general["clone3"])


def test_odd_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is none of the kernel's is told as it is, to the letter."""

    def fail(_: object) -> None:
        raise LookupError("n\udcffbody\x1b[31m\n")

    _only(monkeypatch, fail)
    assert why(told("clone3").general["clone3"]) == "n\udcffbody\x1b[31m\n"

    def fail_silently(_: object) -> None:
        raise MemoryError

    _only(monkeypatch, fail_silently)
    assert why(told("clone3").general["clone3"]) == "MemoryError"


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """If all together takes too long, the rest is not tried."""
    monkeypatch.setattr(_answering, "TOTAL", -1.0)
    found = support()
    assert not any(found)
    assert "took too long" in why(found["uts"]["new"])


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt reaches the caller at once, and nothing goes on behind its back."""
    reader, writer = os.pipe()
    caller = os.getpid()

    def hang(_: object) -> None:
        os.write(writer, b".")
        os.kill(caller, signal.SIGALRM)
        signal.pause()

    def interrupt(number: int, _: object) -> None:
        raise InterruptedError(number)

    monkeypatch.setitem(TRIES, "exists", hang)
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(InterruptedError):
            support()
    finally:
        signal.signal(signal.SIGALRM, old)
        os.close(writer)
    # It had begun; and nobody has the other end any more.
    assert os.read(reader, 1) == b"."
    assert os.read(reader, 1) == b""
    os.close(reader)
    if os.getpid() == 1:
        # Of what is killed with its parent, the rest is for the init to reap.
        os.waitpid(-1, 0)


def test_fresh_interpreter_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends without an answer is an error that says what it said."""
    code = "import sys; sys.exit('no such luck')"
    monkeypatch.setattr(_answering, "BOOT", code)
    with another_thread(), pytest.raises(CallError, match="no such luck") as caught:
        support()
    assert caught.value.exitcode == 1


def test_printing_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fresh interpreter prints besides is no answer."""
    code = _answering.BOOT.replace("import sys;", "import sys; print('[]', end='');", 1)
    monkeypatch.setattr(_answering, "BOOT", code)
    with another_thread():
        assert support()[NamespaceType.UTS]["exists"]
