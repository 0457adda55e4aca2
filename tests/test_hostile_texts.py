"""What is read from others: references, documents, maps, what processes are called."""

import json
import os
from contextlib import suppress
from typing import Final

import inventories
import pytest
from fuzzing import so_many
from hypothesis import given
from hypothesis import strategies as st
from populating import alone
from provoking import another_process, libc

from pynamespaces import IdMap, Inventory, Namespace, NamespaceRef, scan
from pynamespaces._core import idmap, mountinfo

EXAMPLES: Final = int(os.environ.get("PYNAMESPACES_EXAMPLES", "3")) * 30

_many: Final = so_many(EXAMPLES)

_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_DOCUMENT: Final = inventories.small().to_json().encode()
_PR_SET_NAME: Final = 15


def _damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Have some bytes of something be others, missing or twice."""
    places = st.integers(0, len(data))
    return st.builds(
        lambda one, other, new: data[:one] + new + data[other:],
        places,
        places,
        st.binary(max_size=8),
    )


@_many
@given(st.data())
def test_references(data: st.DataObject) -> None:
    """Bytes are those of a reference, or no reference."""
    ref = bytes(Namespace.current("net").ref())
    given = data.draw(st.binary() | _damaged(ref))
    with suppress(ValueError):
        assert bytes(NamespaceRef.from_bytes(given)) == given


@_many
@given(_JSON.map(json.dumps) | st.text() | st.binary() | _damaged(_DOCUMENT))
def test_documents(text: str | bytes) -> None:
    """A document is an inventory, or a ValueError says why not."""
    with suppress(ValueError):
        assert isinstance(Inventory.from_json(text), Inventory)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
def test_documents_that_are_too_much(text: str) -> None:
    """What is nested too deeply, or too long a number, is no inventory either."""
    with pytest.raises(ValueError, match=r"inventory|JSON"):
        Inventory.from_json(text)


@_many
@given(st.lists(st.tuples(*[st.integers(-2, 2**33)] * 3), max_size=400))
def test_maps(extents: list[tuple[int, int, int]]) -> None:
    """Triples are a map that the kernel takes, or a ValueError says why not."""
    with suppress(ValueError):
        assert list(IdMap(extents)) == extents
        assert len(extents) <= 340
        assert all(inner + count <= 2**32 - 1 for inner, _, count in extents)


def test_maps_of_341_lines() -> None:
    """The kernel takes 340 lines, and so does a map."""
    extents = [(2 * number, 2 * number, 1) for number in range(341)]
    assert list(IdMap(extents[:340])) == extents[:340]
    with pytest.raises(ValueError, match="340"):
        IdMap(extents)


@_many
@given(
    st.binary()
    | st.from_regex(rb"(root|0):[0-9\xb2]{0,20}:[0-9]{0,20}\n", fullmatch=True)
)
def test_subordinate_ids(text: bytes) -> None:
    """Lines of /etc/subuid that are none are passed over."""
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    try:
        for _, first, count in idmap._subordinate_lines(f"/proc/self/fd/{reader}"):
            assert min(first, count) >= 0
    finally:
        os.close(reader)


@_many
@given(st.binary())
def test_escapes(name: bytes) -> None:
    """Whatever a mount point is called, it is told with just these bytes."""
    written = name.translate(None, b"\0")
    for byte in b"\\ \t\n#":
        written = written.replace(bytes([byte]), b"\\%03o" % byte)
    found = mountinfo.unescape(written)
    assert os.fsencode(found) == name.translate(None, b"\0")


NAMES: Final = (
    b"a) S 1 (b",
    b"x\ny",
    b")",
    b"(",
    b"\xff\xfe",
    b" ",
    b"a\tNSpid:\t1",
    b"",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_processes(name: bytes) -> None:
    """What a process is called changes nothing else that is told of it."""

    def look() -> None:
        with another_process(lambda: libc.prctl(_PR_SET_NAME, name)) as pid:
            process = scan("net", mounts=False).process(pid)
        assert process is not None
        assert (process.pid, process.ppid) == (pid, os.getpid())
        assert os.fsencode(process.name) == name[:15]
        assert process.uid == os.getuid()

    alone(look)
