"""An inventory as plain data: what is asked of it, and keeping it."""

import copy
import pickle

import inventories
import pytest
from inventories import named, process, record
from support import run_python

from pynamespaces import NamespaceId, NamespaceType
from pynamespaces.inventory import Inventory

EVERY = pytest.mark.parametrize("make", inventories.ALL.values(), ids=inventories.ALL)


def test_order() -> None:
    """The namespaces are sorted by type and number, the processes by id."""
    ids = [named("uts", 5), named("net", 9), named("net", 7), named("cgroup", 8)]
    inventory = Inventory(
        (record(id) for id in ids), (process(pid, 1, "sh") for pid in (9, 2, 5))
    )
    found = [str(item.id) for item in inventory]
    assert found == ["cgroup:[8]", "net:[7]", "net:[9]", "uts:[5]"]
    assert [item.pid for item in inventory.processes()] == [2, 5, 9]
    assert (len(inventory), repr(inventory)) == (
        4,
        "<Inventory of 4 namespaces, 3 processes>",
    )


def test_of_a_type() -> None:
    """The namespaces of one type can be had by its name."""
    inventory = inventories.nested()
    assert inventory.namespaces() == list(inventory)
    found = inventory.namespaces("net")
    assert [item.id.ino for item in found] == [4026531840, 4026532331]
    assert inventory.namespaces(NamespaceType.NET) == found
    with pytest.raises(ValueError, match="'nett' is not a namespace type"):
        inventory.namespaces("nett")  # type: ignore[arg-type]


def test_lookup() -> None:
    """A namespace is found by its id, a process by its own."""
    inventory = inventories.small()
    blue = named("net", 4026532200, 300)
    found = inventory.namespace(blue)
    assert found is not None
    assert (found.id, found.name) == (blue, "blue")
    assert inventory.namespace(named("uts", blue.ino)) is None
    shell = inventory.process(7)
    assert shell is not None
    assert shell.arguments == ("/bin/sh", "-c", "exec cat")
    assert inventory.process(8) is None


def test_lookup_by_what_is_known() -> None:
    """A unique number decides where both have one; else device and inode do."""
    inventory = Inventory([record(named("net", 7, 70)), record(named("net", 8))])
    assert inventory.namespace(named("net", 7)) is not None
    assert inventory.namespace(named("net", 8, 80)) is not None
    assert inventory.namespace(named("net", 7, 71)) is None
    assert inventory.namespace(NamespaceId(NamespaceType.NET, 99, 8)) is None


def test_twice() -> None:
    """Of two records of one namespace, or process, the last counts."""
    net = named("net", 7, 70)
    inventory = Inventory(
        [record(net), record(net, None, 3)],
        [process(3, 1, "old"), process(3, 1, "new")],
    )
    assert [item.processes for item in inventory] == [(3,)]
    assert [item.name for item in inventory.processes()] == ["new"]
    assert Inventory.from_json(inventory.to_json()) == inventory


def test_lists_are_the_caller_s() -> None:
    """What a caller does to a list that it got changes no inventory."""
    inventory = inventories.nested()
    inventory.namespaces().clear()
    inventory.namespaces("net").clear()
    inventory.processes().clear()
    inventory.unreadable.clear()
    inventory.tree("process").clear()
    assert inventory == inventories.nested()
    assert inventory.unreadable[0].what == "/proc/300/ns"


@EVERY
def test_copies(make: type[Inventory]) -> None:
    """A pickled and a copied inventory are equal to the first."""
    inventory = make()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(inventory, protocol)) == inventory
    assert copy.deepcopy(inventory) == copy.copy(inventory) == inventory


def test_deep() -> None:
    """An inventory of a deep chain of processes is compared, copied and pickled."""
    inventory = inventories.deep(5_000)
    assert pickle.loads(pickle.dumps(inventory)) == inventory
    assert Inventory.from_json(inventory.to_json()) == inventory
    assert not inventory.diff(inventories.deep(5_000))


def test_differ() -> None:
    """Each part counts when two are compared; nothing else is equal to one."""
    inventory = inventories.nested()
    parts = list(inventory), inventory.processes(), inventory.unreadable
    assert Inventory(*parts) == inventory
    assert Inventory(parts[0][1:], parts[1], parts[2]) != inventory
    assert Inventory(parts[0], parts[1][1:], parts[2]) != inventory
    assert Inventory(parts[0], parts[1], parts[2][1:]) != inventory
    assert inventory != parts
    with pytest.raises(TypeError, match="unhashable"):
        hash(inventory)


def test_lazy() -> None:
    """Importing the package does not load what is for inventories."""
    code = (
        "import sys, pynamespaces; "
        "print([m for m in sys.modules if m in ('json', 'html') or 'inventory' in m])"
    )
    assert run_python(code).stdout == "[]\n"
