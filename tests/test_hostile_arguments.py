"""Whatever is given to what is public: one clear error, and nothing changes."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

import pytest
from fuzzed import World, move_in
from fuzzing import Target, so_many, targets
from hostile_values import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from judging import tried
from killing import reap_all
from support import in_child

EXAMPLES: Final = int(os.environ.get("PYNAMESPACES_EXAMPLES", "3"))
"""How many calls are made of each function, for each of its parameters at most."""

_FEW: Final = {"scan": 6, "trace": 6, "supervise": 12, "create_subprocess_exec": 12}
"""Where a call that works takes long: how many, at least as long as nothing is set."""


class Wrong(NamedTuple):
    """A value that is to be made, and what it is called."""

    name: str
    make: Callable[[], object]

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _wrong(value: object) -> Wrong:
    return Wrong(repr(value), lambda: value)


_WRONG: Final = st.one_of(
    st.sampled_from([Wrong(name, make) for name, make in HOSTILE.items()]),
    st.one_of(
        st.integers(), st.text(), st.binary(), st.floats(), st.lists(st.integers())
    ).map(_wrong),
)

_GROUPS: Final[Mapping[str, list[Target]]] = {
    group: list(found)
    for group, found in groupby(
        sorted(targets().values(), key=lambda target: target.group),
        lambda target: target.group,
    )
}


def _try(target: Target, world: World) -> None:
    usual = EXAMPLES * min(len(target.parameters), 8)
    examples = min(usual, _FEW.get(target.name, usual) * max(EXAMPLES // 3, 1))

    @so_many(examples)
    @given(
        st.dictionaries(
            st.sampled_from(sorted(target.parameters)), _WRONG, min_size=1, max_size=2
        )
    )
    def check(wrong: dict[str, Wrong]) -> None:
        given = {name: one.make() for name, one in wrong.items()}
        said = tried(target, world, given)
        assert said is None, f"{target.name}: {said}"

    check()


@pytest.mark.parametrize("group", _GROUPS)
def test_one_clear_error(group: str) -> None:
    """What is wrong is refused in words, or it works; nothing hangs, leaks or moves."""

    def try_all() -> None:
        move_in()
        world = World()
        try:
            for target in _GROUPS[group]:
                _try(target, world)
        finally:
            world.close()

    in_child(try_all)
    # Those of clone3 may be this process's: by CLONE_PARENT, or since it is the init.
    reap_all()


def test_all_is_known() -> None:
    """Of each function that is public it is known how to call it: also of new ones."""

    def look() -> None:
        move_in()
        world = World()
        try:
            for target in targets().values():
                assert world.arguments(target).keys() <= target.parameters.keys()
        finally:
            world.close()

    in_child(look)
    assert len(targets()) > 80


def _call_all(name: str) -> None:
    move_in()
    world = World()
    try:
        for parameter in targets()[name].parameters:
            for wrong in ("odd", "huge True", "liar", "object", "no method"):
                given = {parameter: HOSTILE[wrong]()}
                assert tried(targets()[name], world, given) is None, parameter
    finally:
        world.close()


@pytest.mark.parametrize(
    "name",
    [
        "setns",
        "IdMap",
        "Inventory.diff",
        "Inventory.namespace",
        "NamespaceSet.differing",
        "NamespaceSet.new",
        "NamespaceType.from_flag",
        "lowlevel.clone3",
        "lowlevel.open_by_handle_at",
        "lowlevel.setns",
    ],
)
def test_found_once(name: str) -> None:
    """These said nothing that anybody could understand."""
    in_child(partial(_call_all, name))
