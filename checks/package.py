"""The wheel that the sessions test, and what is released."""

import shutil
import sys
from pathlib import Path

import nox

from .machine import OWN, PYTHONS, out_of_reach, own_mounts

DIST = Path("dist")

RELEASED = (
    *("tests/test_docs.py", "tests/test_entering.py", "tests/test_package.py"),
    *("tests/test_popen_new.py", "tests/test_scan.py", "tests/test_sockets.py"),
)
"""What a wheel is tried with before it is released; `tests` has all the rest."""

_wheels: list[Path] = []


def group(name: str) -> list[str]:
    """Return what a dependency group of the project names."""
    project = nox.project.load_toml("pyproject.toml")
    return list(nox.project.dependency_groups(project, name))


def wheel(session: nox.Session) -> Path:
    """Build the wheel, once for all sessions: it is the same for every Python."""
    if not _wheels:
        folder = Path(session.cache_dir, "wheel").resolve()
        # What an earlier build left would be packed too.
        shutil.rmtree("build", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "venv", "--clear", str(folder / "venv")]
        session.run(*pip, external=True, silent=True)
        pip = [str(folder / "venv/bin/pip"), "wheel", "--quiet", "--no-deps"]
        session.run(*pip, "--wheel-dir", str(folder), ".", external=True)
        _wheels.extend(folder.glob("pynamespaces-*.whl"))
    return _wheels[0]


@nox.session(python=OWN)
def dist(session: nox.Session) -> None:
    """Build what is released into ``dist/``, and audit it; see `dist_try`."""
    session.install(*group("dist"))
    shutil.rmtree(DIST, ignore_errors=True)
    folder = DIST.resolve()
    # The wheel is built from the sdist, so what that lacks is missed.
    session.run("python", "-m", "build", "--outdir", str(folder), silent=True)
    (built,) = folder.glob("*.whl")
    session.run("auditwheel", "show", str(built))
    session.run("auditwheel", "repair", "--wheel-dir", str(folder), str(built))
    built.unlink()
    (repaired,) = folder.glob("*.whl")
    session.run("abi3audit", "--strict", "--assume-minimum-abi3", "3.11", str(repaired))
    session.run("check-wheel-contents", str(repaired))
    session.run("twine", "check", "--strict", *map(str, folder.iterdir()))


@nox.session(python=PYTHONS, reuse_venv=False)
def dist_try(session: nox.Session) -> None:
    """Install the wheel in ``dist/`` as a user would, where no source is; test it."""
    (built,) = DIST.resolve().glob("*.whl")
    session.install("--only-binary=:all:", f"{built}[cli]", *group("tests"))
    with session.chdir(out_of_reach()):
        session.run("pynamespaces", "demo")
        pytest = (*own_mounts(), "pytest", "-q", "-p", "no:cacheprovider")
        session.run(*pytest, *RELEASED, external=True)
