"""What takes long: faults, kills, hostile input, old machines, an hour of work."""

import os
from pathlib import Path

import nox

from .machine import OWN, own_mounts, tier_environment
from .package import group, wheel
from .suite import files_of

FIRE = (
    *("test_faults*.py", "test_hostile_*.py", "test_killed*.py", "test_old_*.py"),
    *("test_threads_*.py", "test_forked_*.py"),
)
LONG = {
    "PYNAMESPACES_KILLS": "1000",
    "PYNAMESPACES_EXAMPLES": "30",
    "PYNAMESPACES_TURNS": "5000",
    "PYNAMESPACES_MIXED_ROUNDS": "200",
    "PYNAMESPACES_CUT_SHORT_ROUNDS": "200",
    "PYNAMESPACES_MACHINES": "all",
}
"""What makes a suite of a minute one of an hour."""


@nox.session(python=OWN)
def faults(session: nox.Session) -> None:
    """Have each system call of each operation fail; write the table of the docs."""
    session.install(str(wheel(session)), *group("tests"))
    tried = Path(session.create_tmp(), "tried.jsonl")
    with tried.open("w") as file:
        command = (*own_mounts(), "python", "tests/faulting.py", *session.posargs)
        session.run(*command, stdout=file, external=True)
    if not session.posargs:
        session.run("python", "tests/faults_table.py", str(tried))


@nox.session(python=OWN)
def soak(session: nox.Session) -> None:
    """Do everything at once for a minute, or --seconds 3600; nothing may grow."""
    session.install(str(wheel(session)), *group("tests"))
    session.run("python", "tests/soak.py", *(session.posargs or ("--seconds", "60")))


@nox.session(python=OWN)
def fire(session: nox.Session) -> None:
    """Test for long: kills, hostile input, old machines, threads at once."""
    session.install(f"{wheel(session)}[cli]", *group("tests"))
    tier = "root" if os.geteuid() == 0 else "plain"
    command = (*own_mounts(), "pytest", "--timeout=3600")
    chosen = session.posargs or files_of(FIRE)
    session.run(*command, *chosen, env=LONG | tier_environment(tier), external=True)


@nox.session(python=OWN)
def old(session: nox.Session) -> None:
    """Run a command on a machine that looks old or strict: ``-- 5.10 pytest ...``."""
    session.install(f"{wheel(session)}[cli]", *group("tests"))
    command = (*own_mounts(), "python", "tests/under.py", *session.posargs)
    session.run(*command, external=True)
