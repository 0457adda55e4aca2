"""An inventory as JSON: for other programs, and back again."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator

import inventories
import pytest
from support import program

from pynamespaces import NamespaceId
from pynamespaces.inventory import Inventory
from pynamespaces.inventory._json import as_object, process_object

EVERY = pytest.mark.parametrize("make", inventories.ALL.values(), ids=inventories.ALL)


def document_of(inventory: Inventory) -> object:
    """Return an inventory as another program reads it."""
    document: object = json.loads(inventory.to_json())
    return document


def at(document: object, path: str) -> object:
    """Return what is at a place such as ``namespaces.0.ns``."""
    for step in path.split(".") if path else ():
        if isinstance(document, list):
            document = document[int(step)]
        else:
            assert isinstance(document, dict)
            document = document[step]
    return document


def put(document: object, path: str, value: object) -> None:
    """Change what is at a place."""
    folder, _, last = path.rpartition(".")
    place = at(document, folder)
    if isinstance(place, list):
        place[int(last)] = value
    else:
        assert isinstance(place, dict)
        place[last] = value


def place_of(inventory: Inventory, id: NamespaceId) -> str:
    """Return where a namespace is in the document."""
    ids = [record.id for record in inventory]
    return f"namespaces.{ids.index(id)}"


# --- both ways ---


@EVERY
@pytest.mark.parametrize("indent", [None, 2])
def test_back_again(make: Callable[[], Inventory], indent: int | None) -> None:
    """What is read is equal to what was written, from str and from bytes."""
    text = make().to_json(indent=indent)
    assert Inventory.from_json(text) == make()
    assert Inventory.from_json(text.encode()) == make()
    assert ("\n" in text) == (indent is not None)


def test_two_of_one_number() -> None:
    """Ids that share a number, in an inventory that no scan has made, stay apart."""
    owners = [inventories.named("user", 8, unique) for unique in (None, 80, 81)]
    records = [
        inventories.record(inventories.named("net", ino), owner)
        for ino, owner in enumerate(owners, 4026532000)
    ]
    again = Inventory.from_json(Inventory(records).to_json())
    assert [record.owner for record in again] == owners


# --- for other programs ---


def test_document() -> None:
    """A namespace is referred to by its number, and is there if nothing else is."""
    document = document_of(inventories.partial())
    assert isinstance(document, dict)
    keys = ["version", "dev", "namespaces", "others", "processes", "unreadable"]
    assert list(document) == keys
    assert (document["version"], document["dev"]) == (1, inventories.DEV)
    assert at(document, "namespaces.0.ns") == 4026531840
    assert at(document, "namespaces.0.type") == "net"
    assert at(document, "namespaces.0.unique") == 4
    assert at(document, "namespaces.0.processes") == [1]
    pin = {"path": "/run/netns/blue", "mnt": 4026532502}
    assert at(document, "namespaces.1.pins") == [pin]
    owner = at(document, "namespaces.1.owner")
    assert {"ns": owner, "type": "user", "unique": 500} in document["others"]
    assert at(document, "processes.0.namespaces.uts") == 4026532503
    assert at(document, "processes.0.container") is None


def test_whole_document() -> None:
    """What is recorded of holders and containers has names."""
    inventory = inventories.nested()
    document = document_of(inventory)
    assert at(document, "others") == []
    net = place_of(inventory, inventories.named("net", 4026532331, 431))
    descriptors = [{"pid": 100, "fd": 3}, {"pid": 200, "fd": 12}]
    assert at(document, f"{net}.descriptors") == descriptors
    assert at(document, f"{net}.sockets") == [{"pid": 50, "fd": 7}]
    box = {"engine": "docker", "id": "0f" * 32, "name": "web\x1b[31m"}
    assert at(document, "processes.2.container") == box
    unreadable = {"what": "/proc/300/ns", "reason": "Permission denied"}
    assert at(document, "unreadable.0") == unreadable


def test_objects() -> None:
    """One record as an object is what the document has of it."""
    inventory = inventories.nested()
    document = document_of(inventory)
    assert [as_object(record) for record in inventory] == at(document, "namespaces")
    objects = [process_object(process) for process in inventory.processes()]
    assert objects == at(document, "processes")


def test_only_ascii() -> None:
    """Names that are not UTF-8 make JSON that every program can decode."""
    assert inventories.hostile().to_json().isascii()


def test_jq() -> None:
    """The document can be asked with jq."""
    query = '.namespaces[] | select(.type == "net") | .ns, .descriptors[].pid, .owner'
    asked = subprocess.run(
        [program("jq"), query],
        input=inventories.nested().to_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = "4026531840 4026531837", "4026532331 100 200 4026532302"
    assert " ".join(asked.stdout.split()) == f"{first} {second}"


# --- what is something else ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value"),
        ("{", "not JSON: "),
        (b"\xff\xfe\xfd", "not JSON: "),
        ("[" * 1_000_000, "not an inventory: it is nested too deeply"),
        ('{"version":' + "[" * 1_000_000, "not an inventory: it is nested too deeply"),
        ("9" * 5000, "not JSON: "),
        ("[]", "not an inventory: a list, where an object belongs"),
        ("null", "not an inventory: null, where an object belongs"),
        ("NaN", "not an inventory: NaN, where"),
        ("{}", "version: missing"),
        ('{"version": "1"}', "version: '1', where a whole number belongs"),
        ('{"version": true}', "version: true, where a whole number belongs"),
        ('{"version": 1.0}', "version: 1.0, where a whole number belongs"),
        ('{"version": 0}', "version: 0, where 1 belongs"),
        ('{"version": 2}', "version: 2 was made by a later version"),
        ('{"version": 1}', "dev: missing"),
    ],
)
def test_no_inventory(text: str | bytes, message: str) -> None:
    """What is no inventory is told so."""
    with pytest.raises(ValueError) as caught:
        Inventory.from_json(text)
    assert str(caught.value).startswith(message)


WRONG: list[tuple[str, object, str]] = [
    ("dev", -1, "dev: -1 is not from 0 to 18446744073709551615"),
    ("dev", None, "namespaces[0].dev: missing"),
    ("namespaces", {}, "namespaces: an object, where a list belongs"),
    ("namespaces.2", 7, "namespaces[2]: 7, where an object belongs"),
    ("namespaces.2.ns", 2**64, "namespaces[2].ns: 18446744073709551616 is not from"),
    ("namespaces.2.ns", 10**99, "namespaces[2].ns: a number of many digits is not"),
    ("namespaces.2.ns", "7", "namespaces[2].ns: '7', where a whole number"),
    ("namespaces.2.ns", 4026532321, "namespaces[3]: mnt:[4026532321] is there twice"),
    ("namespaces.0.type", "x" * 99, f"namespaces[0].type: '{'x' * 40}'... is no type"),
    ("namespaces.0.type", "\x1b", "namespaces[0].type: '\\x1b' is no type of"),
    ("namespaces.0.type", 1, "namespaces[0].type: 1, where a string belongs"),
    ("namespaces.0.unique", 1.5, "namespaces[0].unique: 1.5, where a whole number"),
    ("namespaces.0.owner", 4026531840, "namespaces[0].owner: user:[4026531840] is not"),
    ("namespaces.0.owner", {}, "namespaces[0].owner.type: missing"),
    (
        "namespaces.0.owner",
        {"ns": 4026531840, "type": "net", "unique": 4},
        "namespaces[0].owner: net:[4026531840], where one of the type user belongs",
    ),
    ("namespaces.0.owner", True, "namespaces[0].owner: true, where a whole number"),
    ("namespaces.0.owner_uid", 2**32, "namespaces[0].owner_uid: 4294967296 is not"),
    ("namespaces.0.leader", 0, "namespaces[0].leader: 0 is not from 1 to 2147483647"),
    ("namespaces.0.processes", None, "namespaces[0].processes: null, where a list"),
    ("namespaces.0.processes.1", [], "namespaces[0].processes[1]: a list, where a"),
    ("namespaces.0.pins", [{}], "namespaces[0].pins[0].path: missing"),
    ("namespaces.0.sockets", [{"pid": 1}], "namespaces[0].sockets[0].fd: missing"),
    ("namespaces.0.name", 5, "namespaces[0].name: 5, where a string belongs"),
    ("processes.1.pid", 1, "processes[1].pid: 1 is there twice"),
    ("processes.1.ppid", -1, "processes[1].ppid: -1 is not from 0"),
    ("processes.1.arguments", "ls", "processes[1].arguments: 'ls', where a list"),
    ("processes.1.namespaces", [], "processes[1].namespaces: a list, where an object"),
    (
        "processes.1.namespaces",
        {"ipx": 1},
        "processes[1].namespaces: 'ipx' is no type of namespace",
    ),
    (
        "processes.1.namespaces.net",
        12,
        "processes[1].namespaces.net: net:[12] is not in the document",
    ),
    ("processes.2.container", "web", "processes[2].container: 'web', where an object"),
    ("processes.2.container.id", None, "processes[2].container.id: null, where a"),
    ("unreadable.0.reason", 13, "unreadable[0].reason: 13, where a string belongs"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_wrong_value(path: str, value: object, message: str) -> None:
    """A wrong value is told with its place, in one short line."""
    document = document_of(inventories.nested())
    put(document, path, value)
    with pytest.raises(ValueError) as caught:
        Inventory.from_json(json.dumps(document))
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 160
    assert str(caught.value).isprintable()
    assert caught.value.__cause__ is None


def places(value: object, path: str) -> Iterator[str]:
    """Yield the place of every value in a document."""
    below: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    for step, item in below:
        place = f"{path}.{step}".removeprefix(".")
        yield place
        yield from places(item, place)


ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    1.5,
    2**70,
    "",
    "net",
    [],
    {},
    [None],
    {"ns": {}},
    float("nan"),
)


def test_whatever_it_is() -> None:
    """Each place of a document with each odd value: read, or a ValueError."""
    document = document_of(inventories.small())
    refused = 0
    for place in list(places(document, "")):
        right = at(document, place)
        for odd in ODD:
            put(document, place, odd)
            try:
                Inventory.from_json(json.dumps(document))
            except ValueError:
                refused += 1
        put(document, place, right)
    assert refused > 1000


def test_missing_keys() -> None:
    """No key may be missing; one more does no harm."""
    document = document_of(inventories.nested())
    inventory = Inventory.from_json(json.dumps(document))
    for place in ["", *places(document, "")]:
        folder = at(document, place)
        if not isinstance(folder, dict):
            continue
        for key in [key for key in folder if not place.endswith(".namespaces")]:
            value = folder.pop(key)
            with pytest.raises(ValueError, match=f"{key}: missing"):
                Inventory.from_json(json.dumps(document))
            folder[key] = value
        if not place.endswith(".namespaces"):
            folder["of another program"] = 7
    assert Inventory.from_json(json.dumps(document)) == inventory


def test_other_types() -> None:
    """What is neither str nor bytes is the caller's mistake."""
    with pytest.raises(TypeError):
        Inventory.from_json(7)  # type: ignore[arg-type]
