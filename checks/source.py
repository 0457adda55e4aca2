"""Looking at the source: types, style, the floors of the house, the C files."""

from pathlib import Path

import nox

from .machine import OWN
from .package import group, wheel

SHIM = Path("src/pynamespaces/_shim")


@nox.session(python=OWN)
def types(session: nox.Session) -> None:
    """Check the types, with mypy and pyright."""
    session.install(f"{wheel(session)}[cli]", *group("types"), *group("tests"))
    session.run("mypy")
    # Names of pictures are those of what they show, and so are names of tests.
    session.run("mypy", "docs/pictures", env={"MYPYPATH": "docs/pictures"})
    session.run("pyright")


@nox.session(python=OWN)
def lint(session: nox.Session) -> None:
    """Check style, workflows, fragments, the floors of the house, and the C files."""
    session.install("-e", ".[cli]", *group("lint"))
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)
    session.run("lint-imports")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fanalyzer"]
    for source in sorted(SHIM.glob("*.c")):
        session.run(
            "cc", *flags, "-O2", "-c", str(source), "-o", "/dev/null", external=True
        )


@nox.session(python=False)
def tidy(session: nox.Session) -> None:
    """Look at the C files with clang-tidy; arguments are its own, such as --checks."""
    sources = sorted(map(str, SHIM.glob("*.c")))
    command = ("clang-tidy", "--quiet", "--warnings-as-errors=*", *session.posargs)
    session.run(*command, *sources, "--", "-std=gnu11", "-O2", external=True)
