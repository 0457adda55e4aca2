"""What the house style asks of the docstrings of public things."""

import ast
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import Final

from documented import family, public, public_classes, told_members

from pynamespaces import errors

NOT_IMPERATIVE: Final = re.compile(r"(The|An?|This|That|It|What|\w+s|\w+ing|\w+ed)\b")

REFUSALS: Final = tuple(
    name
    for name in errors.__all__
    if issubclass(getattr(errors, name), errors.SystemCallError)
)


def functions() -> dict[str, FunctionType]:
    """Return the public functions and methods, by full names."""
    found = {
        name: value for name, value in public().items() if inspect.isfunction(value)
    }
    for name, owner in public_classes():
        for origin in family(owner):
            for member in told_members(origin):
                value = vars(origin).get(member)
                value = getattr(value, "__func__", value)
                if inspect.isfunction(value):
                    found[f"{name}.{member}"] = value
    return found


def texts() -> Iterator[tuple[str, str | None]]:
    """Return what is said of all public functions and classes."""
    for name, function in functions().items():
        yield name, inspect.getdoc(function)
    for name, owner in public_classes():
        yield name, owner.__doc__ and inspect.cleandoc(owner.__doc__)


def test_first_line() -> None:
    """Each has a docstring, that begins with a short sentence on a line of its own."""
    for name, text in texts():
        assert text, name
        first, *rest = text.splitlines()
        assert len(first) <= 79, name
        assert first.endswith("."), name
        assert not any(rest[:1]), name


def test_imperative() -> None:
    """What is said first of a function is what it does, as an order."""
    for name, function in functions().items():
        text = inspect.getdoc(function) or ""
        assert text[:1].isupper(), name
        assert not NOT_IMPERATIVE.match(text), name


def test_attributes() -> None:
    """Of each attribute it is said what it is, there or where the class says so."""
    for name, owner in public_classes():
        if issubclass(owner, enum.Enum):
            continue  # The reference says it of all of them together.
        known = re.search(r"is as in `(\w+)`", owner.__doc__ or "")
        told = told_members(thing_of(known[1])) if known else {}
        for origin in family(owner):
            for member, text in told_members(origin).items():
                assert text or told.get(member), f"{name}.{member}"


def thing_of(name: str) -> type:
    """Return a public class by its short name."""
    return dict(public_classes())[f"pynamespaces.{name}"]


def test_manual() -> None:
    """What the kernel may refuse has the page of the manual about it."""
    lacking = []
    for name, function in functions().items():
        text = inspect.getdoc(function) or ""
        _, _, raised = text.partition("Raises:")
        asks = any(f"{refusal}:" in raised for refusal in REFUSALS)
        if asks or name.startswith("pynamespaces.lowlevel."):
            lacking += [name] * (":manpage:`" not in text)
    assert lacking == []


def test_raises() -> None:
    """What a function raises itself it says, but for arguments of a wrong type."""
    for name, function in functions().items():
        source = textwrap.dedent(inspect.getsource(function))
        raised = [
            ast.unparse(line.exc)
            for line in ast.walk(ast.parse(source))
            if isinstance(line, ast.Raise) and line.exc is not None
        ]
        if name.startswith("pynamespaces.lowlevel.") or any(
            not text.startswith("TypeError(") for text in raised
        ):
            assert "Raises:\n" in (inspect.getdoc(function) or ""), name
