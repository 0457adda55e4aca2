"""Starting programs where the kernel, or a filter, has less to offer."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from provoking import (
    FakeLib,
    need_own_user,
    own_user,
    refusal,
    refuse_calls,
    replace,
)
from refusals_of_starting import fresh_cgroups
from starting import OURS, POWER, ROOT, Options, living, makable
from support import in_child
from targets import fresh

from pynamespaces import Namespace, Popen, _core, check_output, lowlevel, run, unshare
from pynamespaces._core import residents


def _without_clone3(check: Callable[[], object]) -> object:
    def filtered() -> object:
        refuse_calls(clone3=errno.ENOSYS)
        return check()

    return in_child(filtered)


@OURS
def test_without_clone3(ours: Options) -> None:
    """Where clone3 is refused with ENOSYS, as in old containers, clone does it."""
    need_own_user()

    def check() -> tuple[int, int]:
        missing = pytest.raises(FileNotFoundError)
        with missing:
            run(["/nonexistent"], **ours)
        guarded: Options = {**ours, "die_with_parent": True}
        with Popen(["sh", "-c", "exit 3"], **guarded) as process:
            return run(["sh", "-c", "kill -9 $$"], **ours).returncode, process.wait()

    assert _without_clone3(check) == (-9, 3)


@POWER
def test_handlers_without_clone3() -> None:
    """No handler of the caller's is left in the program, whichever call made it."""

    def check() -> bool:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        command = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
        ours = check_output(command, new="uts")
        return bool(ours) and ours == subprocess.check_output(command)

    assert _without_clone3(check)


@ROOT
def test_cgroup_without_clone3() -> None:
    """Without clone3 the child moves itself into the cgroup, before all else."""

    def check() -> bool:
        with fresh_cgroups() as folder:
            said = check_output(["cat", "/proc/self/cgroup"], cgroup=folder, text=True)
            return f"0::/{folder.name}" in said.splitlines()

    assert _without_clone3(check)


def test_time_is_there_at_once() -> None:
    """Who has started a program finds it in its time namespace, made beforehand."""
    need_own_user()
    for _ in range(20):
        with living(new=makable("time"), time_offsets={"boottime": 1234}) as process:
            inside = os.readlink(f"/proc/{process.pid}/ns/time")
            assert inside != str(Namespace.current("time").id)
            with closing(process.namespaces) as found:
                assert str(found["time"].id) == inside
            offsets = Path(f"/proc/{process.pid}/timens_offsets").read_text()
            assert "boottime         1234         0" in offsets


def test_time_of_joined_user() -> None:
    """A time namespace belongs to the user namespace that is joined along with it."""
    need_own_user()
    with fresh("user") as user, living(join=user, new="time") as process:
        with closing(process.namespaces) as found:
            with closing(found["time"].owner()) as owner:
                assert owner.id == found["user"].id == user.id


def test_init_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its file may not be executed, as by noexec, a copy of it is the init."""
    need_own_user()
    noexec = FakeLib(pyns_spawn_open=refusal(errno.EACCES))
    monkeypatch.setattr(residents, "lib", noexec)
    with Popen(["cat"], stdin=subprocess.PIPE, new=makable("pid")) as process:
        assert os.readlink(f"/proc/{process.pid}/exe").startswith("/memfd:")
        process.terminate()
        assert process.wait() == -15


def test_file_is_kept() -> None:
    """Before a thread enters a mount namespace, what is in the init's file is kept."""
    need_own_user()

    def check() -> tuple[bool, int]:
        own_user(lowlevel.CLONE_NEWNS)
        # An earlier test may have had a thread enter one.
        replace(residents, _kept=[])
        replace(_core, _is_sealed=False)
        before = bool(residents._kept)
        with Namespace.new("mnt") as ns:
            with ns:
                replace(residents, _PATH="/nonexistent")
                return before, run(["true"], new="pid").returncode

    assert in_child(check) == (False, 0)


@POWER
def test_id_of_child_from_further_in() -> None:
    """A child that is born in another pid namespace has the id that its caller sees."""

    def check() -> tuple[int, bool]:
        unshare("pid")
        # The first child is its init, and must live on.
        init = subprocess.Popen(["sleep", "100"])
        try:
            with Popen(["cat"], stdin=subprocess.PIPE, die_with_parent=True) as process:
                mine = Path(f"/proc/{process.pid}/comm").read_text() == "cat\n"
                process.terminate()
                return process.wait(), mine
        finally:
            init.kill()
            init.wait()

    assert in_child(check) == (-15, True)
