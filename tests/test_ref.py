"""A reference as plain data: what it says, its bytes, and which boot it is of."""

import copy
import os
import pickle
import random
import struct
from binascii import crc32
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from provoking import bind, hide_proc, need_own_user, own_mounts, own_user
from refs import (
    before_6_18,
    has_handles,
    place,
    ref_of,
    stranger,
    without_handles,
)
from support import ALL_TYPES, identity, in_child, own

from pynamespaces import (
    ClosedNamespaceError,
    Namespace,
    NamespaceGoneError,
    NamespaceRef,
    NamespaceType,
    _proc,
)
from pynamespaces._core import marks

MAKERS = pytest.mark.parametrize(
    "make", [int, without_handles, before_6_18], ids=["now", "no handles", "6.17"]
)


def own_ref(type: str = "uts") -> NamespaceRef:
    """Return a reference to a namespace of the calling thread."""
    with closing(Namespace.current(NamespaceType(type))) as namespace:
        return namespace.ref()


def sealed(data: bytes) -> bytes:
    """Give changed bytes the sum that they would have."""
    return data[:-4] + struct.pack(">I", crc32(data[:-4]))


# --- what it is ---


@pytest.mark.parametrize("type", ALL_TYPES)
def test_own_namespace(type: str) -> None:
    """A reference to an own namespace leads there when the object is closed."""
    ref = own_ref(type)
    assert place(ref) == own(type)
    with closing(Namespace.current(NamespaceType(type))) as here:
        with closing(ref.resolve()) as there:
            assert here == there
            assert here.__class__ is there.__class__
        assert ref.id == here.id
    assert repr(ref) == f"<NamespaceRef {os.readlink(f'/proc/thread-self/ns/{type}')}>"


def test_other_interpreter() -> None:
    """An interpreter that gets no more than the bytes opens the same namespace."""
    with stranger() as place_there:
        for type in ALL_TYPES:
            assert place_there(own_ref(type)) == own(type)


def test_closed() -> None:
    """A closed object has no reference to give."""
    namespace = Namespace.current("uts")
    namespace.close()
    with pytest.raises(ClosedNamespaceError):
        namespace.ref()


def test_holds_nothing() -> None:
    """A reference holds no descriptor."""
    with closing(Namespace.current("net")) as namespace:
        before = os.listdir("/proc/self/fd")
        refs = [namespace.ref() for _ in range(3)]
        assert os.listdir("/proc/self/fd") == before
    assert len(refs) == 3


def test_equal_by_content() -> None:
    """Two are equal, and one key, when they say the same."""
    one, same, other = own_ref("uts"), own_ref("uts"), own_ref("net")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != one.id
    assert {one, same, other} == {one, other}


def test_not_to_be_made_or_changed() -> None:
    """It is made by what knows the namespace, and stays as it was made."""
    ref = own_ref()
    with pytest.raises(TypeError, match=r"Namespace\.ref"):
        NamespaceRef()
    for name in ("id", "_boot", "other"):
        with pytest.raises(AttributeError):
            setattr(ref, name, None)
        with pytest.raises(AttributeError):
            delattr(ref, name)
    assert place(ref) == own("uts")


@MAKERS
@pytest.mark.parametrize("type", ALL_TYPES)
def test_copies(type: str, make: Callable[[], object]) -> None:
    """Copies, and what goes through pickle and bytes, are equal."""

    def copies() -> None:
        make()
        ref = own_ref(type)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(ref, protocol)) == ref
        assert copy.copy(ref) == copy.deepcopy(ref) == ref
        data = bytes(ref)
        for kind in (bytes, bytearray, memoryview):
            again = NamespaceRef.from_bytes(kind(data))
            assert again == ref
            assert again.id == ref.id
            assert bytes(again) == data
            assert place(again) == own(type)

    in_child(copies)


# --- bytes ---


def refuse(data: bytes) -> None:
    """Check that bytes are refused, in the one way."""
    with pytest.raises(ValueError, match="not the bytes of a NamespaceRef") as caught:
        NamespaceRef.from_bytes(data)
    assert type(caught.value) is ValueError
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_truncated() -> None:
    """A part of the bytes, or more than them, is refused."""
    data = bytes(own_ref())
    for length in range(len(data)):
        refuse(data[:length])
    for length in range(len(data) - 4):
        refuse(sealed(data[:length] + b"\0\0\0\0"))
    refuse(data + b"\0")
    refuse(data + data)
    refuse(b"\0" + data)


def test_damaged() -> None:
    """Bytes with one bit that is not as it was are refused."""
    data = bytes(own_ref())
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        refuse(bytes(changed))


def test_random() -> None:
    """Random bytes are refused, with the right beginning and sum as well."""
    source = random.Random(18)
    data = bytes(own_ref())
    for _ in range(2000):
        junk = source.randbytes(source.randrange(0, 120))
        refuse(junk)
        refuse(data[:9] + junk)
        start = source.randrange(0, 16)
        refuse(sealed(data[:start] + junk + data[start + len(junk) :] + b"\1"))


@pytest.mark.parametrize("offset", [0, 8, 9, 10, 15], ids=str)
def test_of_another_version(offset: int) -> None:
    """Whole bytes of another magic, version, flags, length or type are refused."""
    data = bytes(own_ref())
    for value in {0, 1, 2, 8, 16, 128, 255} - {data[offset]}:
        changed = bytearray(data)
        changed[offset] = value
        if offset == 9 and value in (0, 1, 2):
            changed[9] |= 0x80
        refuse(sealed(bytes(changed)))


@pytest.mark.parametrize("what", ["text", 7, None, [1]])
def test_no_bytes(what: object) -> None:
    """What is no bytes is a TypeError."""
    with pytest.raises(TypeError, match="bytes"):
        NamespaceRef.from_bytes(what)  # type: ignore[arg-type]


def test_handle_of_another() -> None:
    """Bytes that name one namespace and have the handle of another open the former."""
    uts, net = own_ref("uts"), own_ref("net")
    head = struct.calcsize(">8sBBH I QQQQ 16s")
    mixed = sealed(bytes(uts)[:head] + bytes(net)[head:])
    ref = NamespaceRef.from_bytes(mixed)
    assert (ref == uts) is not has_handles()
    assert place(ref) == own("uts")


# --- boots ---


def test_other_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was referred to before the machine was booted is gone, and said to be."""
    now = _proc.boot_id()
    assert now is not None
    monkeypatch.setattr(_proc, "boot_id", lambda: now[:-1] + bytes([now[-1] ^ 1]))
    stored = bytes(own_ref())
    assert now not in stored
    monkeypatch.undo()
    ref = NamespaceRef.from_bytes(stored)
    assert ref != own_ref()
    with pytest.raises(NamespaceGoneError, match="before this machine was booted"):
        ref.resolve()
    assert now in bytes(own_ref())


@pytest.mark.parametrize("then", [True, False], ids=["then", "now"])
def test_unknown_boot(then: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the boot is known of one side only, nothing is opened on suspicion."""
    own_ref()
    ref = own_ref()
    monkeypatch.setattr(_proc, "boot_id", lambda: None)
    monkeypatch.setattr(marks, "_last_boot", {})
    unknown = own_ref()
    assert place(unknown) == own("uts")
    if then:
        monkeypatch.undo()
        ref = unknown
    with pytest.raises(NamespaceGoneError, match="cannot be told"):
        ref.resolve()


def test_without_proc() -> None:
    """A process that had a /proc once resolves without."""
    need_own_user()

    def resolve() -> bool:
        own_user()
        ref, here = own_ref("net"), own("net")
        hide_proc()
        assert not os.listdir("/proc")
        return place(ref) == here and own_ref("net") == ref

    assert in_child(resolve)


@pytest.mark.parametrize("what", ["file", "junk", "fifo"])
def test_boot_id_mounted_over(what: str, tmp_path: Path) -> None:
    """What a container shows as its boot is taken for it; other things are not read."""
    need_own_user()
    text = "f7b7ec4e-3f0c-4d6b-8a53-4d6f8f5c2d11\n"
    path = tmp_path / "boot"
    writer = None
    if what == "fifo":
        os.mkfifo(path)
        writer = os.open(path, os.O_RDWR)
        os.write(writer, text.encode())
    else:
        path.write_text(text if what == "file" else "no uuid\n")

    def read() -> bytes | None:
        own_user()
        own_mounts()
        bind(str(path), _proc.BOOT_ID)
        return _proc.boot_id()

    expected = bytes.fromhex(text.replace("-", "")) if what == "file" else None
    assert in_child(read) == expected
    if writer is not None:
        assert os.read(writer, 100) == text.encode()
        os.close(writer)


def test_says_nothing_more_by_path() -> None:
    """A reference to what a path led to is that of the namespace, not of the path."""
    ref = ref_of("/proc/thread-self/ns/net")
    assert ref == own_ref("net")
    assert identity("/proc/thread-self/ns/net") == (ref.id.dev, ref.id.ino)
