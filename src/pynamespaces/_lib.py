"""The compiled shim, typed: ``_declared.py`` says what it has."""

from typing import TYPE_CHECKING, Final, cast

from ._ffi import __file__ as _untyped_file
from ._ffi import ffi as _untyped_ffi
from ._ffi import lib as _untyped_lib

if TYPE_CHECKING:
    from . import _declared
    from ._declared import Ffi, Lib

    Buffer = _declared.Buffer
    Census = _declared.Census
    Creation = _declared.Creation
    Inhabitant = _declared.Inhabitant
    IntOut = _declared.IntOut
    MntInfo = _declared.MntInfo
    Names = _declared.Names
    Ring = _declared.Ring
    Setup = _declared.Setup
    Spawn = _declared.Spawn
    Tally = _declared.Tally
    Target = _declared.Target
    TargetPointers = _declared.TargetPointers
    Text = _declared.Text
else:
    # Annotations name them. To make these protocols would be a tenth of the import.
    Buffer = Census = Creation = Inhabitant = IntOut = MntInfo = Names = object
    Ring = Setup = Spawn = Tally = Target = TargetPointers = Text = object

ffi: Final = cast("Ffi", _untyped_ffi)
lib: Final = cast("Lib", _untyped_lib)

FILE: Final = cast("str", _untyped_file)
"""The file of the compiled module."""


_target_type: Final = ffi.typeof("struct pyns_target *")


def new_target() -> Target:
    """Make the record that the shim enters by, for `pyns_identify` to fill."""
    return cast("Target", ffi.new(_target_type))


def new_target_pointers(targets: list[Target]) -> TargetPointers:
    """Make an array of pointers; the records stay the caller's to keep alive."""
    return cast("TargetPointers", ffi.new("struct pyns_target *[]", targets))


def new_ints(cdecl: str, values: list[int]) -> IntOut:
    """Make an array of ints of any C type."""
    return cast("IntOut", ffi.new(f"{cdecl}[]", values))


def new_held() -> IntOut:
    """Make a place for a descriptor, which is closed when the place goes."""
    # In C: where a signal handler raises, nothing is lost.
    place = ffi.new("int *", -1)
    return cast("IntOut", ffi.gc(place, lib.pyns_release))


def read_int(result: IntOut) -> int:
    """Read the first int of an array."""
    return cast("list[int]", result)[0]


def new_mnt_info() -> MntInfo:
    """Make a record for the mount namespace ioctls to fill."""
    return cast("MntInfo", ffi.new("struct pyns_mnt_info *"))


def new_names() -> Names:
    """Make a record for the names of a uts namespace."""
    return cast("Names", ffi.new("struct pyns_names *"))


def read_name(name: object) -> bytes:
    """Copy a name out of its record, up to its null byte."""
    return ffi.string(name)


def new_creation() -> Creation:
    """Make the record of what `pyns_create` is to make."""
    return cast("Creation", ffi.new("struct pyns_creation *"))


def new_spawn() -> Spawn:
    """Make the record of a program to start."""
    record = ffi.new("struct pyns_spawn *")
    lib.pyns_spawn_clear(cast("Spawn", record))
    # In C: a signal handler that raises cannot come before it.
    return cast("Spawn", ffi.gc(record, lib.pyns_spawn_drop))


def new_text(text: bytes) -> Text:
    """Copy a text, with a null byte after it; no record that it is put in owns it."""
    return cast("Text", ffi.new("char[]", text))


def new_inhabitant() -> Inhabitant:
    """Make a record for `pyns_inhabit` to fill."""
    return cast("Inhabitant", ffi.new("struct pyns_inhabitant *"))


def write_int(result: IntOut, value: int) -> None:
    """Write the first int of an array."""
    cast("list[int]", result)[0] = value


def read_ints(result: IntOut, count: int) -> list[int]:
    """Copy the first ints of an array."""
    return list(cast("list[int]", result)[0:count])


def new_buffer(size: int) -> Buffer:
    """Make a zeroed buffer."""
    return cast("Buffer", ffi.new("unsigned char[]", size))


def read_buffer(buffer: Buffer, size: int) -> bytes:
    """Copy the first bytes of a buffer."""
    return ffi.buffer(buffer, size)[:]


def new_census() -> Census:
    """Make the record of a census, which ends when the record goes."""
    record = ffi.new("struct pyns_census *")
    # In C: a signal handler that raises cannot come before it.
    return cast("Census", ffi.gc(record, lib.pyns_census_end))


def new_ring() -> Ring:
    """Make the record of a ring, which is unmapped when the record goes."""
    record = ffi.new("struct pyns_ring *")
    return cast("Ring", ffi.gc(record, lib.pyns_ring_unmap))


def read_rows(rows: object, count: int) -> bytes:
    """Copy an array of rows, or of characters."""
    if not count:
        return b""
    return ffi.buffer(cast("list[object]", rows)[0:count])[:]
