"""`supervise` with types that are denied: what fails, and what goes on."""

import errno
from typing import Literal

import pytest
from supervising import T, python, watched
from support import program

from pynamespaces.tracing import CloneEvent, SetnsEvent, UnshareEvent, supervise

TRY = """
def tried(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        print(error.errno, flush=True)
    else:
        print(0, flush=True)
"""


def test_unshare() -> None:
    """A call that would make what is denied fails by EPERM, and its event says so."""
    done = watched([program("unshare"), "-Urn", "true"], deny={"net"})
    assert done.status not in (0, None)
    (event,) = done.events
    assert isinstance(event, UnshareEvent)
    assert (event.denied, event.error, event.result) == (True, "EPERM", -1)
    assert event.changes == ()


def test_without_events() -> None:
    """Nobody needs to listen; and what is not denied is made."""
    assert supervise([program("unshare"), "-Urn", "true"], deny=("net", "uts")) != 0
    assert supervise([program("unshare"), "-Uri", "true"], deny=("net", "uts")) == 0
    assert supervise([program("unshare"), "-Ur", "true"], deny="uts") == 0


@pytest.mark.parametrize("nstype", ["CLONE_NEWUTS", "0"])
def test_setns(nstype: str) -> None:
    """Entering what is denied fails, also where only the descriptor says what it is."""
    code = f"""{TRY}
home = os.open("/proc/self/ns/uts", os.O_RDONLY)
other = os.open("/proc/self/ns/ipc", os.O_RDONLY)
lowlevel.unshare(CLONE_NEWUSER)
tried(lowlevel.setns, home, {nstype})
tried(lowlevel.unshare, CLONE_NEWUTS)
tried(lowlevel.setns, 54321, {nstype})
tried(lowlevel.unshare, CLONE_NEWIPC)
"""
    done = watched(python(code), deny="uts")
    wrong = errno.EPERM if nstype != "0" else errno.EBADF
    numbers = [str(number) for number in (errno.EPERM, errno.EPERM, wrong, 0)]
    assert [word for line in done.lines() for word in line] == numbers
    event = done.events[1]
    assert isinstance(event, SetnsEvent)
    assert (event.types, event.denied, event.certainty) == ((T.UTS,), True, "confirmed")
    assert event.target is not None


def test_clone() -> None:
    """A child that would have what is denied is not born."""
    command = [program("bwrap"), "--bind", "/", "/", "true"]
    assert supervise(command, deny="net") == 0
    assert supervise([*command[:1], "--unshare-net", *command[1:]], deny="net") != 0


@pytest.mark.parametrize(
    ("clone3", "syscall"), [(None, "clone"), ("enosys", "clone"), ("notify", "clone3")]
)
def test_clone3(
    clone3: Literal["notify", "enosys"] | None, syscall: Literal["clone", "clone3"]
) -> None:
    """Of clone3 there is nothing to trust, so by default clone is made to be used."""
    code = f"""{TRY}
def born(flags):
    pid, _ = lowlevel.clone3(flags)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
lowlevel.unshare(CLONE_NEWUSER)
tried(born, CLONE_NEWUTS)
tried(born, CLONE_NEWIPC)
threading.Thread(target=print, args=["thread"]).start()
"""
    done = watched(python(code), deny="uts", clone3=clone3)
    assert done.lines() == [[str(errno.EPERM)], ["0"], ["thread"]]
    _, refused, made = done.events
    assert isinstance(refused, CloneEvent)
    assert isinstance(made, CloneEvent)
    assert (refused.syscall, made.syscall) == (syscall, syscall)
    assert (refused.denied, made.denied) == (True, False)
    assert (refused.types, made.types) == ((T.UTS,), (T.IPC,))


def test_wrong_arguments() -> None:
    """What is no type, or no way to treat clone3, is refused before anything starts."""
    with pytest.raises(ValueError, match="not a namespace type"):
        supervise(["true"], deny="nets")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clone3"):
        supervise(["true"], clone3="allow")  # type: ignore[arg-type]
