"""Who may enter what: each cell of the page's tables is tried, and is right."""

import re
from collections.abc import Mapping
from contextlib import closing, nullcontext
from functools import cache
from typing import Final, TypeAlias

import entitled
import pytest
from entitled import OWNED, Answers, Targets
from provoking import another_thread, need_own_user, replace
from starting import TYPES
from support import ALL_TYPES
from test_docs_starting import parts_of

from pynamespaces import Namespace, _core

Cell: TypeAlias = tuple[str, str]

PAGE: Final = "../explanation/who-may-enter"

BESIDE_THREADS: Final = ", beside threads"

CALLERS: Final = {
    "Root": entitled.as_root,
    "Root of a user namespace that owns the target, but not home": (
        entitled.as_root_away
    ),
    "Root of a user namespace, and the target belongs to its parent": (
        lambda trial: entitled.as_root_below(trial, *OWNED)
    ),
    "An ordinary user, and a target that it has made": entitled.as_maker,
    "An ordinary user, and a target of somebody else's": entitled.as_stranger,
}

THREADS: Final = pytest.mark.parametrize("threaded", [False, True])


@cache
def told(caller: str) -> Mapping[Cell, str]:
    """Return what the tables of a section say, by type and way."""
    section = parts_of(PAGE)[caller].split("\n## ", 1)[1]
    lines = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)
    found: dict[Cell, str] = {}
    ways: list[str] = []
    for words in (line.split(" | ") for line in lines):
        if words[0] == "type":
            ways = words[1:]
            continue
        for way, answer in zip(ways, words[1:], strict=True):
            found |= {(type, way): answer for type in words[0].split(", ")}
    return found


def tried(caller: str, cells: list[Cell], threaded: bool) -> Answers:
    """Return what a caller is answered, beside another thread or alone."""

    def trial(made: Targets) -> Answers:
        # An earlier test may have had a thread enter a mount namespace; modules come
        # from where this is.
        replace(_core, _is_sealed=False)
        with another_thread() if threaded else nullcontext():
            return entitled.answers(cells, made)

    need_own_user()
    return (CALLERS | {"below": entitled.as_root_below})[caller](trial)


@THREADS
@pytest.mark.parametrize("caller", CALLERS)
def test_cells(caller: str, threaded: bool) -> None:
    """What a cell says is what happens."""
    wanted = {}
    for (type, way), answer in told(caller).items():
        if way.removesuffix(BESIDE_THREADS) != "`with`":
            wanted[type, way] = answer
        elif way.endswith(BESIDE_THREADS) == threaded:
            wanted[type, "`with`"] = answer
    if threaded:
        # Each is a fresh interpreter then, and one of them shows that it works.
        for type in {*OWNED} - {"net"}:
            wanted.pop((type, "`call`, with owner"), None)
    # What is said of "threads": with a root of its own, a thread is like a lone one.
    wanted["mnt", "`with`, with its own root"] = told(caller)["mnt", "`with`"]
    found = tried(caller, [*wanted], threaded)
    assert found == {f"{type} {way}": answer for (type, way), answer in wanted.items()}


@THREADS
def test_way_back_is_asked_first(threaded: bool) -> None:
    """In namespaces of the parent's there is no way back, whatever the target."""
    cells = [(type, "`with`") for type in ALL_TYPES]
    found = tried("below", cells, threaded)
    assert {*found.values()} == {"no way back"}


@THREADS
def test_where_one_is(threaded: bool) -> None:
    """Where the caller already is, the answer is *yes*, for everybody."""
    ways = ("`with`", "`call`", "`run`", "from outside")
    found = set()
    with another_thread() if threaded else nullcontext():
        for type in TYPES:
            with closing(Namespace.current(type)) as own:
                found |= {entitled.answer_of(way, own) for way in ways}
    assert found == {"yes", "-"}


def test_tables_are_whole() -> None:
    """Each section with a table is tried, and has an answer for each type and way."""
    sections = {t for t, part in parts_of(PAGE).items() if "| type |" in part}
    assert sections == {*CALLERS}
    ways = {"`with`", f"`with`{BESIDE_THREADS}", "`call`", "`run`", "from outside"}
    for caller in CALLERS:
        assert {*told(caller)} >= {(type, way) for type in ALL_TYPES for way in ways}
