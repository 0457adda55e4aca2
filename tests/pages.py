"""Pages of inventories, open in a browser: what their tests have in common."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Protocol

import inventories
import pytest
from browser import Browser, Page
from inventories import USER, named, process, record

from pynamespaces.inventory import Inventory

VIEWS = ["Namespaces", "Processes", "Owners", "PID tree", "Containers", "Not readable"]


class Show(Protocol):
    """Opens the page of an inventory, at an address inside it."""

    def __call__(
        self, inventory: Inventory, where: str = "", width: int = 1280
    ) -> AbstractContextManager[Page]:
        """Save and open it."""
        ...


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    """Open pages from files, in one browser for all tests of a module."""
    numbers = count()
    with Browser(folder := tmp_path_factory.mktemp("browser")) as browser:

        def open_page(
            inventory: Inventory, where: str = "", width: int = 1280
        ) -> AbstractContextManager[Page]:
            path = folder / f"{next(numbers)}.html"
            path.write_text(inventory.to_html(), encoding="ascii")
            return browser.page(path.as_uri() + where, width)

        yield open_page


def title(page: Page) -> str:
    """Return what is selected, as the details say."""
    return page.texts("#details h2")[0]


def listed(page: Page) -> list[str]:
    """Return the first column of the list."""
    return page.texts("#table tbody .first")


def search(page: Page, text: str) -> None:
    """Search for nothing but a text."""
    page.click("#search")
    page.press("Escape")
    page.type(text)


def see(page: Page, where: str, expected: str) -> None:
    """Wait until something is selected, as address and details say."""
    shown = (
        r"document.querySelector('#details h2').innerText.replace(/\s+/g, ' ').trim()"
    )
    page.wait(
        f"location.hash === {json.dumps(where)} && {shown} === {json.dumps(expected)}"
    )


def go(page: Page, view: str) -> None:
    """Go to a view."""
    page.click("#views a", view)
    current = "document.querySelector('#views [aria-current]').textContent"
    page.wait(f"{current}.startsWith({json.dumps(view)})")


def crowd(many: int) -> Inventory:
    """Return many processes, each in a network namespace of its own."""
    nets = [named("net", 4026533000 + number) for number in range(many)]
    return Inventory(
        [
            *inventories.initial(1),
            *(record(net, USER, 10 + at) for at, net in enumerate(nets)),
        ],
        [
            process(1, 0, "init"),
            *(process(10 + at, 1, f"worker{at}", net) for at, net in enumerate(nets)),
        ],
    )
