"""Every row of the table, provoked: by the kernel itself wherever it can be."""

import errno
import os
import pickle
from collections import Counter

import pytest
from provoking import (
    CAP_SYS_PTRACE,
    another_thread,
    drop_capabilities,
    hide_proc,
    need_own_user,
    own_user,
)
from refusals_of_creating import CREATING, pretend
from refusals_of_helping import HELPING
from refusals_of_mounting import MOUNTING
from refusals_of_opening import OPENING
from refusals_of_reaching import REACHING
from refusals_of_setns import POWER, SETNS, Case
from refusals_of_starting import STARTING
from support import in_child

from pynamespaces import (
    MultithreadedError,
    Namespace,
    NoSuchNamespaceError,
    SystemCallError,
    _causes,
    lowlevel,
)
from pynamespaces._refusals import from_errno
from pynamespaces._table import TABLE, Row
from pynamespaces._types import NamespaceType

CASES = [*SETNS, *CREATING, *HELPING, *MOUNTING, *OPENING, *REACHING, *STARTING]
ROWS = {row.name: row for row in TABLE}


def _param(case: Case) -> object:
    marks = [pytest.mark.tier(*case.tiers)] if case.tiers else []
    return pytest.param(case, id=f"{case.row}-{case.syscall}", marks=marks)


def _filled(text: str | None, case: Case) -> str | None:
    """Return a row's reason as it reads for the types of a case."""
    sysctls = ", ".join(f"user.max_{type}_namespaces" for type in case.types)
    since = _causes.since(case.syscall)
    return text and text.format(
        types=", ".join(case.types), sysctls=sysctls, since=since
    )


@pytest.mark.parametrize("case", [_param(case) for case in CASES])
def test_refused(case: Case) -> None:
    """A refusal is told by the row that is for it, in class, numbers and words."""
    if case.own_user:
        need_own_user()
    row = ROWS[case.row]
    with pytest.raises(SystemCallError) as caught:
        case.provoke()
    error = caught.value
    assert case.error is row.error
    # A SpawnError is the builtin of its errno as well.
    assert type(error) is type(case.error(case.number, ""))
    assert (error.errno, error.syscall) == (case.number, case.syscall)
    assert error.strerror == os.strerror(case.number)
    assert error.types == case.types
    # No two rows say the same, so these tell which row it was.
    assert error.reason == _filled(row.reason, case)
    assert error.hint == row.hint
    assert (case.says or "") in (error.reason or "")
    assert (case.hints or "") in (error.hint or "")
    call = f"{case.syscall} {','.join(case.types)}".strip()
    text = str(error)
    assert text.startswith(f"[Errno {case.number}] {error.strerror} [{call}]")
    assert all(part in text for part in (error.reason, error.hint) if part)


def test_every_row_is_provoked() -> None:
    """No row stands in the table without a test."""
    assert {case.row for case in CASES} == set(ROWS)


def test_names_of_rows_are_unique() -> None:
    """A name stands for one row."""
    count = Counter(row.name for row in TABLE)
    assert [name for name, times in count.items() if times > 1] == []


def test_rows_say_different_things() -> None:
    """Which row it was can be read from class and reason."""
    said = Counter((row.error, row.reason) for row in TABLE)
    assert [what for what, count in said.items() if count > 1] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_reason_can_be_filled(row: Row) -> None:
    """A reason has no other gaps than types, sysctls and a version."""
    filled = (row.reason or "").format(types="net", sysctls="s", since="6.8")
    assert "{" not in filled


@pytest.mark.parametrize("number", [errno.EIO, errno.EINTR, errno.EBUSY])
def test_unlisted_errno(number: int) -> None:
    """An errno without a row is a plain error that guesses nothing."""
    error = from_errno(number, "setns", [NamespaceType.NET])
    assert type(error) is SystemCallError
    assert (error.errno, error.reason, error.hint) == (number, None, None)


def test_refusal_survives_pickling() -> None:
    """What the table made arrives in another process with all that it says."""
    error = from_errno(errno.ENOENT, "open", [NamespaceType.NET], "/run/netns/x")
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert (type(copy), str(copy)) == (type(error), str(error))


# --- the likely reason, and not another ---


def _enter_own_process(flags: int, *, threaded: bool) -> None:
    pidfd = lowlevel.pidfd_open(os.getpid())
    if not threaded:
        lowlevel.setns(pidfd, flags)
    with another_thread():
        lowlevel.setns(pidfd, flags)


def _enter_process_above() -> None:
    pidfd = lowlevel.pidfd_open(os.getpid())
    lowlevel.unshare(lowlevel.CLONE_NEWPID)
    in_child(lambda: lowlevel.setns(pidfd, lowlevel.CLONE_NEWPID))


@pytest.mark.parametrize(
    "name",
    ["user", "mnt", pytest.param("mnt uts", id="mnt-uts")],
)
@pytest.mark.tier("root", "userns")
def test_pidfd_and_threads(name: str) -> None:
    """What a pidfd does not do for threads is said as for a namespace."""
    flags = sum(NamespaceType(type).flag for type in name.split())
    with pytest.raises(MultithreadedError) as caught:
        in_child(lambda: _enter_own_process(flags, threaded=True))
    assert caught.value.errno == errno.EINVAL


def test_pidfd_of_own_user_namespace() -> None:
    """That the process is in the user namespace already is said of a pidfd too."""
    with pytest.raises(SystemCallError, match="in this user namespace already"):
        in_child(lambda: _enter_own_process(lowlevel.CLONE_NEWUSER, threaded=False))


@pytest.mark.tier(*POWER)
def test_pidfd_of_process_above() -> None:
    """That the pid namespace is not below the caller's is said of a pidfd too."""
    with pytest.raises(SystemCallError, match="nor below it"):
        in_child(_enter_process_above)


@pytest.mark.tier(*POWER)
def test_pidfd_of_process_that_may_not_be_seen() -> None:
    """A caller with CAP_SYS_ADMIN everywhere is not told that it has none."""

    def enter() -> None:
        parent = lowlevel.pidfd_open(os.getppid())
        drop_capabilities(CAP_SYS_PTRACE)
        lowlevel.setns(parent, lowlevel.CLONE_NEWUTS)

    with pytest.raises(PermissionError) as caught:
        in_child(enter)
    assert "ptrace" in str(caught.value)


def test_missing_file_without_proc() -> None:
    """A path that does not go through /proc is not missing for want of it."""
    need_own_user()

    def open_elsewhere() -> None:
        own_user()
        hide_proc()
        Namespace.from_path("/nonexistent/netns/blue")

    with pytest.raises(NoSuchNamespaceError) as caught:
        in_child(open_elsewhere)
    assert caught.value.reason is None


@pytest.mark.parametrize(
    ("powerful", "filtered", "expected"),
    [(False, False, "create-power"), (True, True, "create-seccomp")],
)
@pytest.mark.tier(*POWER)
def test_apparmor_is_not_blamed_for_all(
    powerful: bool, filtered: bool, expected: str
) -> None:
    """Where AppArmor restricts user namespaces, other refusals keep their reasons."""

    def refused() -> None:
        if not powerful:
            drop_capabilities()
        facts = {"apparmor_restricts_userns": True, "is_filtered": filtered}
        pretend(errno.EPERM, **facts)
        lowlevel.unshare(lowlevel.CLONE_NEWUTS)

    with pytest.raises(PermissionError) as caught:
        in_child(refused)
    assert caught.value.reason == ROWS[expected].reason  # type: ignore[attr-defined]
