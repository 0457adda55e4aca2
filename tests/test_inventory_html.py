"""Inventories as pages: clicking through them, in a real browser."""

import re

import inventories
import pages
import pytest
from inventories import DEV, USER, named, record
from pages import VIEWS, Show, crowd, go, listed, search, see, title

from pynamespaces import NamespaceId, NamespaceType
from pynamespaces.inventory import Inventory

show = pages.show

OWNED = "owns cgroup 1 ipc 1 mnt 1 net 2 pid 1 time 1 uts 1"


@pytest.mark.parametrize("name", inventories.ALL)
def test_each(show: Show, name: str) -> None:
    """Every inventory can be looked at in all views, and nothing complains."""
    inventory = inventories.ALL[name]()
    with show(inventory) as page:
        assert [re.sub(r" [\d,]+$", "", text) for text in page.texts("#views a")] == (
            VIEWS
        )
        many = len(inventory), len(inventory.processes())
        assert page.texts("#counts span")[:2] == [
            f"{many[0]} namespaces",
            f"{many[1]} process{'es' * (many[1] != 1)}",
        ]
        for view in VIEWS:
            go(page, view)
            rows = page.evaluate(
                "document.querySelectorAll('#table tr[data-index]:not(.group)').length"
            )
            assert bool(rows) != bool(page.texts("#empty"))


def test_clicking_through(show: Show) -> None:
    """From a process one gets to its namespace, the owner, a container, and back."""
    with show(inventories.nested(), "#processes") as page:
        page.click(".first", "</script> 100")
        see(page, "#pid:100", "</script> 100")
        assert page.texts("#details pre") == ["'/bin/</script>'"]
        assert page.texts(".chain li") == ["init 1", r'we"b\n\x1b[2J 50', "100"]
        page.click("#details .spaces a", "4026532311")
        see(page, "#pid:[4026532311]", "pid 4026532311")
        assert page.texts("#details .items a") == ["</script> 100", "bad\ufffd 101"]
        page.click("#details dd a", "4026532301")
        see(page, "#user:[4026532301]", "user 4026532301")
        assert "mnt 4026532321" in page.texts("#details .grid li")
        assert page.evaluate("document.activeElement.matches('#details h2')")
        page.click("#details dd a", "web")
        see(page, "#container:docker:" + "0f" * 32, r"web\x1b[31m")
        assert page.texts("#details .items li")[2] == "deeper 200 /bin/deeper"
        page.evaluate("history.back()")
        see(page, "#user:[4026532301]", "user 4026532301")
        page.evaluate("history.back()")
        see(page, "#pid:[4026532311]", "pid 4026532311")
        page.evaluate("history.back()")
        see(page, "#pid:100", "</script> 100")


def test_back_to_view(show: Show) -> None:
    """The back button also leads to the view that one was in, and what was sought."""
    with show(inventories.nested()) as page:
        go(page, "Processes")
        search(page, "deeper")
        page.click(".first", "deeper")
        see(page, "#pid:200", "deeper 200")
        go(page, "Containers")
        page.evaluate("history.back()")
        see(page, "#pid:200", "deeper 200")
        assert (
            page.evaluate("document.getElementById('table').className") == "processes"
        )
        assert page.evaluate("document.getElementById('search').value") == "deeper"
        assert page.texts("#table .selected .first") == ["deeper 200"]


@pytest.mark.parametrize(
    ("where", "view", "expected"),
    [
        ("#net:[4026531840]", "namespaces", "net 4026531840"),
        ("#net:%5B4026531840%5D", "namespaces", "net 4026531840"),
        ("#pid:1", "processes", "init 1"),
        ("#pid:[4026531836]", "namespaces", "pid 4026531836"),
        ("#container:docker:" + "0f" * 32, "containers", r"web\x1b[31m"),
        ("#net:[7]", "namespaces", "net:[7]"),
        ("#%ff<b>", "namespaces", "%ff%3Cb%3E"),
    ],
)
def test_deep_link(show: Show, where: str, view: str, expected: str) -> None:
    """An address leads to what it names, in a view that has it."""
    with show(inventories.nested(), where) as page:
        assert title(page) == expected
        assert page.evaluate("document.getElementById('table').className") == view
        known = "7" not in where and "<" not in where
        assert len(page.texts("#table .selected")) == known
        assert page.evaluate("document.title") == (
            f"{page.evaluate('document.querySelector(`#details h2`).textContent')}"
            " \u2013 Namespaces"
        )


@pytest.mark.parametrize(
    ("view", "text", "expected"),
    [
        ("Processes", "pid:7", ["init 1", "sh 7"]),
        ("Processes", "KTHREADD", ["kthreadd 2"]),
        ("Processes", "exec  cat", ["init 1", "sh 7"]),
        ("Processes", "4026531838", ["init 1", "sh 7", "kthreadd 2"]),
        ("Processes", "nothing such", []),
        ("Namespaces", "4026532200", ["net 4026532200 blue"]),
        ("Namespaces", "net:[4026532200]", ["net 4026532200 blue"]),
        ("Namespaces", "netns/blue", ["net 4026532200 blue"]),
        ("Namespaces", "blue 4026532200", ["net 4026532200 blue"]),
        ("Owners", "blue", ["user 4026531837", OWNED, "net 4026532200 blue"]),
    ],
)
def test_search(show: Show, view: str, text: str, expected: list[str]) -> None:
    """A view has what matches, below what it belongs to."""
    with show(inventories.small()) as page:
        go(page, view)
        search(page, text)
        found = listed(page)
        assert found == expected
        assert bool(page.texts("#empty")) == (not expected)


def test_search_counts(show: Show) -> None:
    """The views say how much each has of what is sought, containers by any name."""
    with show(inventories.nested()) as page:
        for text in ("docker", "0f0f0f", r"web\x1b"):
            search(page, text)
            assert page.texts("#views a")[1] == "Processes 3"
            assert page.texts("#views a")[4] == "Containers 1"
        assert page.texts("#views a")[5] == "Not readable 0"
        search(page, "100")
        page.press("Enter")
        see(page, "#pid:100", "</script> 100")


def test_filter_and_sort(show: Show) -> None:
    """Namespaces are of one type where that is asked for, in the order asked for."""
    with show(crowd(3)) as page:
        page.click(".chip", "net")
        assert listed(page) == [
            f"net {ino}" for ino in (4026531840, 4026533000, 4026533001, 4026533002)
        ]
        page.click("thead button", "First process")
        page.click("thead button", "First process")
        assert listed(page)[0] == "net 4026533002"
        assert page.texts("thead [aria-sort='descending']") == ["First process"]
        page.click(".chip", "net")
        assert len(listed(page)) == 11
    with show(inventories.small(), "#namespaces?only=empty") as page:
        assert listed(page) == ["net 4026532200 blue"]
    with show(inventories.nested(), "#processes") as page:
        page.click(".chip", "In containers")
        assert listed(page)[-1] == "deeper 200"
        assert "hidden 300" not in listed(page)


def test_folding(show: Show) -> None:
    """A tree can be folded by clicking, and what an address leads to is unfolded."""
    with show(inventories.nested(), "#owners") as page:
        assert page.texts("tr[aria-expanded]")[-1].startswith("owns")
        page.click("button.fold")
        assert listed(page) == ["user 4026531837"]
        page.evaluate("location.hash = '#net:[4026532331]'")
        see(page, "#net:[4026532331]", "net 4026532331 red </script>")
        assert page.texts("#table .selected") == ["net 4026532331 red </script> 0"]
        assert "user 4026532302" in listed(page)


def test_keyboard(show: Show) -> None:
    """All can be reached without a mouse."""
    with show(inventories.nested(), "#processes") as page:
        focus = "document.activeElement.textContent"
        page.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.press("ArrowDown")
        assert page.evaluate(focus) == "init 1"
        page.press("ArrowDown")
        page.press("ArrowLeft")
        assert listed(page) == ["init 1", r'we"b\n\x1b[2J 50', "hidden 300"]
        page.press("ArrowRight")
        assert len(listed(page)) == 6
        page.press("ArrowRight")
        assert page.evaluate(focus) == "</script> 100"
        page.press("ArrowLeft")
        page.press("ArrowLeft")
        assert page.evaluate(focus) == r'we"b\n\x1b[2J 50'
        page.press("End")
        assert page.evaluate(focus) == "hidden 300"
        page.press("Enter")
        see(page, "#pid:300", "hidden 300")
        assert "They could not be read." in page.texts("#details .note")
        page.press("Home")
        assert page.evaluate(focus) == "init 1"
        assert page.evaluate(
            "document.querySelectorAll('.first[tabindex=\"0\"]').length"
        )


def test_devices(show: Show) -> None:
    """A namespace of another device is not taken for one that has its number."""
    owner = NamespaceId(NamespaceType.USER, DEV + 5, USER.ino)
    net = named("net", 4026532600)
    inventory = Inventory([*inventories.initial(1), record(net, owner)])
    with show(inventory, "#net:[4026532600]") as page:
        page.click("#details dd a", f"{USER.ino}")
        see(page, f"#user:[{USER.ino}]@{DEV + 5}", f"user {USER.ino}")
        assert page.texts("#details .grid") == ["net 4026532600"]
