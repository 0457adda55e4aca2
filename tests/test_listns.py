"""listns(2), which came with Linux 6.19, and what a scan makes of it."""

import errno
import os
import socket
import struct
from collections.abc import Sequence

import pytest
from newer import need

from pynamespaces import (
    CloneFlag,
    Namespace,
    NamespaceGoneError,
    UnsupportedError,
    lowlevel,
    scan,
)
from pynamespaces._causes import kernel_version
from pynamespaces._lib import IntOut, lib
from pynamespaces.lowlevel import _nsfs

NEW = 1 << 60
"""An id that this kernel has not given to anybody."""


class Listing:
    """A shim whose kernel lists some ids, in the batches that it is asked for."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = sorted(ids)
        self.asked: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(lib, name)

    def pyns_listns(self, nstype: int, last: int, ids: IntOut, count: int) -> int:
        """Write the next ids."""
        self.asked.append((nstype, last))
        batch = [id for id in self.ids if id > last][:count]
        for index, id in enumerate(batch):
            ids[index] = id  # type: ignore[index]
        return len(batch)


@pytest.mark.skipif(kernel_version() >= (6, 19), reason="this kernel has listns(2)")
def test_older_kernel() -> None:
    """An older kernel is named as the reason."""
    with pytest.raises(UnsupportedError, match=r"6\.19") as caught:
        lowlevel.listns()
    assert caught.value.errno == errno.ENOSYS
    assert caught.value.syscall == "listns"


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 3000])
def test_batches(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ids are returned, however many there are."""
    fake = Listing(range(1, count + 1))
    monkeypatch.setattr(_nsfs, "lib", fake)
    assert lowlevel.listns(CloneFlag.CLONE_NEWNET) == list(range(1, count + 1))
    assert {nstype for nstype, _ in fake.asked} == {CloneFlag.CLONE_NEWNET}


def test_wrong_type() -> None:
    """A number that can be no type is refused before the call."""
    with pytest.raises(ValueError, match="nstype"):
        lowlevel.listns(-1)


@pytest.mark.tier("root")
def test_scan_has_what_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace that only a message on its way keeps is in an inventory."""
    need("nsfs-handles")
    monkeypatch.setattr(_nsfs, "lib", Listing([]))
    sender, receiver = socket.socketpair()
    with sender, receiver:
        with Namespace.new("uts") as namespace:
            id = namespace.id
            handle = lowlevel.name_to_handle_at(namespace)
            socket.send_fds(sender, [b"-"], [namespace.fileno()])
        namespace.close()
        assert scan("uts", arguments=False).namespace(id) is None

        real_open = lowlevel.open_by_handle_at

        # What the next kernel does: it lists all, and opens by the id alone.
        def open_by_handle_at(short: bytes) -> int:
            assert short == struct.pack("=QII", id.unique, 0, 0)
            return real_open(handle)

        assert id.unique is not None
        monkeypatch.setattr(_nsfs, "lib", Listing([id.unique]))
        monkeypatch.setattr(lowlevel, "open_by_handle_at", open_by_handle_at)
        record = scan("uts", arguments=False).namespace(id)
    assert record is not None
    assert (record.id, record.processes, record.descriptors) == (id, (), ())
    with Namespace.current("user") as own:
        assert record.owner == own.id


@pytest.mark.tier("root")
def test_scan_passes_over_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has died since it was listed, or may not be opened, is left out."""
    before = scan("uts", arguments=False)
    asked = []

    def open_by_handle_at(short: bytes) -> int:
        asked.append(short)
        raise NamespaceGoneError("dead")

    monkeypatch.setattr(_nsfs, "lib", Listing([NEW]))
    monkeypatch.setattr(lowlevel, "open_by_handle_at", open_by_handle_at)
    after = scan("uts", arguments=False)
    assert asked
    assert all(record.id.unique != NEW for record in after)
    own = {record.id for record in before if os.getpid() in record.processes}
    assert own <= {record.id for record in after}
