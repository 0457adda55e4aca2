"""The fixtures for other people's tests, as pytest runs them."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest
from support import TIER, missing, program, run_python

pytest_plugins = ["pytester"]

HOW_TO = Path(__file__).parents[1] / "docs/how-to/test-networks.md"

# No summary: where the variable CI is set, it says each failure's text once more.
OPTIONS = ("-p", "no:cacheprovider", "-W", "error", "-rN")

HELPERS = """
    import os

    def echo(server_side, client_side, address):
        # The kernel asks again for a neighbour after a second: nothing may be lost.
        with (
            server_side.create_server((address, 0)) as server,
            client_side.create_connection(server.getsockname(), timeout=0.9) as client,
        ):
            served, _ = server.accept()
            with served:
                served.sendall(b"hello")
                assert client.recv(5) == b"hello"

    def echo6(server_side, client_side, address):
        import socket

        with server_side.create_server((address, 0), family=socket.AF_INET6) as server:
            port = server.getsockname()[1]
            client_side.create_connection((address, port), timeout=0.9).close()

    def what_is_open():
        links = []
        for name in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:
                pass
        return sorted(links), os.listdir("/proc/self/task")
"""


@pytest.fixture(autouse=True)
def _own_project(pytester: pytest.Pytester) -> None:
    """Keep our settings out: the temporary folder may be inside our own project."""
    pytester.makeini("[pytest]")


@pytest.fixture
def run(pytester: pytest.Pytester) -> "Run":
    """Give what runs a file of tests in a pytest of its own."""
    return Run(pytester)


class Run:
    """Runs a file of tests in a pytest of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(
        self, tests: str, *, conftest: str = "", prefix: tuple[str, ...] = ()
    ) -> pytest.RunResult:
        """Run *tests*, through a command."""
        self._pytester.makepyfile(helpers=dedent(HELPERS), test_it=dedent(tests))
        self._pytester.makeconftest(dedent(conftest))
        command = (*prefix, sys.executable, "-m", "pytest", *OPTIONS)
        return self._pytester.run(*command, timeout=60)


def needs_pyroute2() -> None:
    """Leave the test out where pyroute2 is not installed."""
    if find_spec("pyroute2") is None:
        missing("pyroute2", "pyroute2 is not installed")


def test_netns(run: Run) -> None:
    """Each test gets a fresh network with a loopback; nothing stays open."""
    run(
        f"""
        from helpers import echo, what_is_open
        from pynamespaces import Namespace

        Namespace.current("net").close()
        before = what_is_open()
        seen = []

        def test_echo(netns, no_namespace_leaks):
            assert not netns.is_current()
            assert netns.owner().is_current() == {TIER != "plain"}
            echo(netns, netns, "127.0.0.1")
            seen.append(netns)
            seen.append(netns.cookie)

        def test_another(netns):
            assert netns.cookie != seen[1]

        def test_afterwards():
            assert seen[0].closed
            assert what_is_open() == before
        """
    ).assert_outcomes(passed=3)


def test_netns_pair(run: Run) -> None:
    """The two ends reach each other at once, by both protocols; nothing stays."""
    needs_pyroute2()
    run(
        """
        from helpers import echo, echo6, what_is_open
        from pynamespaces import Namespace

        Namespace.current("net").close()
        before = what_is_open()
        ends = []

        def test_echo(no_namespace_leaks, netns_pair):
            pair = netns_pair
            assert not pair.left.is_current() and not pair.right.is_current()
            assert pair.left != pair.right
            assert pair.left.owner() == pair.right.owner()
            echo(pair.right, pair.left, pair.right_address)
            echo(pair.left, pair.right, pair.left_address)
            echo6(pair.right, pair.left, pair.right_address6)
            echo6(pair.left, pair.right, pair.left_address6)
            echo(pair.left, pair.left, "127.0.0.1")
            ends.extend([pair.left, pair.right])

        def test_another(netns_pair):
            echo(*netns_pair[:2], netns_pair.left_address)

        def test_afterwards():
            assert all(end.closed for end in ends)
            assert what_is_open() == before
        """
    ).assert_outcomes(passed=3)


def test_netns_pair_in_a_running_event_loop(run: Run) -> None:
    """A fixture that is asked for inside a running event loop works there."""
    needs_pyroute2()
    run(
        """
        import asyncio
        from helpers import echo

        def test_it(request, no_namespace_leaks):
            async def use():
                pair = request.getfixturevalue("netns_pair")
                echo(pair.right, pair.left, pair.right_address)
                await asyncio.sleep(0)

            asyncio.run(use())
        """
    ).assert_outcomes(passed=1)


def test_without_pyroute2(run: Run) -> None:
    """Without pyroute2 there is no pair, and the error says what to install."""
    result = run(
        """
        from helpers import echo

        def test_one(netns):
            echo(netns, netns, "127.0.0.1")

        def test_pair(netns_pair):
            pass
        """,
        conftest="import sys; sys.modules['pyroute2'] = None",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["netns_pair needs pyroute2: pip install pynamespaces[[]pytest[]]"]
    )


def test_broken_pyroute2(run: Run) -> None:
    """What keeps an installed pyroute2 from being imported is told as it is."""
    result = run(
        "def test_pair(netns_pair): pass",
        conftest="""
        import sys
        from pathlib import Path

        Path("pyroute2.py").write_text("import no_such_module")
        sys.path.insert(0, "")
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*No module named 'no_such_module'"])


def test_netns_pair_without_ipv6(run: Run) -> None:
    """A kernel without IPv6 has the pair for IPv4; another refusal is an error."""
    needs_pyroute2()
    result = run(
        """
        import errno

        import pytest
        from helpers import echo
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError

        real = IPRoute.__getattr__

        @pytest.fixture
        def no_ipv6(request, monkeypatch):
            def fake(self, name):
                found = real(self, name)

                def addr(*args, address, **kwargs):
                    if ":" in address:
                        raise NetlinkError(request.param)
                    return found(*args, address=address, **kwargs)

                return addr if name == "addr" else found

            monkeypatch.setattr(IPRoute, "__getattr__", fake)

        @pytest.mark.parametrize(
            "no_ipv6", [errno.EOPNOTSUPP, errno.EACCES], indirect=True
        )
        def test_it(no_ipv6, no_namespace_leaks, netns_pair):
            echo(netns_pair.right, netns_pair.left, netns_pair.right_address)
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*NetlinkError: (13, 'Permission denied')"])


def test_refusal_is_an_error(run: Run) -> None:
    """Where no network may be made, the test fails with the reason; it is no skip."""
    limit = 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"'
    result = run(
        "def test_it(netns): pass",
        prefix=(program("unshare"), "-Ur", "sh", "-c", limit, "sh"),
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*NamespaceLimitError: *max_net_namespaces*"])


def test_no_namespace_leaks_passes(run: Run) -> None:
    """What was there before, came home, or is just ending is no leak."""
    run(
        """
        import os, subprocess, threading
        import pytest
        from pynamespaces import Namespace

        @pytest.fixture
        def earlier():
            fd = os.open("/proc/self/ns/net", os.O_RDONLY)
            sleep = ["unshare", "--user", "sleep", "60"]
            with subprocess.Popen(sleep) as child:
                yield
                child.kill()
            os.close(fd)

        def test_it(earlier, netns, no_namespace_leaks):
            thread = threading.Thread(target=threading.Event().wait, args=[0.2])
            thread.start()
            child = subprocess.Popen(["sleep", "60"])
            with pytest.raises(ZeroDivisionError) as caught:
                held = Namespace.current("uts")
                1 / 0
            threading.Timer(0.1, child.kill).start()
            threading.Timer(0.1, child.wait).start()
        """
    ).assert_outcomes(passed=1)


LEAK_HEAD = """
    import os, subprocess, threading
    import pytest
    import pynamespaces
    from pynamespaces import Namespace

    @pytest.fixture(autouse=True, scope="module")
    def after_all(request):
        request.module.end = threading.Event()
        request.module.ends = []
        yield
        request.module.end.set()
        for function in request.module.ends:
            function()

    pytestmark = pytest.mark.usefixtures("no_namespace_leaks")
"""

OF_ALL = """
    def test_descriptor():
        fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
        ends.append(lambda: os.close(fd))

    def test_child():
        command = ["unshare", "--user", "sh", "-c", "echo; read line"]
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe)
        ends.append(child.communicate)
        child.stdout.readline()
"""

OF_THE_MIGHTY = """
    def test_thread():
        ready = threading.Event()

        def work():
            pynamespaces.unshare("uts")
            ready.set()
            end.wait()

        thread = threading.Thread(target=work, name="stray")
        thread.start()
        ends.append(thread.join)
        ready.wait()

    def test_mount():
        with Namespace.current("uts") as ns:
            ns.pin("pinned")
        ends.append(lambda: pynamespaces.unpin("pinned"))

    def test_main_thread():
        pynamespaces.unshare("net")
"""

LINES_OF_ALL = (
    r"descriptor \d+ is open: uts:\[\d+\]",
    r"child \d+ \(sh\) lives elsewhere: user:\[\d+\], not user:\[\d+\]",
)
LINES_OF_THE_MIGHTY = (
    r"thread \d+ \(stray\) is elsewhere: uts was uts:\[\d+\], is uts:\[\d+\]",
    r"uts:\[\d+\] is mounted at /.*/pinned",
    r"thread \d+ \(MainThread\) is elsewhere: net was net:\[\d+\], is net:\[\d+\]",
)


def test_no_namespace_leaks_fails(run: Run) -> None:
    """Each kind of leak fails its test, and is named; no other test's is."""
    tests, lines = LEAK_HEAD + OF_ALL, list(LINES_OF_ALL)
    if TIER != "plain":
        tests, lines = tests + OF_THE_MIGHTY, [*lines, *LINES_OF_THE_MIGHTY]
    hurry = "from pynamespaces import _leaks; _leaks._PATIENCE = 0.1"
    result = run(tests, conftest=hurry)
    result.assert_outcomes(passed=len(lines), errors=len(lines))
    text = result.stdout.str()
    assert text.count("\nnamespaces left behind:\n") == len(lines)
    for line in lines:
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    named = re.findall(r"^(?:descriptor|child|thread|uts:).*", text, re.MULTILINE)
    assert len(named) == len(lines)
    assert "pytest_plugin.py" not in text


def test_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    """``pytest --fixtures`` says what they are for."""
    result = pytester.run(sys.executable, "-m", "pytest", "--fixtures", timeout=60)
    result.stdout.fnmatch_lines(
        [
            "netns -- *",
            "    Give a fresh network namespace, *",
            "netns_pair -- *",
            "    Give two fresh network namespaces *",
            "no_namespace_leaks -- *",
            "    Fail the test if *",
        ]
    )


def test_plugin_is_light() -> None:
    """Loading it, as every pytest does, takes in nothing that is only for its use."""
    code = "import sys, pytest; old = set(sys.modules)\n"
    code += "import pynamespaces.pytest_plugin; print(*set(sys.modules) - old)"
    loaded = set(run_python(code).stdout.split())
    assert "pynamespaces.pytest_plugin" in loaded
    heavy = {"asyncio", "concurrent.futures", "multiprocessing", "pyroute2", "socket"}
    heavy |= {"pynamespaces._core.sockets", "pynamespaces._leaks"}
    assert not loaded & heavy


def test_how_to(pytester: pytest.Pytester) -> None:
    """The examples of the how-to are tests that pass."""
    needs_pyroute2()
    _, *parts = HOW_TO.read_text().split("```python\n")
    blocks = [part.split("```")[0] for part in parts]
    for number, block in enumerate(blocks):
        name = "conftest" if "autouse" in block else f"test_{number}"
        pytester.makepyfile(**{name: block})
    command = (sys.executable, "-m", "pytest", *OPTIONS)
    result = pytester.run(*command, timeout=60)
    result.assert_outcomes(passed=sum(block.count("def test_") for block in blocks))
