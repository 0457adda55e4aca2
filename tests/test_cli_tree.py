"""``pynamespaces tree``: the three hierarchies, and how they are drawn."""

import json
import os
from collections.abc import Sequence

import inventories
import pytest
from commanding import found, pynamespaces
from holding import holder

from pynamespaces.cli import branches, command, drawing
from pynamespaces.cli.drawing import Branch
from pynamespaces.inventory import Inventory

Print = pytest.CaptureFixture[str]

LEVELS = 5000


def _drawn(roots: Sequence[Branch]) -> list[str]:
    lines = drawing.drawn(roots)
    return ["".join(text for text, _ in line) for line in lines]


def _leaf(text: str, *below: Branch) -> Branch:
    return Branch([(text, "")], list(below))


def _printed(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, capsys: Print, *words: str
) -> list[str]:
    found(monkeypatch, inventory)
    monkeypatch.setattr("pynamespaces.cli.tree._own_pid", lambda: 1)
    # Which names there are depends on the machine.
    monkeypatch.setattr(branches, "user_name", str)
    assert command(["tree", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_guides(capsys: Print) -> None:
    """Guides lead from each line to those below it."""
    del capsys
    root = _leaf("a", _leaf("b", _leaf("c")), _leaf("d", _leaf("e"), _leaf("f")))
    assert _drawn([root, _leaf("g")]) == [
        "a",
        "├─ b",
        "│  └─ c",
        "└─ d",
        "   ├─ e",
        "   └─ f",
        "g",
    ]


def test_lines_that_are_too_wide() -> None:
    """Where a line does not fit, there are fewer words instead."""
    wide = Branch([("a" * 20, "")], [], [("short", "")])
    only = Branch([("b" * 20, "")], [])
    for width, first in ((20, "a" * 20), (19, "short"), (None, "a" * 20)):
        lines = list(drawing.drawn([wide, only], width))
        assert ["".join(text for text, _ in line) for line in lines] == [
            first,
            "b" * 20,
        ]


def test_user(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """Below a user namespace is what it owns, and its children."""
    lines = _printed(inventories.nested(), monkeypatch, capsys, "user")
    at = lines.index("└─ user:[4026532301]  of 1000  2 processes, leader 100 </script>")
    assert lines[at + 1 :] == [
        "   ├─ mnt:[4026532321]  2 processes, leader 100 </script>",
        "   ├─ pid:[4026532311]  2 processes, leader 100 </script>",
        "   ├─ time:[4026532341]  (children of 100 </script> are born here)",
        "   ├─ uts:[4026532351]  (thread 103)",
        "   └─ user:[4026532302]  of 1001  1 process, leader 200 deeper",
        r"      ├─ net:[4026532331]  red </script>  (pinned: /run/a \xff\nb)",
        "      └─ pid:[4026532312]  1 process, leader 200 deeper",
    ]


def test_user_alone(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """The namespaces of other types may be left out."""
    lines = _printed(inventories.nested(), monkeypatch, capsys, "user", "--no-owned")
    assert [line.strip("└─ ").partition("]")[0] for line in lines] == [
        *("user:[4026531837", "user:[4026532301", "user:[4026532302"),
    ]


def test_owner_that_is_hidden(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """What belongs to something that was not found is shown as well."""
    lines = _printed(inventories.partial(), monkeypatch, capsys, "user")
    assert lines == [
        "owned by what is not visible here",
        "├─ net:[4026531840]  1 process, leader 1 init",
        "└─ net:[4026532501]  (pinned: /run/netns/blue)",
    ]


def test_pid(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """A pid namespace has its init, and what its processes are called on the way."""
    lines = _printed(inventories.nested(), monkeypatch, capsys, "pid")
    assert lines[0] == "pid:[4026531836]  2 processes, init 1 init"
    assert lines[1].startswith("└─ pid:[4026532311]  2 processes, init 100 </script>")
    assert lines[2] == "   ├─ 100 = 1  /bin/</script>"
    assert lines[3].startswith("   ├─ 101 = 2  ")
    assert lines[4].startswith("   └─ pid:[4026532312]  1 process, init 200 deeper")
    assert lines[5] == "      └─ 200 = 3 = 1  /bin/deeper"


def test_process(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """A process has the namespaces that are not its parent's; others are counted."""
    lines = _printed(inventories.nested(), monkeypatch, capsys)
    assert lines == [
        "1 init",
        r'├─ 50 we"b\n\x1b[2J',
        (
            "│  └─ 100 </script>  mnt:[4026532321]  pid:[4026532311]  user:[4026532301]"
            r"  docker:web\x1b[31m"
        ),
        r"│     ├─ 200 deeper  pid:[4026532312]  user:[4026532302]  docker:web\x1b[31m",
        "│     └─ (1 process in the same namespaces)",
        "└─ (1 process that could not be read)",
    ]


def test_each_process(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """With --all there is each of them, also one that could not be read."""
    lines = _printed(inventories.nested(), monkeypatch, capsys, "process", "--all")
    assert len(lines) == 6
    assert r"│     ├─ 101 bad\xff" in lines
    assert lines[-1] == "└─ 300 hidden  (could not be read)"


def test_roots_are_compared_with_the_caller() -> None:
    """What has no parent is marked where it is not in the caller's namespaces."""
    net = inventories.named("net", 4026532700)
    inventory = Inventory(
        processes=[
            inventories.process(1, 0, "init", net),
            inventories.process(5, 4, "caller"),
            inventories.process(6, 1, "child"),
        ]
    )
    assert branches.differences(inventory, 5) == {
        1: {"net": net},
        6: {"net": inventories.INITIAL[net.type]},
    }
    # Of what the caller is not known to be in, nothing can be said.
    assert set(branches.differences(inventory, 99)) == {6}


def test_hidden_ancestors_are_skipped() -> None:
    """A process below one that is hidden is compared with the next above."""
    inventory = Inventory(
        processes=[
            inventories.process(1, 0, "init"),
            inventories.process(2, 1, "hidden")._replace(namespaces={}),
            inventories.process(3, 2, "same"),
        ]
    )
    assert branches.differences(inventory, 1) == {}


def test_deep_on_a_terminal() -> None:
    """On a terminal, guides take half of a line at most."""
    branch = _leaf("0")
    for level in range(1, 20):
        branch = _leaf(str(level), branch)
    lines = list(drawing.drawn([branch], 80))
    texts = ["".join(text for text, _ in line) for line in lines]
    assert texts[13] == "   " * 12 + "└─ 6"
    assert texts[14] == "14. 5"
    assert texts[-1] == "19. 0"


@pytest.mark.parametrize("words", ["process --all", "process", "user", "pid --all"])
def test_deep(words: str, monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """However many levels there are, it is drawn, and lines stay short."""
    lines = _printed(inventories.deep(LEVELS), monkeypatch, capsys, *words.split())
    if words == "process --all":
        assert len(lines) == LEVELS
        assert lines[-1] == f"{LEVELS - 1}. {LEVELS} p{LEVELS}"
    assert max(map(len, lines)) < 300


def test_deep_json(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """As JSON it is a list, which any program can read."""
    found(monkeypatch, inventories.deep(LEVELS))
    assert command(["tree", "process", "--json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    assert [node["level"] for node in nodes] == list(range(LEVELS))


def test_deep_namespaces(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """So are namespaces, of which the kernel allows 32 levels only."""
    ids = [inventories.named("user", 5000000 + level) for level in range(LEVELS)]
    parents = [None, *ids]
    records = [
        inventories.record(id, parent)._replace(parent=parent)
        for id, parent in zip(ids, parents, strict=False)
    ]
    assert len(_printed(Inventory(records), monkeypatch, capsys, "user")) == LEVELS


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: Print) -> None:
    """A node has what an inventory has of it, its level, and where it differs."""
    found(monkeypatch, inventories.nested())
    assert command(["tree", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["tree"] == "process"
    assert {node["pid"]: (node["level"], node["differs"]) for node in plain["nodes"]}[
        100
    ] == (2, ["mnt", "pid", "user"])
    assert len(plain["unreadable"]) == 2
    assert command(["tree", "user", "--json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    assert [(node["ns"], node["level"]) for node in nodes] == [
        *((4026531837, 0), (4026532301, 1), (4026532302, 2)),
    ]


def test_on_this_machine() -> None:
    """A process of ours in fresh namespaces is where they begin."""
    with holder("user", "uts") as made:
        done = pynamespaces("tree")
        links = [os.readlink(f"/proc/{made.pid}/ns/{t}") for t in ("user", "uts")]
        whole = pynamespaces("tree", "user").stdout
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if links[1] in line]
    assert line.endswith("  ".join(links))
    lines = whole.splitlines()
    (at,) = [index for index, line in enumerate(lines) if links[0] in line]
    assert links[1] in lines[at + 1]
