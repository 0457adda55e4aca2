"""Inventories written by hand, for the tests of what is made of one."""

from collections.abc import Callable, Mapping
from typing import Final

from pynamespaces import NamespaceId, NamespaceType
from pynamespaces.inventory import (
    Container,
    Holder,
    Inventory,
    NamespaceRecord,
    Pin,
    ProcessRecord,
    Unreadable,
)

DEV: Final = 4
"""The device of nsfs."""

HOSTILE: Final = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "two\nlines\r\n\ttab",
    "\"quoted\" 'single' \\back\\slash\\",
    "</script><script>alert(1)</script><!--",
    "&amp; <b>bold</b> & {record|port} [x] %s ${y}",
    "not utf-8 \udcff\udcfe",
    "\u202egnirts \u2028 \u2029 \ufeff \x9b31m",
    "\x7f\x01\x1f \N{PILE OF POO} \N{HEBREW LETTER ALEF}",
    "\\N\\G\\l \\",
    "",
)
"""What somebody who means harm would name a process, a file or a container."""

_INITIAL: Final = {
    NamespaceType.CGROUP: 4026531835,
    NamespaceType.IPC: 4026531839,
    NamespaceType.MNT: 4026531841,
    NamespaceType.NET: 4026531840,
    NamespaceType.PID: 4026531836,
    NamespaceType.TIME: 4026531834,
    NamespaceType.USER: 4026531837,
    NamespaceType.UTS: 4026531838,
}


def named(type: str, ino: int, unique: int | None = None) -> NamespaceId:
    """Return the id of a namespace."""
    return NamespaceId(NamespaceType(type), DEV, ino, unique)


INITIAL: Final[Mapping[NamespaceType, NamespaceId]] = {
    type: named(type, ino, 1 + number)
    for number, (type, ino) in enumerate(_INITIAL.items())
}
"""What the machine has begun with."""

USER: Final = INITIAL[NamespaceType.USER]
MNT: Final = INITIAL[NamespaceType.MNT]


def inside(*others: NamespaceId) -> dict[NamespaceType, NamespaceId]:
    """Return the namespaces of a process: the initial ones but for *others*."""
    return {**INITIAL, **{other.type: other for other in others}}


def record(
    id: NamespaceId, owner: NamespaceId | None = USER, *processes: int
) -> NamespaceRecord:
    """Return the record of a namespace with processes in it."""
    leader = processes[0] if processes else None
    return NamespaceRecord(id, id.type, owner, None, 0, leader, processes)


def process(pid: int, ppid: int, name: str, *others: NamespaceId) -> ProcessRecord:
    """Return the record of a process."""
    return ProcessRecord(
        pid, ppid, 0, name, (f"/bin/{name}",), pid * 10, 1, inside(*others), (pid,)
    )


def initial(*pids: int) -> list[NamespaceRecord]:
    """Return records of the initial namespaces, with processes in all of them."""
    return [record(id, None if id == USER else USER, *pids) for id in INITIAL.values()]


def small() -> Inventory:
    """Return two processes, a thread of the kernel and a named net namespace."""
    blue = named("net", 4026532200, 300)
    pin = Pin("/run/netns/blue", MNT)
    return Inventory(
        [*initial(1, 2, 7), record(blue)._replace(pins=(pin,), name="blue")],
        [
            process(1, 0, "init"),
            process(2, 0, "kthreadd")._replace(arguments=()),
            process(7, 1, "sh")._replace(
                arguments=("/bin/sh", "-c", "exec cat"), uid=5
            ),
        ],
    )


def nested() -> Inventory:
    """
    Return three levels of user and pid namespaces, and whatever else there can be.

    Containers, pins inside another mount namespace, descriptors, sockets, threads,
    children's namespaces, things that were not readable, and hostile names.
    """
    outer, inner = named("user", 4026532301, 401), named("user", 4026532302, 402)
    pid1, pid2 = named("pid", 4026532311, 411), named("pid", 4026532312, 412)
    mnt, net = named("mnt", 4026532321, 421), named("net", 4026532331, 431)
    time, uts = named("time", 4026532341, 441), named("uts", 4026532351, 451)
    box = Container("docker", "0f" * 32, "web\x1b[31m")
    pins = (Pin("/run/a \udcff\nb", mnt), Pin('/run/"</script>', MNT))
    namespaces = [
        *initial(1, 50),
        record(outer, USER, 100, 101)._replace(parent=USER, owner_uid=1000),
        record(inner, outer, 200)._replace(parent=outer, owner_uid=1001),
        record(pid1, outer, 100, 101)._replace(parent=INITIAL[NamespaceType.PID]),
        record(pid2, inner, 200)._replace(parent=pid1, for_children=(101,)),
        record(mnt, outer, 100, 101),
        record(net, inner)._replace(
            descriptors=(Holder(100, 3), Holder(200, 12)),
            sockets=(Holder(50, 7),),
            pins=pins,
            name="red </script>",
        ),
        record(time, outer)._replace(for_children=(100,)),
        record(uts, outer)._replace(threads=(103, 104)),
    ]
    deeper = process(200, 100, "deeper", inner, pid2, mnt)
    processes = [
        process(1, 0, "init"),
        process(50, 1, 'we"b\n\x1b[2J'),
        process(100, 50, "</script>", outer, pid1, mnt)._replace(
            threads=3, pids=(100, 1), container=box, uid=1000
        ),
        process(101, 100, "bad\udcff", outer, pid1, mnt)._replace(
            arguments=HOSTILE, pids=(101, 2), container=box, uid=1000
        ),
        deeper._replace(pids=(200, 3, 1), container=box),
        ProcessRecord(300, 1, 0, "hidden"),
    ]
    unreadable = [
        Unreadable("/proc/300/ns", "Permission denied"),
        Unreadable("/proc/50/fd \udcff\n", "<b>no</b>"),
    ]
    return Inventory(namespaces, processes, unreadable)


def hostile() -> Inventory:
    """Return names that would break out of a terminal, a page or a string."""
    found = [
        record(named("net", 4026532400 + number), USER, 1000 + number)._replace(
            name=text, pins=(Pin(text, MNT),)
        )
        for number, text in enumerate(HOSTILE)
    ]
    processes = [
        ProcessRecord(
            1000 + number,
            0,
            0,
            text,
            (text, ""),
            namespaces={NamespaceType.NET: found[number].id},
            container=Container(text, text, text if number % 2 else None),
        )
        for number, text in enumerate(HOSTILE)
    ]
    unreadable = [Unreadable(text, text) for text in HOSTILE]
    return Inventory(found, processes, unreadable)


def partial() -> Inventory:
    """Return what a scan for one type finds: owners are only referred to."""
    owner = named("user", 4026532500, 500)
    blue = named("net", 4026532501)
    pin = Pin("/run/netns/blue", named("mnt", 4026532502))
    return Inventory(
        [
            record(INITIAL[NamespaceType.NET], USER, 1),
            record(blue, owner)._replace(pins=(pin,)),
        ],
        [process(1, 0, "init", named("uts", 4026532503, 503))],
    )


def foreign() -> Inventory:
    """Return what no machine has: namespaces of several devices."""
    net = NamespaceId(NamespaceType.NET, 9, 4026532600)
    owner = NamespaceId(NamespaceType.USER, 2**63, 4026532601)
    return Inventory([*initial(1), record(net, owner)], [process(1, 0, "init")])


def deep(levels: int) -> Inventory:
    """Return processes, each the parent of the next."""
    processes = [process(pid, pid - 1, f"p{pid}") for pid in range(1, levels + 1)]
    return Inventory(initial(*range(1, levels + 1)), processes)


def deep_namespaces(type: str, levels: int) -> Inventory:
    """Return user or pid namespaces, each inside the one before."""
    ids = [named(type, 4026532000 + level) for level in range(levels)]
    parents = [None, *ids]
    records = [
        record(id, parent if type == "user" else None, 1 + level)._replace(
            parent=parent
        )
        for level, (id, parent) in enumerate(zip(ids, parents, strict=False))
    ]
    return Inventory(
        records, [process(1 + level, level, "sh", id) for level, id in enumerate(ids)]
    )


ALL: Final[Mapping[str, Callable[[], Inventory]]] = {
    "empty": Inventory,
    "small": small,
    "nested": nested,
    "hostile": hostile,
    "partial": partial,
    "foreign": foreign,
    "deep": lambda: deep(200),
    "users": lambda: deep_namespaces("user", 40),
}
"""Every one of them, for tests that hold of each."""
