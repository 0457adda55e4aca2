"""
An inventory as html: one page that fetches nothing, and runs no script but its own.

The page has the inventory as JSON. Its script puts names into text nodes only; and were
it to fail in that, the policy allows no other script, and no request.
"""

from __future__ import annotations

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


def write(inventory: Inventory) -> str:
    """Write the page. It is ASCII, so it may be saved in any encoding."""
    # Slow to import, and a page is rarely asked for.
    from importlib.resources import files  # noqa: PLC0415
    from string import Template  # noqa: PLC0415

    folder = files("pynamespaces.inventory") / "page"
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir()}
    style = "\n".join(texts[name] for name in _STYLES)
    script = "\n".join(texts[name] for name in _SCRIPTS)
    return Template(texts["page.html"]).substitute(
        policy=_policy(style, script),
        style=style,
        data=inventory.to_json().translate(_ESCAPED),
        script=script,
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
    from base64 import b64encode  # noqa: PLC0415
    from hashlib import sha256  # noqa: PLC0415

    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
