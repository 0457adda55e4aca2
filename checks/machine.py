"""What this machine has, what a run requires of it, and who runs a session."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

SUPPORTED = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
# The interpreter that runs nox is always one of them, so that something is tested.
PYTHONS = sorted({*SUPPORTED, OWN}, key=lambda version: int(version.split(".")[1]))

TIERS = {"plain", "userns", "root"}
REQUIRED = {w for w in os.environ.get("PYNAMESPACES_REQUIRE", "").split(",") if w}
"""Tiers, programs and Pythons whose absence is to fail, not to skip."""

TESTED = ("benchmarks", "docs", "examples", "tests")
BESIDE = ("README.md", "build_ffi.py", "pyproject.toml")
"""What the tests read. The sources of the package are not among it."""

BUILT = shutil.ignore_patterns("_build", "__pycache__")

_places: list[tempfile.TemporaryDirectory[str]] = []

# The ids that Debian and others give to nobody. setpriv still has its capabilities
# when it starts a program, so it starts a shell that starts what is meant.
ORDINARY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("sh", "-c", 'exec "$@"', "sh"),
)
IN_USERNS = (
    *("unshare", "--user", "--map-root-user", "--mount", "--uts", "--ipc", "--net"),
    *("--cgroup", "--pid", "--fork", "--mount-proc"),
)
# Named network namespaces, and what else programs keep there, are one's own as well.
ON_OWN_MOUNTS = (
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"),
)


def tier_environment(tier: str) -> dict[str, str]:
    """Require this session's tier, and whatever else the caller requires."""
    needed = REQUIRED - TIERS | ({tier} if REQUIRED & TIERS else set())
    return {"PYNAMESPACES_REQUIRE": ",".join(sorted(needed))}


def unavailable(session: nox.Session, tier: str, reason: str) -> None:
    """Leave a session out, or fail where the run requires it."""
    if tier in REQUIRED:
        session.error(f"required, but missing: {tier}: {reason}")
    session.skip(reason)


def works(*command: str) -> bool:
    """Tell whether a command can be run, and ends well."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


def own_mounts() -> tuple[str, ...]:
    """Return the command for mounts of one's own, where there is power to have them."""
    return ON_OWN_MOUNTS if os.geteuid() == 0 else ()


def out_of_reach() -> Path:
    """Return a folder with the tests, and no sources, that everyone may read."""
    if not _places:
        place = tempfile.TemporaryDirectory(prefix="pynamespaces-")
        folder = Path(place.name)
        folder.chmod(0o755)
        for name in TESTED:
            shutil.copytree(name, folder / name, ignore=BUILT)
        for name in BESIDE:
            shutil.copy(name, folder)
        _places.append(place)
    return Path(_places[0].name)
