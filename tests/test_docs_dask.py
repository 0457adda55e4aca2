"""The examples of the how-to about Dask work, on a cluster on loopback."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, TypedDict

from starting import POWER, Ours, orphans_reaped
from support import TIER, missing, program

from pynamespaces import run

PAGE: Final = Path(__file__).parents[1] / "docs/how-to/many-machines-with-dask.md"

WITHOUT_POWER: Final = "## Without power"
TAKEN_BACK: Final = "Now no thread is left in there"
CLOSING: Final = "Then close them"

# Numbers of ports and namespaces are others each time, and those in columns.
CHILD: Final = r"""
import doctest, json, re, sys

class Checker(doctest.OutputChecker):
    def check_output(self, want, got, optionflags):
        want, got = (re.sub(r"(:\[?|  )\d+", r"\1#", text) for text in (want, got))
        return super().check_output(want, got, optionflags)

def main():
    names, said = {"__name__": "__main__"}, []
    runner = doctest.DocTestRunner(Checker(), False, doctest.ELLIPSIS)
    for part, check in json.load(sys.stdin):
        test = doctest.DocTestParser().get_doctest(part, names, "page", None, 0)
        assert test.examples
        runner.run(test, out=said.append, clear_globs=False)
        if runner.failures:
            sys.exit("".join(said))
        names = test.globs
        exec(check, names)
    print(json.dumps(names["told"]))

if __name__ == "__main__":
    main()
"""

LOOK_INSIDE: Final = """
def probe():
    links = [os.readlink(f"/proc/{who}/ns/net") for who in ("thread-self", "self")]
    return os.getpid(), *links

def ask(worker, **annotations):
    with dask.annotate(**annotations):
        return client.submit(probe, workers=[worker], pure=False).result()

told = {"blue": inside, "client": os.readlink("/proc/self/ns/net"), "workers": [
    {
        "before": ask(worker),
        "blue": ask(worker, executor="blue"),
        "fresh": ask(worker, executor="fresh"),
        "after": ask(worker),
    }
    for worker in workers
]}
"""

LOOK_AFTERWARDS: Final = """
def held():
    paths = [f"/proc/self/task/{id}/ns/net" for id in os.listdir("/proc/self/task")]
    paths += [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    found = set()
    for path in paths:
        try:
            found.add(os.readlink(path))
        except FileNotFoundError:
            pass  # It has just ended.
    return sorted(link for link in found if link.startswith("net:"))

told["held"] = list(client.run(held).values())

# Workers that are closed have to shut down a pool that has been used, too.
client.register_plugin(Blue())
told["again"] = [ask(worker, executor="blue")[1] for worker in workers]
"""

LOOK_APART: Final = """
with dask.annotate(executor="apart"):
    links = {
        type: client.submit(os.readlink, f"/proc/self/ns/{type}", pure=False).result()
        for type in ("user", "net", "uts")
    }
told = {
    type: (link, client.submit(os.readlink, f"/proc/self/ns/{type}").result())
    for type, link in links.items()
}
"""

NAMED_BLUE: Final = "from pynamespaces import NetNamespace as n; n.create('blue')"

Parts = list[tuple[str, str]]
Answer = tuple[int, str, str]


class Asked(TypedDict):
    """What tasks of one worker said: process, namespace of the thread, of that."""

    before: Answer
    blue: Answer
    fresh: Answer
    after: Answer


class Told(TypedDict):
    """What the workers of the cluster said, by where."""

    blue: str
    client: str
    workers: list[Asked]
    held: list[list[str]]
    again: list[str]


def type_in(parts: Parts, folder: Path) -> tuple[str, str]:
    """Type parts of the page in, and look around after each; return what is written."""
    if importlib.util.find_spec("distributed") is None:
        missing("distributed", "distributed is not installed")
    command = [sys.executable, "-c", CHILD]
    where = Ours()
    if TIER != "plain":
        # Loopback may be down, and names are for all who share the mounts.
        code = f'mount -t tmpfs none /run && "$1" -c "{NAMED_BLUE}" && exec "$@"'
        command = [program("sh"), "-c", code, "sh", *command]
        where = Ours(new=("net", "mnt", "uts"), hostname="node-1")
    own = {"DASK_CONFIG": str(folder), "DASK_TEMPORARY_DIRECTORY": str(folder)}
    # multiprocessing has a helper that ends after its program.
    with orphans_reaped():
        done = run(
            command,
            input=json.dumps(parts),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            cwd=folder,
            env=os.environ | own,
            **where,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


@POWER
def test_a_cluster(tmp_path: Path) -> None:
    """Tasks run inside if they ask for it, others of the same worker do not."""
    page, _ = PAGE.read_text().split(WITHOUT_POWER)
    inside, closing = page.split(TAKEN_BACK)
    inside, taking_back = inside.split("## Take it back")
    parts = [(inside, LOOK_INSIDE), (taking_back, LOOK_AFTERWARDS), (closing, "")]
    output, log = type_in(parts, tmp_path)
    told: Told = json.loads(output)
    assert told["blue"] != told["client"]
    for worker in told["workers"]:
        pid = worker["before"][0]
        for answer in (worker["before"], worker["after"]):
            assert tuple(answer) == (pid, told["client"], told["client"])
        assert tuple(worker["blue"]) == (pid, told["blue"], told["client"])
        assert tuple(worker["fresh"][::2]) == (pid, told["client"])
    assert len({worker["before"][0] for worker in told["workers"]}) == 2
    fresh = {worker["fresh"][1] for worker in told["workers"]}
    assert len(fresh | {told["blue"], told["client"]}) == 4
    assert told["held"] == [[told["client"]]] * 2
    assert told["again"] == [told["blue"]] * 2
    assert "failed to teardown" not in log


def test_without_power(tmp_path: Path) -> None:
    """A pool of processes is in a user namespace, and its worker is not."""
    _, page = PAGE.read_text().split(WITHOUT_POWER)
    working, closing = page.split(CLOSING)
    output, log = type_in([(working, LOOK_APART), (closing, "")], tmp_path)
    told: dict[str, tuple[str, str]] = json.loads(output)
    assert {*told} == {"user", "net", "uts"}
    for inside, outside in told.values():
        assert inside != outside
    assert log == ""
