"""
Draw all pictures of the documentation: ``python docs/pictures``.

Given a folder, it puts them there; given names too, only these. ``tree`` needs the
package with its command installed, and user namespaces.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NAMES: Final = ("alive", "fetching", "starting", "threads", "tree", "watching")


def main(words: list[str]) -> None:
    """Write the pictures."""
    folder = Path(words[0]) if words else HERE
    for name in words[1:] or NAMES:
        svg = import_module(name).draw()
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
