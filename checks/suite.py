"""The tests, as who you are and as those whom root can be."""

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

from .machine import (
    IN_USERNS,
    ON_OWN_MOUNTS,
    ORDINARY,
    PYTHONS,
    out_of_reach,
    tier_environment,
    unavailable,
    works,
)
from .package import group, wheel

ORDINARY_PYTHON = os.environ.get("PYNAMESPACES_ORDINARY_PYTHON", "")
"""Which Python tests_user and tests_userns are to have; by itself, the first found."""

BRIEFLY = os.environ.get("PYNAMESPACES_BRIEFLY", "")
"""A Python with which only what depends on how it works inside is to be tested; then
each tier leaves out what takes long and another has, too."""

INSIDE = (
    *("test_call.py", "test_call_beside.py", "test_call_main.py", "test_context.py"),
    *("test_context_failing.py", "test_entering*.py", "test_executor*.py"),
    *("test_forked_*.py", "test_hard_*.py", "test_imports_*.py"),
    *("test_interpreters.py", "test_package.py", "test_popen.py", "test_popen_aio*.py"),
    *("test_popen_hook.py", "test_popen_stdlib.py", "test_popen_threads.py"),
    *("test_set.py", "test_set_entering.py"),
    *("test_threads_*.py", "test_trace_interrupted.py", "test_trace_limits.py"),
    "test_way_back.py",
)

_ANYWHERE = (
    *("test_cli_output.py", "test_cli_terminal*.py", "test_context_inside.py"),
    *("test_hostile_arguments.py", "test_hostile_lines.py"),
    *("test_inventory_html.py", "test_inventory_html_hostile.py"),
)
"""What takes long, and is the same whoever runs it."""

LEFT_OUT = {
    "plain": (
        *_ANYWHERE,
        *("test_cli_hostile.py", "test_examples*.py", "test_faults.py"),
        *("test_inventory_html_looks.py", "test_killed.py", "test_old_machines.py"),
        *("test_pytest_plugin.py", "test_soak.py", "test_support_filtered.py"),
    ),
    "userns": (
        *("test_faults.py", "test_inventory_html_looks.py", "test_killed.py"),
        *("test_pytest_plugin.py", "test_soak.py"),
    ),
    "root": _ANYWHERE,
}
"""What a run that tests briefly has in one of the other tiers, and not in this one."""

PARTS = 4
"""
How many processes run a suite, one after the other.

The tests start thousands of children, each a copy of the process that runs them, and
that one grows with the number of tests that it has.
"""


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test the built wheel as who you are."""
    _run_here(session, ())


@nox.session(python=PYTHONS)
def tests_apart(session: nox.Session) -> None:
    """Test as who you are; as root on mounts of its own, so beside other sessions."""
    is_root = os.geteuid() == 0
    if is_root and not works(*ON_OWN_MOUNTS, "true"):
        unavailable(session, "root", "mounts of one's own are not allowed here")
    _run_here(session, ON_OWN_MOUNTS if is_root else ())


def _run_here(session: nox.Session, prefix: tuple[str, ...]) -> None:
    """Run the suite in the session's environment, through a command."""
    session.install(f"{wheel(session)}[cli]", *group("tests"))
    tier = "root" if os.geteuid() == 0 else "plain"
    kinds = INSIDE if session.python == BRIEFLY else ("test_*.py",)
    run_parts(
        session,
        (*prefix, "pytest"),
        tier_environment(tier),
        kinds,
        _left_out(session, tier),
    )


def _left_out(session: nox.Session, tier: str) -> tuple[str, ...]:
    """Return what this run has in another tier; nothing may be in none of them."""
    if not BRIEFLY:
        return ()
    everywhere = set.intersection(
        *(set(files_of(kinds)) for kinds in LEFT_OUT.values())
    )
    if everywhere:
        session.error(f"left out of every tier: {', '.join(sorted(everywhere))}")
    return LEFT_OUT[tier]


def files_of(kinds: tuple[str, ...], left_out: tuple[str, ...] = ()) -> list[str]:
    """Return the files of tests of some kinds, in order."""
    found = {file for kind in kinds for file in Path("tests").glob(kind)}
    found -= {file for kind in left_out for file in Path("tests").glob(kind)}
    return sorted(map(str, found))


def run_parts(
    session: nox.Session,
    command: tuple[str, ...],
    environment: dict[str, str],
    kinds: tuple[str, ...] = ("test_*.py",),
    left_out: tuple[str, ...] = (),
) -> None:
    """Run the suite in several processes, one after the other, whatever fails."""
    files = files_of(kinds, left_out)
    size = -(-len(files) // PARTS)
    parts = [files[first : first + size] for first in range(0, len(files), size)]
    failure = None
    command = (*command, "-p", "no:cacheprovider")
    with session.chdir(out_of_reach()):
        for part in [session.posargs] if session.posargs else parts:
            try:
                session.run(*command, *part, env=environment, external=True)
            except CommandFailed as error:
                failure = error
    if failure is not None:
        raise failure


def _reachable_python() -> str | None:
    """Return a supported Python that an ordinary user can start, if root is here."""
    prefix = ORDINARY if os.geteuid() == 0 else ()
    check = "import sys; v = sys.version_info; sys.exit(v < (3, 11)"
    check += f" or {ORDINARY_PYTHON!r} not in ('', '%d.%d' % v[:2]))"
    names = [sys.executable, *(f"python{v}" for v in PYTHONS), "/usr/bin/python3"]
    for name in names:
        path = shutil.which(name)
        if path and works(*prefix, os.path.realpath(path), "-c", check):
            return path
    return None


def _ordinary_python(session: nox.Session, tier: str) -> str:
    """Give a Python with the package that an ordinary user can start."""
    folder = out_of_reach()
    venv = folder / "venv"
    python = str(venv / "bin/python")
    if venv.exists():
        return python
    found = _reachable_python()
    if found is None:
        which = f"no Python {ORDINARY_PYTHON}".rstrip()
        unavailable(session, tier, f"{which} that an ordinary user can start")
    base, needed = str(found), [f"{wheel(session)}[cli]", *group("tests")]
    installing: tuple[str, ...]
    if uv := shutil.which("uv"):
        session.run(uv, "venv", "--quiet", "--python", base, str(venv), external=True)
        installing = (uv, "pip", "install", "--quiet", "--compile-bytecode")
        installing += ("--python", python)
    else:
        making = (sys.executable, "-m", "virtualenv", "--quiet", "--python", base)
        session.run(*making, str(venv), external=True)
        installing = (str(venv / "bin/pip"), "install", "--quiet")
    session.run(*installing, *needed, external=True)
    # Who may not write here would compile them each time.
    compiling = (python, "-m", "compileall", "-q", str(folder / "tests"))
    session.run(*compiling, external=True)
    session.run("chmod", "-R", "a+rX", str(folder), external=True)
    return python


def _run_suite(session: nox.Session, tier: str, prefix: tuple[str, ...]) -> None:
    """Run the suite as somebody else, through a command."""
    python = _ordinary_python(session, tier)
    own = out_of_reach() / f"tmp-{tier}"
    own.mkdir()
    own.chmod(0o1777)
    environment = tier_environment(tier) | {"HOME": str(own), "TMPDIR": str(own)}
    command = (*prefix, python, "-m", "pytest")
    left_out = _left_out(session, tier)
    run_parts(session, command, environment, left_out=left_out)


@nox.session(python=False)
def tests_user(session: nox.Session) -> None:
    """As root: test as an ordinary user, who may enter nothing."""
    if os.geteuid() != 0:
        unavailable(session, "plain-as-root", "you are one: see the session tests")
    _run_suite(session, "plain", ORDINARY)


@nox.session(python=False)
def tests_userns(session: nox.Session) -> None:
    """Test as root of a user namespace that an ordinary user made."""
    prefix = (ORDINARY if os.geteuid() == 0 else ()) + IN_USERNS
    if not works(*prefix, "true"):
        unavailable(session, "userns", "user namespaces are not allowed here")
    _run_suite(session, "userns", prefix)
