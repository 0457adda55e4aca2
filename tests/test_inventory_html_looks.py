"""Inventories as pages: how they look, and how quick they are."""

import inventories
import pages
import pytest
from pages import VIEWS, Show, crowd, go, listed, search, see, title

show = pages.show


def test_many(show: Show) -> None:
    """Of thousands of rows only those are drawn that one gets to, and all is quick."""
    rows = "document.querySelectorAll('#table tbody tr').length"
    with show(crowd(2000), "#processes") as page:
        first = page.evaluate(rows)
        assert isinstance(first, int)
        assert 50 < first < 500
        page.evaluate("document.getElementById('scroll').scrollTop = 1e9")
        page.wait(f"{rows} > {first}")
        page.press("/")
        spent = page.evaluate(
            """(() => {
                const field = document.getElementById("search");
                const begun = performance.now();
                for (const end of [1, 6, 7, 8, 9]) {
                    field.value = "worker199".slice(0, end);
                    field.dispatchEvent(new Event("input"));
                }
                return performance.now() - begun;
            })()"""
        )
        assert isinstance(spent, (int, float))
        assert spent < 2500
        assert listed(page) == [
            "init 1",
            "worker199 209",
            *(f"worker199{n} {2000 + n}" for n in range(10)),
        ]
        page.evaluate("location.hash = '#pid:2009'")
        page.wait("document.querySelector('#table .selected')")
        search(page, "")
        go(page, "Namespaces")
        page.evaluate("location.hash = '#net:[4026534999]'")
        page.wait("document.querySelector('#table .selected')")
        assert page.texts("#table .selected .first") == ["net 4026534999"]


@pytest.mark.parametrize("width", [400, 700, 1600])
def test_widths(show: Show, width: int) -> None:
    """Nothing sticks out, and where there is room for one thing only one is shown."""
    out = "document.documentElement.scrollWidth - innerWidth"
    with show(inventories.nested(), width=width) as page:
        for view in VIEWS:
            go(page, view)
            assert page.evaluate(out) == 0
            assert page.texts("#list")
        go(page, "Processes")
        page.click(".first", "deeper")
        see(page, "#pid:200", "deeper 200")
        assert page.evaluate(out) == 0
        assert bool(page.texts("#list")) == (width == 1600)
        if width != 1600:
            page.click(".back")
            page.wait("document.getElementById('list').checkVisibility()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(show: Show, scheme: str) -> None:
    """In light and dark, all text can be read."""
    lowest = """(() => {
        const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
        const light = (colour) => {
            const [r, g, b] = parts(colour).slice(0, 3).map((part) => part / 255)
                .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (one) => {
            const colour = getComputedStyle(one).backgroundColor;
            return parts(colour)[3] === 0 ? ground(one.parentElement) : colour;
        };
        const told = [...document.querySelectorAll("body *")].filter((one) =>
            one.checkVisibility() && [...one.childNodes].some((node) =>
                node.nodeType === Node.TEXT_NODE && node.data.trim()));
        return told.map((one) => {
            const pair = [light(getComputedStyle(one).color), light(ground(one))];
            return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05),
                one.outerHTML];
        }).sort((a, b) => a[0] - b[0])[0];
    })()"""
    with show(inventories.nested(), "#pid:101") as page:
        page.prefer(scheme)
        found = page.evaluate(lowest)
        assert isinstance(found, list)
        assert found[0] >= 4.5, found
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(16, 19, 26)") == (scheme == "dark")


def test_printed(show: Show) -> None:
    """On paper there are no buttons, and what was chosen comes before the list."""
    with show(inventories.nested(), "#pid:200") as page:
        page.prefer("dark", media="print")
        ground = "getComputedStyle(document.querySelector('#details pre'))"
        assert page.evaluate(f"{ground}.backgroundColor") == "rgb(238, 240, 245)"
        assert not page.texts("#search, #views a, .chip, button")
        assert title(page) == "deeper 200"
        assert len(listed(page)) == 6
