"""Hierarchies: what is below what, and what has no place."""

import pickle
from collections.abc import Sequence
from typing import TypeVar

import inventories
import pytest
from inventories import named, process, record

from pynamespaces import NamespaceId
from pynamespaces.inventory import Inventory, NamespaceRecord, Node, ProcessRecord

Item = TypeVar("Item", NamespaceRecord, ProcessRecord)

DEEP = 5_000


def number(node: Node[Item]) -> int:
    """Return a process's id, or a namespace's inode number."""
    item: NamespaceRecord | ProcessRecord = node.item
    return item.pid if isinstance(item, ProcessRecord) else item.id.ino


def numbers(nodes: Sequence[Node[Item]]) -> list[int]:
    """Return those of several, in their order."""
    return [number(node) for node in nodes]


def outline(roots: Sequence[Node[Item]]) -> dict[int, list[int]]:
    """Return what is right below each, with the roots below 0."""
    found = {0: numbers(roots)}
    waiting = [*roots]
    while waiting:
        node = waiting.pop()
        assert number(node) not in found
        found[number(node)] = numbers(node.children)
        waiting += node.children
    return found


def child(pid: int, ppid: int, started: int) -> ProcessRecord:
    """Return a process that began at a time."""
    return process(pid, ppid, "sh")._replace(started=started)


def grown(*processes: ProcessRecord) -> dict[int, list[int]]:
    """Return the outline of the tree of processes."""
    return outline(Inventory(processes=processes).tree("process"))


def users(*records: tuple[NamespaceId, NamespaceId | None]) -> dict[int, list[int]]:
    """Return the outline of user namespaces with parents."""
    found = [record(id, parent)._replace(parent=parent) for id, parent in records]
    return outline(Inventory(found).tree("user"))


# --- processes ---


def test_processes() -> None:
    """Each process is below its parent, by id; one without a parent is a root."""
    roots = inventories.nested().tree("process")
    assert outline(roots) == {
        0: [1],
        1: [50, 300],
        50: [100],
        100: [101, 200],
        101: [],
        200: [],
        300: [],
    }
    assert roots[0].item == inventories.nested().process(1)


def test_several_roots() -> None:
    """Whose parent is not in the inventory stands for itself."""
    found = grown(child(9, 1, 9), child(3, 0, 3), child(5, 3, 5), child(4, 3, 4))
    assert found == {0: [3, 9], 3: [4, 5], 4: [], 5: [], 9: []}


def test_empty() -> None:
    """Nothing has no roots."""
    assert Inventory().tree("process") == []
    assert Inventory().tree("user") == []


def test_reused_id() -> None:
    """A process that began after another is not its parent: it got the id later."""
    found = grown(child(1, 0, 0), child(5, 1, 90), child(7, 5, 30), child(8, 5, 90))
    assert found == {0: [1, 7], 1: [5], 5: [8], 7: [], 8: []}


def test_unknown_time() -> None:
    """A process of which it is not known when it began is below its parent."""
    assert grown(child(1, 0, 5), child(2, 1, 0)) == {0: [1], 1: [2], 2: []}


def test_circle_of_processes() -> None:
    """Processes that are each other's ancestors are all there, from one of them."""
    times = [(2, 4), (3, 2), (4, 3), (5, 4), (1, 5), (9, 9)]
    found = grown(*(child(pid, ppid, 7) for pid, ppid in times))
    assert found.pop(0) == [4, 9]
    assert found == {4: [2, 5], 2: [3], 3: [], 5: [1], 1: [], 9: []}


@pytest.mark.parametrize("levels", [1, DEEP])
def test_deep_processes(levels: int) -> None:
    """A chain of processes that is deeper than Python may call is a tree."""
    found = outline(inventories.deep(levels).tree("process"))
    assert found == {pid: [pid + 1] for pid in range(levels)} | {levels: []}


# --- namespaces ---


def test_user_namespaces() -> None:
    """Each user namespace is below its parent."""
    roots = inventories.nested().tree("user")
    first, second, third = 4026531837, 4026532301, 4026532302
    assert outline(roots) == {0: [first], first: [second], second: [third], third: []}
    assert roots[0].item.id == inventories.USER


def test_pid_namespaces() -> None:
    """Each pid namespace is below its parent, who ever owns it."""
    roots = inventories.nested().tree("pid")
    first, second, third = 4026531836, 4026532311, 4026532312
    assert outline(roots) == {0: [first], first: [second], second: [third], third: []}


def test_orphans() -> None:
    """A namespace whose parent is not in the inventory is a root, by number."""
    one, two, three = (named("user", ino) for ino in (10, 20, 30))
    found = users((three, None), (two, named("user", 5)), (one, three))
    assert found == {0: [20, 30], 10: [], 20: [], 30: [10]}


def test_parent_of_which_less_is_known() -> None:
    """A parent is found whether or not its unique number was to be had."""
    one, two = named("user", 10, 1), named("user", 20, 2)
    assert users((one, None), (two, named("user", 10))) == {0: [10], 10: [20], 20: []}


@pytest.mark.parametrize("size", [1, 2, DEEP])
def test_circle_of_namespaces(size: int) -> None:
    """Namespaces that a document has in a circle are all there, once."""
    ids = [named("user", 10 + number) for number in range(size)]
    found = users(*zip(ids, [*ids[1:], ids[0]], strict=True))
    assert len(found) == size + 1
    assert found[0] == [10]


@pytest.mark.parametrize("type", ["user", "pid"])
def test_deep_namespaces(type: str) -> None:
    """Nesting that no kernel allows is a tree."""
    inventory = inventories.deep_namespaces(type, DEEP)
    roots = inventory.tree("user") if type == "user" else inventory.tree("pid")
    assert len(roots) == 1
    assert len(outline(roots)) == DEEP + 1


def test_no_tree() -> None:
    """Other kinds are refused, and what there is is named."""
    with pytest.raises(ValueError, match="'net' is no tree: use 'user', 'pid' or"):
        Inventory().tree("net")  # type: ignore[call-overload]


# --- nodes ---


def test_node() -> None:
    """A node says what it is and how much is right below, however deep it is."""
    (root,) = inventories.deep(DEEP).tree("process")
    assert repr(root) == f"<Node of {root.item!r}, with 1 below>"


def test_node_as_data() -> None:
    """A tree of usual depth is compared and pickled as plain data."""
    roots = inventories.nested().tree("process")
    assert pickle.loads(pickle.dumps(roots)) == roots
    assert roots == inventories.nested().tree("process")
    assert roots != inventories.small().tree("process")


def test_deep_node() -> None:
    """A deeper one is refused by Python, and does not end it."""
    roots, same = (inventories.deep(DEEP).tree("process") for _ in range(2))
    with pytest.raises(RecursionError):
        assert roots == same
    with pytest.raises(RecursionError):
        pickle.dumps(roots)
