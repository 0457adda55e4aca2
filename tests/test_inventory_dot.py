"""An inventory as a picture: what Graphviz draws of it."""

import json
import re
import subprocess
from collections.abc import Callable
from xml.etree import ElementTree as ET

import inventories
import pytest
from inventories import HOSTILE, INITIAL, MNT, USER, named, process, record
from support import program

from pynamespaces import NamespaceType
from pynamespaces.inventory import Inventory, Pin

EVERY = pytest.mark.parametrize("make", inventories.ALL.values(), ids=inventories.ALL)

PID = INITIAL[NamespaceType.PID]


def drawn(inventory: Inventory, format: str) -> str:
    """Return a picture, made by the real program without a complaint."""
    done = subprocess.run(
        [program("dot"), f"-T{format}"],
        input=inventory.to_dot().encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    # There may be words of fontconfig, which has nowhere to write.
    said = done.stderr.decode().splitlines()
    assert not [line for line in said if line.startswith(("Error", "Warning"))]
    assert done.returncode == 0
    return done.stdout.decode()


def lines(inventory: Inventory) -> list[str]:
    """Return each line of text in the picture."""
    picture = ET.fromstring(drawn(inventory, "svg"))
    texts = picture.iter("{http://www.w3.org/2000/svg}text")
    # Graphviz writes spaces that do not break.
    return [(text.text or "").replace("\xa0", " ") for text in texts]


class Drawing:
    """What is in a picture, and in what."""

    def __init__(self, inventory: Inventory) -> None:
        found = json.loads(drawn(inventory, "json0"))
        names = [item["name"] for item in found.get("objects", [])]
        self.boxes = {name for name in names if not name.startswith("cluster")}
        self.inside = {
            item["name"].removeprefix("cluster "): {
                names[number].removeprefix("cluster ")
                for key in ("nodes", "subgraphs")
                for number in item.get(key, [])
            }
            for item in found.get("objects", [])
            if item["name"].startswith("cluster")
        }
        self.arrows = {
            (names[edge["tail"]], edge["tailport"], names[edge["head"]])
            for edge in found.get("edges", [])
            if edge.get("style") != "invis"
        }


def services(number: int, type: str = "net") -> Inventory:
    """Return processes with a namespace each, that they are the leaders of."""
    ids = [named(type, 4026532000 + index) for index in range(number)]
    records = [
        record(id, USER, 100 + index)._replace(parent=PID if type == "pid" else None)
        for index, id in enumerate(ids)
    ]
    processes = [process(100 + index, 1, "sh", id) for index, id in enumerate(ids)]
    return Inventory(
        [*inventories.initial(1), *records], [process(1, 0, "init"), *processes]
    )


@EVERY
def test_drawn(make: Callable[[], Inventory]) -> None:
    """Graphviz draws each, and the whole inventory is in the picture."""
    found = "\n".join(lines(make()))
    assert all(str(item.id) in found for item in make())


def test_frames() -> None:
    """A user namespace is a frame around what it owns, and user namespaces in it."""
    inside = Drawing(inventories.nested()).inside
    first, second, third = "user:[4026531837]", "user:[4026532301]", "user:[4026532302]"
    innermost = {"net:[4026532331]", "pid:[4026532312]"}
    assert inside[third] == innermost
    assert inside[second] >= {third, "mnt:[4026532321]", "time:[4026532341]"}
    assert first not in inside[second]
    assert inside[first] >= {second, "cgroup:[4026531835]"}


def test_boxes() -> None:
    """What has one leader is one box, however many processes there are."""
    drawing = Drawing(inventories.deep(2_000))
    assert drawing.boxes == {"cgroup:[4026531835]"}
    found = lines(inventories.deep(2_000))
    assert found.count("2000 processes") == len(INITIAL)
    assert "p1 (1)" in found
    assert inventories.deep(2_000).to_dot().count("<TABLE ") == 1


def test_said() -> None:
    """It is told who is in a namespace, who made it, and what else keeps it."""
    found = lines(inventories.nested())
    wanted = (
        "user:[4026532301]",
        ", </script> (100)",
        "2 processes",
        "made by user 1000",
        "docker web\\x1b[31m",
        "nobody",
        "ip netns: red </script>",
        "mounted on /run/a \\xff\\nb and 1 place more",
        "open in 100, 200",
        "sockets in 50",
        "for children of 100",
        "threads 103, 104",
        "16 namespaces, 6 processes; 2 places could not be read, so there may be more",
    )
    assert [text for text in wanted if text not in found] == []


def test_many_holders() -> None:
    """Of many holders the first are named, each once."""
    ids = (7, 7, 8, 9, 10, 11)
    busy = record(named("net", 7))._replace(for_children=ids)
    assert "for children of 7, 8, 9 and 2 more" in lines(Inventory([busy]))


def test_container_without_a_name() -> None:
    """A container is called by its name, or by the beginning of its id."""
    inventory = inventories.nested()
    plain = [
        item._replace(container=item.container and item.container._replace(name=None))
        for item in inventory.processes()
    ]
    assert "docker 0f0f0f0f0f0f" in lines(Inventory(inventory, plain))


# --- arrows ---


def test_arrows() -> None:
    """An arrow leads from a pid namespace to each that was made in it."""
    assert Drawing(inventories.nested()).arrows == {
        ("cgroup:[4026531835]", "q4026531836:e", "mnt:[4026532321]"),
        ("mnt:[4026532321]", "q4026532311:e", "pid:[4026532312]"),
    }


def test_many_arrows() -> None:
    """Where arrows would be a tangle, it is told in words."""
    few, many = services(6, "pid"), services(7, "pid")
    assert len(Drawing(few).arrows) == 6
    assert not Drawing(many).arrows
    assert f"made in {PID}" not in lines(few)
    assert lines(many).count(f"made in {PID}") == 7


def test_parent_elsewhere() -> None:
    """A parent that is not in the inventory is told in words."""
    alone = record(named("pid", 7))._replace(parent=PID)
    assert f"made in {PID}" in lines(Inventory([alone]))


# --- owners ---


def test_owner_that_was_not_scanned() -> None:
    """An owner that is only referred to has its frame, and that is said."""
    assert Drawing(inventories.partial()).inside == {
        str(USER): {"net:[4026531840]"},
        "user:[4026532500]": {"net:[4026532501]"},
    }
    assert lines(inventories.partial()).count("not scanned") == 2


def test_unknown_owner() -> None:
    """What has an owner that is outside is in no frame."""
    drawing = Drawing(Inventory([record(named("net", 7), None, 5), record(USER, None)]))
    assert drawing.inside == {str(USER): {str(USER)}}
    assert drawing.boxes == {str(USER), "net:[7]"}


def test_owner_of_which_less_is_known() -> None:
    """An owner has one frame, also when its unique number was once not to be had."""
    net = record(named("net", 7), named("user", USER.ino))
    inventory = Inventory([record(USER, None), net])
    assert Drawing(inventory).inside == {str(USER): {"net:[7]"}}
    assert "not scanned" not in lines(inventory)


# --- names ---


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name(name: str) -> None:
    """A name is shown as it is, with what cannot be printed written out."""
    inventory = Inventory([record(named("net", 7))._replace(name=name)])
    (found,) = [line for line in lines(inventory) if line.startswith("ip netns:")]
    read = found.removeprefix("ip netns: ").strip()
    assert read == shown(name).strip()


def shown(name: str) -> str:
    """Return what is to be seen of a name."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    return re.sub(r"\\udc(..)", r"\\x\1", text)


def test_long_name() -> None:
    """A long name is shown without its middle."""
    pin = Pin("/first/" + "x" * 4000 + "/last", MNT)
    inventory = Inventory([record(named("net", 7))._replace(pins=(pin,))])
    (line,) = [line for line in lines(inventory) if line.startswith("mounted on")]
    assert re.fullmatch("mounted on /first/x+…x+/last", line)
    assert len(line) < 70


# --- sizes ---


@pytest.mark.parametrize("number", [60, 400])
def test_square(number: int) -> None:
    """Many boxes stand side by side as well as one below the other."""
    picture = ET.fromstring(drawn(services(number), "svg"))
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    assert 1 / 3 < width / height < 3


def test_square_of_frames() -> None:
    """And so do many frames."""
    users = [named("user", 10 + number) for number in range(60)]
    inner = [record(id, USER)._replace(parent=USER) for id in users]
    boxes = [record(named("net", 100 + n), id) for n, id in enumerate(users[::2])]
    inventory = Inventory([record(USER, None), *inner, *boxes])
    picture = ET.fromstring(drawn(inventory, "svg"))
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    assert 1 / 3 < width / height < 3


def test_deep() -> None:
    """Nesting that no kernel allows is written, level by level."""
    text = inventories.deep_namespaces("user", 5_000).to_dot()
    assert text.count('subgraph "cluster') == 5_000
    assert text.count("{") == text.count("}")


def test_circle() -> None:
    """User namespaces that own each other are each drawn once."""
    one, two = named("user", 1), named("user", 2)
    records = [
        record(one, two)._replace(parent=two),
        record(two, one)._replace(parent=one),
    ]
    inside = Drawing(Inventory(records)).inside
    assert inside == {str(one): {str(two)}, str(two): {str(two)}}
