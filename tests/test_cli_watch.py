"""``pynamespaces list --watch``: on the whole terminal, until Ctrl-C."""

import os
import signal

import inventories
import pytest
from commanding import check_refusal, ended, found, on_terminal, pynamespaces
from holding import holder
from starting import LIMIT
from terminals import COMMAND, CTRL_C, CTRL_Z, PROMPT, STOPPED, screen, shell

from pynamespaces.cli import columns, command, output, watching
from pynamespaces.inventory import Inventory

UTS = ("list", "--watch", "--interval", "0.2", "--type", "uts")


def test_watch() -> None:
    """What is made meanwhile appears, and Ctrl-C ends it cleanly."""
    with on_terminal(*UTS, LC_ALL="C.UTF-8") as made:
        made.expect("namespaces" if _count("uts") > 1 else "1 namespace")
        made.expect("Ctrl-C ends")
        with holder("user", "uts") as held:
            made.expect(str(os.stat(f"/proc/{held.pid}/ns/uts").st_ino))
        made.type(CTRL_C)
        text, status = ended(made)
    assert status == 0
    assert "Traceback" not in text
    # The terminal is as it was: the other screen is left, and the cursor shown.
    assert "\x1b[?1049l" in text
    assert "\x1b[?25h" in text


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP])
def test_killed(signo: signal.Signals) -> None:
    """A signal that ends it does so once the terminal is as it was."""
    with screen(*COMMAND, *UTS, TERM="xterm") as made:
        made.expect("Ctrl-C ends")
        made.process.send_signal(signo)
        made.expect("\x1b[?25h")
        made.expect("\x1b[?1049l")
        assert made.process.wait(timeout=LIMIT) == -signo


def test_stopped() -> None:
    """Ctrl-Z gives the terminal back; with ``fg`` it is all there again."""
    with shell(TERM="xterm") as made:
        made.type(" ".join(["$ns", *UTS]) + "\n")
        for _ in range(2):
            made.expect("\x1b[?1049h")
            made.expect("Ctrl-C ends")
            made.type(CTRL_Z)
            made.expect("\x1b[?1049l")
            made.match(STOPPED)
            made.expect(PROMPT)
            made.type("fg\n")
        made.expect("\x1b[?1049h")
        made.expect("Ctrl-C ends")
        made.type(CTRL_C)
        made.expect("\x1b[?1049l")
        made.expect(PROMPT)
        assert "status 0\n" in made.command("echo status $?")


def _count(type: str) -> int:
    lines = pynamespaces("list", "--type", type, "--columns", "ns").stdout
    return len(lines.splitlines()) - 1


def test_without_terminal() -> None:
    """Where there is none, one line says so."""
    check_refusal(pynamespaces("list", "--watch"), 1, "terminal")


def test_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new comes first; what does not fit is counted."""
    monkeypatch.setattr(output, "terminal_size", lambda: (80, 6))
    new = inventories.named("uts", 4026532900, 900)
    before = Inventory(inventories.initial(1), [inventories.process(1, 0, "init")])
    after = Inventory(
        [*inventories.initial(1), inventories.record(new)], before.processes()
    )
    group = watching._picture(after, after.diff(before), columns.DEFAULT, 2)
    lines = [str(line) for line in group.renderables]
    assert len(lines) == 6
    assert "9 namespaces  1 new  every 2 s, Ctrl-C ends" in lines[0]
    assert lines[1].startswith("NS")
    assert lines[2].startswith("4026532900  uts")
    assert lines[-1] == "... 6 more: use a filter, or a larger terminal"


def test_process_that_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the process that it is about is gone, it ends, and says so."""
    found(monkeypatch, inventories.small())
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    assert command(["list", "--watch", "--pid", "99"]) == 1
    assert "no process 99 was found" in capsys.readouterr().err
