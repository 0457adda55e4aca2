"""The tests under what finds faults of memory."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

from .machine import OWN, own_mounts, tier_environment
from .package import group
from .suite import run_parts

FOUND = 99
"""The exit status of a process in which a fault in its memory was found."""

# What is not initialised has a pattern, so that what relied on a lucky 0 fails. UBSan
# traps: its own words go to a stderr that many children have closed.
SANITIZED = {
    "CFLAGS": "-g -fno-omit-frame-pointer -ftrivial-auto-var-init=pattern"
    " -fsanitize=address,undefined -fsanitize-undefined-trap-on-error",
    "LDFLAGS": "-fsanitize=address",
}
ASAN_OPTIONS = {
    "exitcode": FOUND,
    "handle_sigill": 1,
    # Tests have programs that end so, and all have the library in them.
    "handle_segv": 0,
    "handle_sigbus": 0,
    "handle_sigfpe": 0,
    # Python lets go of little at its end, and children have none.
    "detect_leaks": 0,
    # What was freed is kept for a while, and each fork copies it.
    "quarantine_size_mb": 16,
    "thread_local_quarantine_size_kb": 64,
}

OVERRUN = """
from pynamespaces._ffi import ffi, lib
room = ffi.new("char[]", ffi.sizeof("struct pyns_spawn") + {more})
lib.pyns_spawn_clear(ffi.cast("struct pyns_spawn *", room + {offset}))
"""
OVERRUNS = (OVERRUN.format(more=-4, offset=0), OVERRUN.format(more=4, offset=1))
"""Two programs that give the shim too little room, and an odd address: each must be
found, or the checker does not check."""

CORE = (
    *("test_creating_set_up.py", "test_entering.py", "test_lowlevel_nsfs.py"),
    *("test_popen_guard.py", "test_popen_init.py", "test_popen_join.py"),
    *("test_scan.py", "test_scan_mounts.py", "test_scan_unnamed.py"),
    *("test_set_entering.py", "test_sockets.py", "test_uts_names.py"),
)
"""The tests that have most of the C files run, for a minute."""

MEMCHECK = ("valgrind", "--quiet", f"--error-exitcode={FOUND}", "--num-callers=20")


def build_for_checks(session: nox.Session, flags: dict[str, str]) -> None:
    """Install the package built so; what is built with other flags gets none of it."""
    shutil.rmtree("build", ignore_errors=True)
    session.install(".[cli]", *group("tests"), env=flags)
    shutil.rmtree("build", ignore_errors=True)


@contextmanager
def reports(session: nox.Session) -> Iterator[Path]:
    """Give a folder for what checkers of memory report; fail if there is anything."""
    # Programs make it anew where they see another /tmp, in which tests have theirs.
    with tempfile.TemporaryDirectory(prefix="pynamespaces-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)  # Tests have children of other users.
        try:
            yield folder
        finally:
            texts = [path.read_text(errors="replace") for path in folder.iterdir()]
            reports = [text for text in texts if text]
            for text in reports:
                session.warn(text)
        if reports:
            session.error(f"{len(reports)} processes with faults in their memory")


@nox.session(python=OWN)
def sanitize(session: nox.Session) -> None:
    """Test under AddressSanitizer and UBSan as who you are; or only the files named."""
    _sanitize(session, ("test_*.py",))


@nox.session(python=OWN)
def sanitize_core(session: nox.Session) -> None:
    """The same with the tests that have most of the C files run."""
    _sanitize(session, CORE)


def _sanitize(session: nox.Session, kinds: tuple[str, ...]) -> None:
    build_for_checks(session, SANITIZED)
    find = ["cc", "-print-file-name=libasan.so"]
    library = subprocess.run(find, capture_output=True, text=True, check=True).stdout
    environment = tier_environment("root" if os.geteuid() == 0 else "plain")
    # What Python hands over is memory of malloc's own, with a border around it.
    environment |= {"LD_PRELOAD": library.strip(), "PYTHONMALLOC": "malloc"}
    options = ":".join(f"{name}={value}" for name, value in ASAN_OPTIONS.items())
    for program in OVERRUNS:
        probed = environment | {"ASAN_OPTIONS": options}
        session.run(
            "python", "-c", program, env=probed, success_codes=[FOUND], silent=True
        )
    with reports(session) as folder:
        environment["ASAN_OPTIONS"] = f"{options}:log_path={folder}/report"
        # A browser does not start with AddressSanitizer in it; the page is Python's.
        # Nor could a child go on without the memory that AddressSanitizer has.
        unfit = "tests/test_popen_hostile.py::test_memory_is_let_go_of"
        chosen = ("--timeout=600", "--deselect", unfit)
        command = (*own_mounts(), "pytest", *chosen)
        run_parts(session, command, environment, kinds, ("test_inventory_html*.py",))


# Python 3.11 itself looks at digits that a 0 does not have, which spreads.
@nox.session(python="3.12")
def valgrind(session: nox.Session) -> None:
    """Run under valgrind's memcheck what that can follow, which the suite is not."""
    build_for_checks(session, {"CFLAGS": "-g"})
    command, environment = (*MEMCHECK, "python"), {"PYTHONMALLOC": "malloc"}
    session.run(
        *(*command, "-c", OVERRUNS[0]),
        env=environment,
        success_codes=[FOUND],
        silent=True,
        external=True,
    )
    session.run(*command, "tests/memchecked.py", env=environment, external=True)
