"""What the reference documents, by its directives; and what there is, by import."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

import pynamespaces

REFERENCE: Final = Path(__file__).parents[1] / "docs/reference"

_DIRECTIVE: Final = re.compile(
    r"^(?P<indent> *)\.\. (?P<kind>[\w:]+):: *(?P<names>.*)\n"
    r"(?P<more>(?:(?P=indent) +[\w.]+(?:\(.*\))?\n)*)"
    r"(?P<options>(?:(?P=indent) +:.*\n(?:(?P=indent)  {3,}.*\n)*)*)",
    re.MULTILINE,
)
_OPTION: Final = re.compile(r":([\w-]+):((?:[^:]|\n)*)")

_THINGS: Final = {"attribute", "class", "data", "exception", "function", "method"}


class Directive(NamedTuple):
    """One that documents something: its full names, and which members of it."""

    kind: str
    names: list[str]
    members: list[str] | None
    """Those that are named; ``None`` for none at all, empty for all."""
    without: set[str]


def directives() -> Iterator[Directive]:
    """Return all that there are on the pages, in order."""
    for path in sorted(REFERENCE.glob("*.rst")):
        yield from _directives(path.read_text())


def _directives(text: str) -> Iterator[Directive]:
    module, parent = "pynamespaces", ""
    for found in _DIRECTIVE.finditer(text):
        kind = found["kind"]
        lines = f"{found['names']}\n{found['more']}".split("\n")
        words = [line.strip().partition("(")[0] for line in lines if line]
        if kind in ("currentmodule", "module", "automodule"):
            module = words[0]
        place = parent if found["indent"] else module
        names = [x if x.startswith("pynamespaces") else f"{place}.{x}" for x in words]
        if not found["indent"]:
            parent = names[0] if names else ""
        options = dict(_OPTION.findall(found["options"]))
        listed = options.get("members")
        yield Directive(
            kind,
            names,
            None if listed is None else re.findall(r"\w+", listed),
            {*re.findall(r"\w+", options.get("exclude-members", ""))},
        )


def thing(name: str) -> object:
    """Return what has a full name; raise an AttributeError if nothing has."""
    words = name.split(".")
    found: object = importlib.import_module(words[0])
    for number, word in enumerate(words[1:], 2):
        try:
            found = getattr(found, word)
        except AttributeError:
            if not isinstance(found, ModuleType):
                raise
            found = importlib.import_module(".".join(words[:number]))
    return found


def documented() -> tuple[dict[str, object], set[tuple[type, str]]]:
    """Return what is documented by name, and members by class and name."""
    things: dict[str, object] = {}
    members: set[tuple[type, str]] = set()
    for found in directives():
        kind = found.kind.removeprefix("auto")
        if kind in ("method", "attribute"):
            members |= {_member(name) for name in found.names}
        elif kind == "module" and found.members is not None:
            for name, value in _listed(found):
                things[name] = value
                if isinstance(value, type):
                    members |= {(value, one) for one in told_members(value)}
        elif kind in _THINGS:
            for name in found.names:
                things[name] = value = thing(name)
                if isinstance(value, type) and found.members is not None:
                    named = found.members or told_members(value)
                    members |= {(value, one) for one in {*named} - found.without}
    return things, members


def _member(name: str) -> tuple[type, str]:
    owner = thing(name.rpartition(".")[0])
    assert isinstance(owner, type), name
    return owner, name.rpartition(".")[2]


def _listed(found: Directive) -> Iterator[tuple[str, object]]:
    """Return what a directive about a module documents of it."""
    [place] = found.names
    module = thing(place)
    assert isinstance(module, ModuleType)
    for name in {*names(module)} - found.without:
        # What has no docstring, as a number, is left out.
        if callable(value := getattr(module, name)):
            yield f"{place}.{name}", value


@cache
def told_members(owner: type) -> dict[str, str | None]:
    """Return the public members that a class itself has, and what is said of each."""
    found: dict[str, str | None] = {}
    for name, value in vars(owner).items():
        if not name.startswith("_"):
            inner = value.__func__ if isinstance(value, classmethod) else value
            # A value that has no docstring of its own has that of its class.
            own = callable(inner) or isinstance(value, (property, staticmethod))
            found[name] = inspect.getdoc(inner) if own else None
    return found | _attributes(owner)


def _attributes(owner: type) -> dict[str, str | None]:
    """Return the attributes that a class declares, with the text below each."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except OSError:
        return {}
    [definition] = tree.body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str | None] = {}
    for line, after in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            names = [line.target.id]
        elif isinstance(line, ast.Assign):
            names = [x.id for x in line.targets if isinstance(x, ast.Name)]
        else:
            continue
        text = None
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = inspect.cleandoc(str(after.value.value))
        found |= {name: text for name in names if not name.startswith("_")}
    return found


def public() -> dict[str, object]:
    """Return all that is public, by its full name."""
    modules = ["errors", "lowlevel", "inventory", "tracing", "pytest_plugin"]
    found = {f"pynamespaces.{x}": thing(f"pynamespaces.{x}") for x in _own()}
    for name in modules:
        module = thing(f"pynamespaces.{name}")
        assert isinstance(module, ModuleType)
        found |= {f"pynamespaces.{name}.{x}": getattr(module, x) for x in names(module)}
    return found


def _own() -> list[str]:
    return [name for name in pynamespaces.__all__ if name not in ("errors", "lowlevel")]


def names(module: ModuleType) -> list[str]:
    """Return the public names of a module: those that it says, or re-exports."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    tree = ast.parse(inspect.getsource(module))
    found: list[str] = []
    for line in tree.body:
        if isinstance(line, ast.ImportFrom):
            found += [x.name for x in line.names if x.asname == x.name]
        elif isinstance(line, (ast.FunctionDef, ast.ClassDef)):
            found.append(line.name)
    return [name for name in found if not name.startswith("_")]


def public_classes() -> Iterator[tuple[str, type]]:
    """Return the classes among all that is public."""
    for name, value in public().items():
        if isinstance(value, type) and value.__module__.startswith("pynamespaces"):
            yield name, value


def family(owner: type) -> list[type]:
    """Return a class and those of this package that it inherits from."""
    return [x for x in owner.__mro__ if x.__module__.startswith("pynamespaces")]
