"""
Every check that this project has, each as one session; they are in ``checks/``.

``nox`` runs the tests as who you are, on each supported Python that is here. As root
it also runs them as an ordinary user; and where user namespaces are allowed, inside
one. ``nox -l`` lists the rest.
"""

import sys
from pathlib import Path

import nox

# nox reads this file alone, and does not look beside it.
sys.path.insert(0, str(Path(__file__).parent))

from checks import crossing, long, memory, package, pages, source, suite
from checks.machine import REQUIRED, SUPPORTED

__all__ = ["crossing", "long", "memory", "package", "pages", "source", "suite"]

nox.options.sessions = ["tests", "tests_user", "tests_userns"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = bool(
    REQUIRED & {f"python{version}" for version in SUPPORTED}
)
