"""What ``pynamespaces tree`` shows of a small machine."""

import io
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from card import MONO
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from pynamespaces import run

_COLUMNS: Final = 92
_ALL: Final = ("user", "pid", "mnt", "net", "uts", "ipc", "cgroup", "time")

_PLAIN: Final = "\x1b[0m"
_NUMBER: Final = re.compile(r"(?<=\[)\d{10}(?=\])")
_PID: Final = re.compile(r"(?<=\x1b\[32m)\d+(?=\x1b\[0m )|(?<=leader )\d+")
_LEAF: Final = re.compile(r"\x1b\[36m(?!user)(\w+):.*?(?:leader (\d+)|$)")

_FIRST: Final = 4026532177
_PIDS: Final = ("1", "412", "417", "430", "431", "433")
"""What the processes are called instead, as on a machine that has run for a while."""

_THEME: Final = TerminalTheme(
    (30, 41, 59),
    (226, 232, 240),
    [
        *((30, 41, 59), (248, 113, 113), (74, 222, 128), (253, 224, 71)),
        *((96, 165, 250), (240, 171, 252), (94, 234, 212), (226, 232, 240)),
    ],
)

# Rich's own fetches a font; a picture in a page may not.
_FORMAT: Final = f"""\
<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {{width}} {{height}}">
<title>What pynamespaces tree shows</title>
<style>
.{{unique_id}}-matrix {{{{
    font-family: {MONO};
    font-size: {{char_height}}px;
    line-height: {{line_height}}px;
}}}}
{{styles}}
</style>
<defs>
<clipPath id="{{unique_id}}-clip-terminal">
<rect x="0" y="0" width="{{terminal_width}}" height="{{terminal_height}}"/>
</clipPath>
{{lines}}
</defs>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""


def draw() -> str:
    """Return the picture."""
    world = [sys.executable, str(Path(__file__).with_name("world.py")), str(_COLUMNS)]
    done = run(
        world, new=_ALL, init=False, capture_output=True, encoding="utf-8", timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"the small machine does not work: {done.stderr}")
    processes, users, _ = done.stdout.split("\f")
    users = "\n".join(_sorted(users.splitlines()))
    found = dict.fromkeys(_NUMBER.findall(users + processes))
    numbers = {old: str(_FIRST + place) for place, old in enumerate(found)}
    pids = dict(zip(dict.fromkeys(_PID.findall(processes)), _PIDS, strict=True))
    shown = ""
    for words, text in (("tree", processes), ("tree user", users)):
        prompt = f"\x1b[2m$ {_PLAIN}\x1b[1mpynamespaces {words}{_PLAIN}\n"
        shown += prompt + _renamed(text.rstrip("\n"), numbers, pids) + "\n\n"
    return _exported(shown.rstrip("\n"))


def _sorted(lines: list[str]) -> Iterator[str]:
    """Give lines of a tree; those that are sorted by number, sorted by processes."""
    # Which numbers the kernel gives is different each time.
    for key, run_of_lines in groupby(lines, _kind):
        pairs = [line.partition(_PLAIN)[::2] for line in run_of_lines]
        rests = [rest for _, rest in pairs]
        if key:
            rests.sort(key=_leader)
        yield from (
            f"{guides[0]}{_PLAIN}{x}" for guides, x in zip(pairs, rests, strict=True)
        )


def _kind(line: str) -> tuple[int, str] | None:
    guides, _, rest = line.partition(_PLAIN)
    found = _LEAF.match(rest)
    return (len(guides), found[1]) if found else None


def _leader(rest: str) -> int:
    found = _LEAF.match(rest)
    return int(found[2]) if found and found[2] else sys.maxsize


def _renamed(text: str, numbers: Mapping[str, str], pids: Mapping[str, str]) -> str:
    text = _NUMBER.sub(lambda found: numbers[found[0]], text)
    return _PID.sub(lambda found: pids[found[0]], text)


def _exported(text: str) -> str:
    console = Console(
        record=True,
        file=io.StringIO(),
        width=_COLUMNS,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
        _environ={},
    )
    console.print(Text.from_ansi(text), highlight=False)
    drawn = console.export_svg(
        title="", theme=_THEME, code_format=_FORMAT, unique_id="tree"
    )
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"
