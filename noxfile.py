"""
Every check that this project has, each as one session.

``nox`` runs the tests as who you are, on each supported Python that is here. As root
it also runs them as an ordinary user; and where user namespaces are allowed, inside
one. ``nox -l`` lists the rest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["tests", "tests_user", "tests_userns"]
nox.options.reuse_existing_virtualenvs = True

SUPPORTED = ("3.11", "3.12", "3.13")
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
# The interpreter that runs nox is always one of them, so that something is tested.
PYTHONS = sorted({*SUPPORTED, OWN}, key=lambda version: int(version.split(".")[1]))

TIERS = {"plain", "userns", "root"}
REQUIRED = {w for w in os.environ.get("PYNAMESPACES_REQUIRE", "").split(",") if w}
"""Tiers, programs and Pythons whose absence is to fail, not to skip."""

ORDINARY_PYTHON = os.environ.get("PYNAMESPACES_ORDINARY_PYTHON", "")
"""Which Python tests_user and tests_userns are to have; by itself, the first found."""

BRIEFLY = os.environ.get("PYNAMESPACES_BRIEFLY", "")
"""A Python with which only what depends on how it works inside is to be tested."""

INSIDE = (
    *("test_call*.py", "test_context*.py", "test_entering*.py", "test_executor*.py"),
    *(
        "test_forked_*.py",
        "test_hard_*.py",
        "test_imports_*.py",
        "test_interpreters.py",
    ),
    *("test_lowlevel_clone*.py", "test_package.py", "test_popen*.py", "test_set*.py"),
    *("test_threads_*.py", "test_trace_limits.py", "test_way_back.py"),
)

nox.options.error_on_missing_interpreters = bool(
    REQUIRED & {f"python{version}" for version in SUPPORTED}
)

PARTS = 4
"""
How many processes run a suite, one after the other.

The tests start thousands of children, each a copy of the process that runs them, and
that one grows with the number of tests that it has.
"""

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

SHIM = Path("src/pynamespaces/_shim")

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

CORE = (
    *("test_creating_set_up.py", "test_entering.py", "test_lowlevel_nsfs.py"),
    *("test_popen_guard.py", "test_popen_init.py", "test_popen_join.py"),
    *("test_scan.py", "test_scan_mounts.py", "test_scan_unnamed.py"),
    *("test_set_entering.py", "test_sockets.py", "test_uts_names.py"),
)
"""The tests that have most of the C files run, for a minute."""

MEMCHECK = ("valgrind", "--quiet", f"--error-exitcode={FOUND}", "--num-callers=20")

_wheels: list[Path] = []
_places: list[tempfile.TemporaryDirectory[str]] = []


def _group(name: str) -> list[str]:
    project = nox.project.load_toml("pyproject.toml")
    return list(nox.project.dependency_groups(project, name))


def _wheel(session: nox.Session) -> Path:
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


def _tier_environment(tier: str) -> dict[str, str]:
    """Require this session's tier, and whatever else the caller requires."""
    needed = REQUIRED - TIERS | ({tier} if REQUIRED & TIERS else set())
    return {"PYNAMESPACES_REQUIRE": ",".join(sorted(needed))}


def _unavailable(session: nox.Session, tier: str, reason: str) -> None:
    """Leave a session out, or fail where the run requires it."""
    if tier in REQUIRED:
        session.error(f"required, but missing: {tier}: {reason}")
    session.skip(reason)


def _works(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test the built wheel as who you are."""
    _run_here(session, ())


@nox.session(python=PYTHONS)
def tests_apart(session: nox.Session) -> None:
    """Test as who you are; as root on mounts of its own, so beside other sessions."""
    is_root = os.geteuid() == 0
    if is_root and not _works(*ON_OWN_MOUNTS, "true"):
        _unavailable(session, "root", "mounts of one's own are not allowed here")
    _run_here(session, ON_OWN_MOUNTS if is_root else ())


def _run_here(session: nox.Session, prefix: tuple[str, ...]) -> None:
    """Run the suite in the session's environment, through a command."""
    session.install(f"{_wheel(session)}[cli]", *_group("tests"))
    tier = "root" if os.geteuid() == 0 else "plain"
    kinds = INSIDE if session.python == BRIEFLY else ("test_*.py",)
    _run_parts(session, (*prefix, "pytest"), _tier_environment(tier), kinds)


def _files(kinds: tuple[str, ...], left_out: str = "-") -> list[str]:
    found = {file for kind in kinds for file in Path("tests").glob(kind)}
    return sorted(str(file) for file in found if not file.match(left_out))


def _run_parts(
    session: nox.Session,
    command: tuple[str, ...],
    environment: dict[str, str],
    kinds: tuple[str, ...] = ("test_*.py",),
    left_out: str = "-",
) -> None:
    """Run the suite in several processes, one after the other, whatever fails."""
    files = _files(kinds, left_out)
    size = -(-len(files) // PARTS)
    parts = [files[first : first + size] for first in range(0, len(files), size)]
    failure = None
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
        if path and _works(*prefix, os.path.realpath(path), "-c", check):
            return path
    return None


def _ordinary_place(session: nox.Session, tier: str) -> tuple[Path, str]:
    """Give what everyone may read: a folder with the tests, and its Python."""
    python = _reachable_python()
    if python is None:
        which = f"no Python {ORDINARY_PYTHON}".rstrip()
        _unavailable(session, tier, f"{which} that an ordinary user can start")
    if not _places:
        place = tempfile.TemporaryDirectory(prefix="pynamespaces-")
        _fill(session, Path(place.name), str(python))
        _places.append(place)
    folder = Path(_places[0].name)
    return folder, str(folder / "venv/bin/python")


def _fill(session: nox.Session, folder: Path, python: str) -> None:
    folder.chmod(0o755)
    for source in ("tests", "docs"):
        if Path(source).exists():
            shutil.copytree(source, folder / source)
    for source in ("pyproject.toml", "README.md", "build_ffi.py"):
        shutil.copy(source, folder)
    venv = folder / "venv"
    session.run(
        *(sys.executable, "-m", "virtualenv", "--quiet", "--python", python),
        str(venv),
        external=True,
    )
    session.run(
        *(str(venv / "bin/pip"), "install", "--quiet"),
        f"{_wheel(session)}[cli]",
        *_group("tests"),
        external=True,
    )
    # Who may not write here would compile them each time.
    compiling = [str(venv / "bin/python"), "-m", "compileall", "-q"]
    session.run(*compiling, str(folder / "tests"), external=True)
    session.run("chmod", "-R", "a+rX", str(folder), external=True)


def _run_suite(session: nox.Session, tier: str, prefix: tuple[str, ...]) -> None:
    """Run the suite in an ordinary place, through a command."""
    folder, python = _ordinary_place(session, tier)
    own = folder / f"tmp-{tier}"
    own.mkdir()
    own.chmod(0o1777)
    environment = _tier_environment(tier) | {"HOME": str(own), "TMPDIR": str(own)}
    with session.chdir(folder):
        command = (*prefix, python, "-m", "pytest", "-p", "no:cacheprovider")
        _run_parts(session, command, environment)


@nox.session(python=False)
def tests_user(session: nox.Session) -> None:
    """As root: test as an ordinary user, who may enter nothing."""
    if os.geteuid() != 0:
        _unavailable(session, "plain-as-root", "you are one: see the session tests")
    _run_suite(session, "plain", ORDINARY)


@nox.session(python=False)
def tests_userns(session: nox.Session) -> None:
    """Test as root of a user namespace that an ordinary user made."""
    prefix = (ORDINARY if os.geteuid() == 0 else ()) + IN_USERNS
    if not _works(*prefix, "true"):
        _unavailable(session, "userns", "user namespaces are not allowed here")
    _run_suite(session, "userns", prefix)


@nox.session(python=OWN)
def types(session: nox.Session) -> None:
    """Check the types, with mypy and pyright."""
    session.install(f"{_wheel(session)}[cli]", *_group("types"), *_group("tests"))
    session.run("mypy")
    session.run("pyright")


@nox.session(python=OWN)
def lint(session: nox.Session) -> None:
    """Check style, the floors of the house, and the C files."""
    session.install("-e", ".[cli]", *_group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
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


def _build_for_checks(session: nox.Session, flags: dict[str, str]) -> None:
    """Install the package built so; what is built with other flags gets none of it."""
    shutil.rmtree("build", ignore_errors=True)
    session.install(".[cli]", *_group("tests"), env=flags)
    shutil.rmtree("build", ignore_errors=True)


@contextmanager
def _reports(session: nox.Session) -> Iterator[Path]:
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
    _build_for_checks(session, SANITIZED)
    find = ["cc", "-print-file-name=libasan.so"]
    library = subprocess.run(find, capture_output=True, text=True, check=True).stdout
    environment = _tier_environment("root" if os.geteuid() == 0 else "plain")
    # What Python hands over is memory of malloc's own, with a border around it.
    environment |= {"LD_PRELOAD": library.strip(), "PYTHONMALLOC": "malloc"}
    options = ":".join(f"{name}={value}" for name, value in ASAN_OPTIONS.items())
    for program in OVERRUNS:
        probed = environment | {"ASAN_OPTIONS": options}
        session.run(
            "python", "-c", program, env=probed, success_codes=[FOUND], silent=True
        )
    with _reports(session) as folder:
        environment["ASAN_OPTIONS"] = f"{options}:log_path={folder}/report"
        # A browser does not start with AddressSanitizer in it; the page is Python's.
        # Nor could a child go on without the memory that AddressSanitizer has.
        unfit = "tests/test_popen_hostile.py::test_memory_is_let_go_of"
        chosen = ("-p", "no:cacheprovider", "--timeout=600", "--deselect", unfit)
        command = (*_prefix(), "pytest", *chosen)
        _run_parts(session, command, environment, kinds, "test_inventory_html*.py")


# Python 3.11 itself looks at digits that a 0 does not have, which spreads.
@nox.session(python="3.12")
def valgrind(session: nox.Session) -> None:
    """Run under valgrind's memcheck what that can follow, which the suite is not."""
    _build_for_checks(session, {"CFLAGS": "-g"})
    command, environment = (*MEMCHECK, "python"), {"PYTHONMALLOC": "malloc"}
    session.run(
        *(*command, "-c", OVERRUNS[0]),
        env=environment,
        success_codes=[FOUND],
        silent=True,
        external=True,
    )
    session.run(*command, "tests/memchecked.py", env=environment, external=True)


def _prefix() -> tuple[str, ...]:
    """Return the command for mounts of one's own, where there is power to have them."""
    return ON_OWN_MOUNTS if os.geteuid() == 0 else ()


@nox.session(python=OWN)
def faults(session: nox.Session) -> None:
    """Have each system call of each operation fail; write the table of the docs."""
    session.install(str(_wheel(session)), *_group("tests"))
    tried = Path(session.create_tmp(), "tried.jsonl")
    with tried.open("w") as file:
        command = (*_prefix(), "python", "tests/faulting.py", *session.posargs)
        session.run(*command, stdout=file, external=True)
    if not session.posargs:
        session.run("python", "tests/faults_table.py", str(tried))


@nox.session(python=OWN)
def soak(session: nox.Session) -> None:
    """Do everything at once for a minute, or --seconds 3600; nothing may grow."""
    session.install(str(_wheel(session)), *_group("tests"))
    session.run("python", "tests/soak.py", *(session.posargs or ("--seconds", "60")))


@nox.session(python=OWN)
def fire(session: nox.Session) -> None:
    """Test for long: kills, hostile input, old machines, threads at once."""
    session.install(f"{_wheel(session)}[cli]", *_group("tests"))
    tier = "root" if os.geteuid() == 0 else "plain"
    command = (
        *_prefix(),
        "pytest",
        "--timeout=3600",
        *(session.posargs or _files(FIRE)),
    )
    session.run(*command, env=LONG | _tier_environment(tier), external=True)


@nox.session(python=OWN)
def old(session: nox.Session) -> None:
    """Run a command on a machine that looks old or strict: ``-- 5.10 pytest ...``."""
    session.install(f"{_wheel(session)}[cli]", *_group("tests"))
    session.run(*_prefix(), "python", "tests/under.py", *session.posargs, external=True)


@nox.session(python=OWN)
def docs(session: nox.Session) -> None:
    """Build the documentation; every warning is an error."""
    session.install(f"{_wheel(session)}[cli]", *_group("docs"))
    session.run(
        *("sphinx-build", "-n", "-W", "--keep-going", "-b", "html"),
        *("docs", "docs/_build/html"),
    )


@nox.session(python=OWN)
def bench(session: nox.Session) -> None:
    """Measure beside the peers, as ratios, in one run."""
    session.install(f"{_wheel(session)}[cli]", *_group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
