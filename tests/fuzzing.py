"""All that is public and takes arguments, generated from what the package offers."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol, cast

from hypothesis import HealthCheck, Phase, settings

import pynamespaces
from pynamespaces import Namespace, NamespaceRef, lowlevel

RECORDS: Final = frozenset(
    {
        *("Access", "ChangeEvent", "CloneEvent", "CompletedProcess", "Explanation"),
        *("Inventory", "InventoryDiff", "LostEvent", "Mount", "NamespaceChange"),
        *("NamespaceId", "NamespaceRecord", "Operation", "Outcome", "ProcessRecord"),
        *("SetnsEvent", "Support", "Trace", "TraceEvent", "TypeLike", "UnshareEvent"),
    }
)
"""What this package makes, and nobody else: plain data takes what it is given."""

_MADE: Final = {"Explanation", "Support", "Trace"}
"""Of these, which take long to get, the methods are not tried either."""

OPTIONS: Final = {
    "Popen": "Options",
    "run": "RunOptions",
    "check_output": "OutputOptions",
    "supervise": "Options",
    "create_subprocess_exec": "Surroundings",
    "get_context": "Places",
}
"""What ``**options`` stands for, which is written down for type checkers only."""

PASSED_ON: Final = frozenset({"call", "submit"})
"""What hands arguments to a function of the caller's."""

_Kind = inspect.Parameter


class Function(Protocol):
    """A function of which only its signature says what it takes."""

    def __call__(self, *args: object, **named: object) -> object:
        """Take anything."""


def so_many(examples: int) -> settings:
    """Have as many examples, the same each time."""
    return settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=examples,
        # To make what was found smaller takes minutes: each waits for what ends late.
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


class Target(NamedTuple):
    """What is called, and how."""

    name: str
    function: Function
    parameters: Mapping[str, inspect.Parameter]
    receiver: str
    """The class of which an instance has it, if it is a method."""

    @property
    def own(self) -> str:
        """Return its name without that of its class or module."""
        return self.name.rpartition(".")[2]

    @property
    def group(self) -> str:
        """Return what it is tried together with."""
        if self.name in OPTIONS or "." not in self.name:
            return self.name
        return self.name.partition(".")[0]

    @property
    def needed(self) -> list[str]:
        """Return the names of what it cannot be called without."""
        kinds = (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)
        return [
            name
            for name, parameter in self.parameters.items()
            if (parameter.kind in kinds and parameter.default is _Kind.empty)
            or (parameter.kind is _Kind.VAR_POSITIONAL and name == "types")
        ]

    def call(self, given: Mapping[str, object], receiver: object) -> object:
        """Call it, with each argument where it belongs."""
        positional = [receiver] if self.receiver else []
        named = dict(given)
        kinds = [parameter.kind for parameter in self.parameters.values()]
        has_rest = _Kind.VAR_POSITIONAL in kinds
        for name, kind in zip(self.parameters, kinds, strict=True):
            goes_first = kind in (_Kind.POSITIONAL_ONLY, _Kind.VAR_POSITIONAL) or (
                has_rest and kind is _Kind.POSITIONAL_OR_KEYWORD
            )
            if goes_first and name in named:
                positional.append(named.pop(name))
        return self.function(*positional, **named)


@cache
def option_names() -> Mapping[str, list[str]]:
    """Return what there is in each of the classes that stand for options."""
    file = Path(pynamespaces.__file__).parent / "process/_options.py"
    found: dict[str, list[str]] = {}
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            names = [name for base in bases for name in found.get(base, ())]
            lines = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            found[node.name] = names + [ast.unparse(line.target) for line in lines]
    return found


def _target(name: str, function: Function, receiver: str = "") -> Target:
    parameters = dict(inspect.signature(function).parameters)
    if receiver:
        del parameters[next(iter(parameters))]
    for parameter in list(parameters.values()):
        if parameter.kind is _Kind.VAR_KEYWORD:
            del parameters[parameter.name]
            if name not in OPTIONS and name.rpartition(".")[2] not in PASSED_ON:
                raise LookupError(f"what is **{parameter.name} of {name}?")
            for option in option_names().get(OPTIONS.get(name, ""), ()):
                parameters[option] = _Kind(option, _Kind.KEYWORD_ONLY, default=None)
    # The positional ones of Popen that are the standard library's.
    parameters.pop("more", None)
    return Target(name, function, parameters, receiver)


def _members(name: str, kind: type, base: type) -> Iterator[Target]:
    """Return the public methods that a class has of a base, and what can be set."""
    for own in sorted(vars(base)):
        full, found = f"{name}.{own}", inspect.getattr_static(base, own)
        if own.startswith("_") and own not in {"__getitem__", "__contains__"}:
            continue
        if isinstance(found, property) and found.fset is not None:
            yield _target(full, cast("Function", found.fset), name)
        elif isinstance(found, classmethod | staticmethod):
            yield _target(full, cast("Function", getattr(kind, own)))
        elif inspect.isfunction(found):
            yield _target(full, cast("Function", found), name)


def _of_class(name: str, kind: type) -> Iterator[Target]:
    # What has no constructor, or only that of a str or int.
    if name not in RECORDS and not issubclass(
        kind, Namespace | NamespaceRef | int | str
    ):
        yield _target(name, cast("Function", kind))
    for base in kind.__mro__:
        is_here = base.__module__.startswith("pynamespaces.")
        # A subclass has the methods of Namespace, which are looked at there.
        if is_here and (kind is Namespace or not issubclass(Namespace, base)):
            yield from _members(name, kind, base)


def _all() -> Iterator[Target]:
    for name in pynamespaces.__all__:
        found = cast("object", getattr(pynamespaces, name))
        if inspect.isclass(found):
            if not issubclass(found, BaseException) and name not in _MADE:
                yield from _of_class(name, found)
        elif not inspect.ismodule(found) and name not in RECORDS:
            yield _target(name, cast("Function", found))
    for name in lowlevel.__all__:
        function = getattr(lowlevel, name)
        if inspect.isfunction(function):
            yield _target(f"lowlevel.{name}", cast("Function", function))


@cache
def targets() -> Mapping[str, Target]:
    """Return all that is public and takes arguments, by name."""
    return {
        target.name: target
        for target in _all()
        # How far JSON is indented is that module's business, and may be very far.
        if target.parameters and target.own != "to_json"
    }
