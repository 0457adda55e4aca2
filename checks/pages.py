"""What is published: the documentation, and the figures in it."""

import nox

from .machine import OWN
from .package import group, wheel


@nox.session(python=OWN)
def docs(session: nox.Session) -> None:
    """Build the documentation; every warning is an error."""
    session.install(f"{wheel(session)}[cli]", *group("docs"))
    session.run(
        *("sphinx-build", "-n", "-W", "--keep-going", "-b", "html"),
        *("docs", "docs/_build/html"),
    )


@nox.session(python=OWN)
def bench(session: nox.Session) -> None:
    """Measure beside the peers, in one run; write the page and plots of the docs."""
    session.install(f"{wheel(session)}[cli]", *group("bench"))
    chosen = session.posargs or ("--publish", "docs/figures")
    session.run("python", "-m", "benchmarks", *chosen)
