"""What has changed from one inventory to a later one."""

import inventories
import pytest
from inventories import named, process, record

from pynamespaces import NamespaceId, NamespaceType
from pynamespaces.inventory import Inventory, Move, ProcessRecord

RED = named("net", 4026532300, 301)
BLUE = named("net", 4026532301, 302)
REUSED = named("net", 4026532300, 303)


def of(*ids: NamespaceId) -> Inventory:
    """Return an inventory of namespaces."""
    return Inventory([record(id) for id in ids])


def running(*processes: ProcessRecord) -> Inventory:
    """Return an inventory of processes."""
    return Inventory(processes=processes)


@pytest.mark.parametrize("make", inventories.ALL.values(), ids=inventories.ALL)
def test_nothing(make: type[Inventory]) -> None:
    """Between two equal inventories nothing has changed."""
    diff = make().diff(make())
    assert not diff
    assert diff == ((), (), ())


def test_appeared_and_vanished() -> None:
    """What one of them has and the other has not is told."""
    older, later = of(inventories.MNT, RED), of(inventories.MNT, BLUE)
    diff = later.diff(older)
    assert diff
    assert diff.appeared == (later.namespace(BLUE),)
    assert diff.vanished == (older.namespace(RED),)
    back = older.diff(later)
    assert (back.appeared, back.vanished) == (diff.vanished, diff.appeared)


def test_all_and_nothing() -> None:
    """Beside an empty inventory all have appeared, in order."""
    inventory = inventories.nested()
    assert inventory.diff(Inventory()).appeared == tuple(inventory)
    assert Inventory().diff(inventory).vanished == tuple(inventory)


def test_reused_number() -> None:
    """A namespace that got the number of a dead one is another."""
    diff = of(REUSED).diff(of(RED))
    assert [item.id for item in diff.appeared] == [REUSED]
    assert [item.id for item in diff.vanished] == [RED]


def test_less_known() -> None:
    """A namespace whose unique number was only once to be had is the same."""
    before = RED.type, RED.dev, RED.ino
    assert not of(RED).diff(of(NamespaceId(*before)))
    assert not of(NamespaceId(*before)).diff(of(RED))
    assert of(RED).diff(of(NamespaceId(RED.type, 99, RED.ino)))
    # Nothing but the unique number is known to be its own for ever.
    assert not of(RED).diff(of(NamespaceId(RED.type, 99, RED.ino, RED.unique)))


def test_same_number_of_two_types() -> None:
    """Types are told apart whatever their numbers."""
    diff = of(named("uts", RED.ino)).diff(of(RED))
    assert (len(diff.appeared), len(diff.vanished)) == (1, 1)


def test_changed_record() -> None:
    """A namespace that others keep alive by now has neither appeared nor vanished."""
    assert not Inventory([record(RED, None, 7)]).diff(of(RED))


def test_moved() -> None:
    """A process that is elsewhere is told, for each type, in order."""
    uts = named("uts", 4026532310, 310)
    older = running(process(5, 1, "sh"), process(6, 1, "sh", RED))
    first = inventories.INITIAL
    places = {NamespaceType.UTS: uts, NamespaceType.NET: RED}
    later = running(
        process(5, 1, "sh")._replace(namespaces=places), process(6, 1, "sh", BLUE)
    )
    diff = later.diff(older)
    assert diff
    assert diff.moved == (
        Move(5, NamespaceType.NET, first[NamespaceType.NET], RED),
        Move(5, NamespaceType.UTS, first[NamespaceType.UTS], uts),
        Move(6, NamespaceType.NET, RED, BLUE),
    )


def test_moved_to_the_same_number() -> None:
    """A process in a namespace that got the number of its last one has moved."""
    diff = running(process(5, 1, "sh", REUSED)).diff(running(process(5, 1, "sh", RED)))
    assert diff.moved == (Move(5, NamespaceType.NET, RED, REUSED),)


def test_reused_pid() -> None:
    """A process that got the id of one that has ended did not move."""
    older = running(process(5, 1, "sh", RED))
    later = running(process(5, 1, "sh", BLUE)._replace(started=99))
    assert not later.diff(older)


def test_unknown_place() -> None:
    """A process did not move of which it is unknown where it was or is."""
    hidden = process(5, 1, "sh")._replace(namespaces={})
    assert not running(hidden).diff(running(process(5, 1, "sh", RED)))
    assert not running(process(5, 1, "sh", RED)).diff(running(hidden))


def test_came_and_went() -> None:
    """Processes that only one has are no change: their namespaces are."""
    assert not running(process(5, 1, "sh", RED)).diff(running())
    assert not running().diff(running(process(5, 1, "sh", RED)))
