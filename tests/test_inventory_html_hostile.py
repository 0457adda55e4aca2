"""Inventories as pages: hostile names, and what the page cannot do."""

import re

import inventories
import pages
import pytest
from inventories import MNT, USER, named, record
from pages import Show, go, listed, search, see, title

from pynamespaces import NamespaceType
from pynamespaces.inventory import (
    Container,
    Inventory,
    Pin,
    ProcessRecord,
    Unreadable,
)

show = pages.show

EVIL = (
    "</script><script>window.pwned = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload="window.pwned = 1">',
    "javascript:window.pwned=1",
    "'; window.pwned = 1; //",
    "]]></style><script>window.pwned = 1</script>",
)


@pytest.mark.parametrize("evil", EVIL)
def test_hostile(show: Show, evil: str) -> None:
    """Whatever somebody calls a thing, it is text."""
    net = named("net", 4026532777)
    box = Container(evil, evil, evil)
    pinned = record(net, USER, 5)._replace(name=evil, pins=(Pin(evil, MNT),))
    names = {NamespaceType.NET: net}
    one = ProcessRecord(5, 0, 0, evil, (evil,), namespaces=names, container=box)
    inventory = Inventory([pinned], [one], [Unreadable(evil, evil)])
    with show(inventory, "#pid:5") as page:
        shown = " ".join(evil.split())
        assert title(page) == f"{shown} 5"
        assert page.texts("#table td.container") == [shown]
        page.click("#details a", shown)
        page.wait("document.querySelector('#details h3').innerText === 'Namespaces 1'")
        assert title(page) == shown
        page.evaluate("location.hash = '#net:[4026532777]'")
        see(page, "#net:[4026532777]", f"net 4026532777 {shown}")
        go(page, "Not readable")
        assert page.texts("#table td") == [shown, shown]
        search(page, evil)
        assert page.texts("#views .many") == ["1", "1", "0", "0", "1", "1"]
        assert page.evaluate("document.scripts.length") == 2


def test_made_visible(show: Show) -> None:
    """What has no shape, or turns text around, is written out."""
    with show(inventories.hostile(), "#processes") as page:
        names = listed(page)
    assert names[0] == r"\x1b[31mred\x1b[0m\x1b]0;title\x07 1000"
    assert names[1] == r"two\nlines\r\n\ttab 1001"
    assert names[5] == "not utf-8 \ufffd\ufffd 1005"
    assert names[6] == r"\u202egnirts \u2028 \u2029 \ufeff \x9b31m 1006"
    assert names[9] == "? 1009"


ATTEMPTS = (
    "fetch('data:,x').then(() => 1, () => 0)",
    "attempt(() => document.body.innerHTML = '<b>')",
    "attempt(() => Function('return 1')())",
    "attempt(() => document.body.setAttribute('onclick', 'window.pwned = 1'))",
    "attempt(() => document.createElement('script').text = 'window.pwned = 1')",
    """new Promise(done => {
        const image = new Image();
        [image.onload, image.onerror] = [() => done(1), () => done(0)];
        image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
    })""",
)


def test_policy(show: Show) -> None:
    """Were the page's script to fail, no other script could run, and none fetch."""
    with show(inventories.small()) as page:
        page.evaluate("attempt = f => { try { f(); return 1 } catch { return 0 } }; 0")
        for attempt in ATTEMPTS:
            assert page.evaluate(attempt) == 0, attempt
        assert len(page.complaints) >= len(ATTEMPTS)
        page.complaints.clear()
        # What was refused counts as asked for, too.
        assert [url[:5] for url in page.asked] == ["file:", "data:"]
        page.asked.pop()


def test_alone() -> None:
    """The page is ASCII, names nobody else, and has the whole inventory in it."""
    for make in inventories.ALL.values():
        inventory = make()
        page = inventory.to_html()
        assert page.isascii()
        assert page == inventory.to_html()
        data = page.split('id="inventory">')[1].split("</script>")[0]
        assert not set("<>&") & set(data)
        assert Inventory.from_json(data) == inventory
        around = page.replace(data, "")
        assert not re.search(r"//\w|url\(|@import|import\(|innerHTML|\beval\b", around)
