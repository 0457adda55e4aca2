"""
An inventory as html: one page that fetches nothing, and runs no script but its own.

The page has the inventory as JSON. Its script puts names into text nodes only; and were
it to fail in that, the policy allows no other script, and no request.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._inventory import Inventory

_STYLES: Final = ("style.css", "fit.css")
_SCRIPTS: Final = (
    "text.js",
    "model.js",
    "tree.js",
    "table.js",
    "parts.js",
    "views.js",
    "details.js",
    "main.js",
)

# No name may end the element that it is in, or begin a comment there.
_ESCAPED: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&"})


def _read() -> dict[str, str]:
    folder = files("pynamespaces.inventory") / "page"
    return {file.name: file.read_text("utf-8") for file in folder.iterdir()}


# When this is imported, not when a page is asked for: by then a thread may be in a
# mount namespace where these files are somebody else's.
_TEXTS: Final = _read()
_STYLE: Final = "\n".join(_TEXTS[name] for name in _STYLES)
_SCRIPT: Final = "\n".join(_TEXTS[name] for name in _SCRIPTS)


def write(inventory: Inventory) -> str:
    """Write the page. It is ASCII, so it may be saved in any encoding."""
    return Template(_TEXTS["page.html"]).substitute(
        policy=_policy(_STYLE, _SCRIPT),
        style=_STYLE,
        data=inventory.to_json().translate(_ESCAPED),
        script=_SCRIPT,
    )


def _policy(style: str, script: str) -> str:
    """Return the policy: what the page may do, which is to be itself."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
