"""`get_context`: what is refused when a context is made, before anything starts."""

import gc
from contextlib import closing

import pytest
from creating import descriptors, nothing_happens
from starting import Ours

from pynamespaces import IdMap, Namespace, NamespaceSet, get_context

pytestmark = pytest.mark.usefixtures("tracked", "collected")


ONE = IdMap([(0, 0, 1)])

WRONG: list[tuple[Ours, str]] = [
    (Ours(hostname="a"), "uts"),
    (Ours(time_offsets={"boottime": 1.0}), "time"),
    (Ours(uid_map=ONE), "user"),
    (Ours(gid_map=ONE, new="uts"), "user"),
    (Ours(init=True), "pid"),
    (Ours(init=True, new="uts"), "pid"),
    (Ours(new="nothing"), "nothing"),  # type: ignore[typeddict-item]
    (Ours(new=["uts", "no"]), "no"),  # type: ignore[list-item]
    (Ours(caps=["no_such_cap"]), "no_such_cap"),
]


@pytest.mark.parametrize(("ours", "text"), WRONG, ids=str)
def test_contradiction(ours: Ours, text: str) -> None:
    """What cannot be is told when the context is made."""
    with nothing_happens(), pytest.raises(ValueError, match=text):
        get_context(**ours)


def test_both_joined_and_new() -> None:
    """Of each type a process has one."""
    with closing(NamespaceSet.current("net", "uts")) as both:
        for join in (both, both["uts"], [both["net"], both["uts"]]):
            before = descriptors()
            with pytest.raises(ValueError, match="uts is both"):
                get_context(join=join, new="uts")
            gc.collect()
            assert descriptors() == before
        with pytest.raises(ValueError, match="two namespaces"):
            get_context(join=[both["uts"], both["uts"]])


@pytest.mark.parametrize("caps", [[], ["net_raw"], "keep", "drop"], ids=str)
def test_caps_with_a_joined_mnt(caps: list[str]) -> None:
    """A worker that enters a mount namespace by itself has to have the power to."""
    with closing(NamespaceSet.new("user", "mnt")) as both:
        with pytest.raises(ValueError, match="mount namespace"):
            get_context(join=both, caps=caps)


@pytest.mark.parametrize("join", [3, "net", [None]], ids=str)
def test_no_namespaces(join: object) -> None:
    """What is no namespace is a TypeError; so is a word that nothing has."""
    with nothing_happens():
        with pytest.raises(TypeError):
            get_context(join=join)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            get_context(nothing=1)  # type: ignore[call-arg]


def test_closed() -> None:
    """A namespace that is closed is refused at once."""
    namespace = Namespace.current("net")
    namespace.close()
    with nothing_happens(), pytest.raises(ValueError, match="closed"):
        get_context(join=namespace)
