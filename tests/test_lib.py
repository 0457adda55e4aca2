"""The shim as typed by hand, against the shim that cffi built."""

import inspect
from types import FunctionType

import pytest

from pynamespaces import Namespace, NamespaceType, _declared, _lib
from pynamespaces._ffi import ffi
from pynamespaces._ffi import lib as built

INTEGERS = {"int", "unsigned int", "long", "unsigned long", "uint64_t", "uintptr_t"}
FUNCTIONS = {
    name: value
    for name, value in vars(_declared.Lib).items()
    if isinstance(value, FunctionType) and name.startswith("pyns_")
}
CONSTANTS = set(_declared.Lib.__annotations__)


def _built(functions: bool) -> set[str]:
    return {name for name in dir(built) if callable(getattr(built, name)) is functions}


def test_functions() -> None:
    """The typed functions are those that were built: no more, no fewer."""
    assert set(FUNCTIONS) == _built(functions=True)


def test_constants() -> None:
    """The typed constants are those that were built: no more, no fewer."""
    assert _built(functions=False) == CONSTANTS


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_constant_is_an_int(name: str) -> None:
    """A constant is an int, as its annotation says."""
    assert _declared.Lib.__annotations__[name] is int
    assert type(getattr(built, name)) is int


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function_takes_what_is_typed(name: str) -> None:
    """A function has the parameters that were typed: ints, or pointers."""
    kind = ffi.typeof(getattr(built, name))
    _, *parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    assert len(kind.args) == len(parameters)
    for argument, parameter in zip(kind.args, parameters, strict=True):
        assert parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        is_integer = argument.kind == "primitive" and argument.cname in INTEGERS
        assert is_integer is (parameter.annotation is int), parameter


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function_returns_an_int(name: str) -> None:
    """A function returns an int, and takes no more than it is declared with."""
    kind = ffi.typeof(getattr(built, name))
    assert kind.result.cname == "int"
    assert not kind.ellipsis
    assert inspect.signature(FUNCTIONS[name]).return_annotation is int


@pytest.mark.parametrize(
    ("protocol", "struct"),
    [
        (_declared.Target, "struct pyns_target"),
        (_declared.MntInfo, "struct pyns_mnt_info"),
    ],
)
def test_plain_records(protocol: type[object], struct: str) -> None:
    """A typed record has the fields of the struct, in order."""
    fields = ffi.typeof(struct).fields
    assert list(protocol.__annotations__) == [name for name, _ in fields]
    assert all(field.type.kind == "primitive" for _, field in fields)


@pytest.mark.parametrize(
    ("protocol", "struct"),
    [
        (_declared.Names, "struct pyns_names"),
        (_declared.Creation, "struct pyns_creation"),
    ],
)
def test_records(protocol: type[object], struct: str) -> None:
    """A typed record has the fields of the struct, in order, arrays among them."""
    fields = ffi.typeof(struct).fields
    assert list(protocol.__annotations__) == [name for name, _ in fields]


def test_inhabitant() -> None:
    """What keeps an inhabitant is the shim's alone, but for what is read of it."""
    names = {name for name, _ in ffi.typeof("struct pyns_inhabitant").fields}
    assert names - set(_declared.Inhabitant.__annotations__) == {"room"}


@pytest.mark.parametrize("type", ["net", "uts", "user"])
def test_target_of_a_namespace(type: str) -> None:
    """What the shim enters by has each fact of the namespace in its place."""
    namespace = Namespace.current(NamespaceType(type))
    target, facts = namespace._record(), namespace.id
    assert (target.fd, target.nstype) == (namespace.fileno(), namespace.type.flag)
    assert (target.dev, target.ino) == (facts.dev, facts.ino)
    assert target.unique == (facts.unique or 0)


def test_new_ints() -> None:
    """An array of ints is written and read by its C type."""
    assert _lib.read_int(_lib.new_ints("uint64_t", [2**64 - 1, 2])) == 2**64 - 1
    with pytest.raises(OverflowError):
        _lib.new_ints("int", [2**31])


def test_buffer() -> None:
    """A buffer starts as zeros, and is copied when read."""
    buffer = _lib.new_buffer(8)
    assert _lib.read_buffer(buffer, 4) == bytes(4)


def test_refusals_lie_above_every_errno() -> None:
    """The shim's own refusals cannot be taken for an errno."""
    refusals = [getattr(built, name) for name in CONSTANTS if name[:6] == "PYNS_E"]
    assert min(refusals) > 4095
    assert len(set(refusals)) == len(refusals)
