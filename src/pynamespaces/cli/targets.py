"""What a command is about: a TARGET, and the types of its namespaces."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from .. import Namespace, NamespaceSet, NamespaceType, NetNamespace
from .._core import registry
from .._types import override
from ..errors import NamespaceError, NoSuchNamespaceError
from ..lowlevel._arguments import INT_MAX
from .failures import Failure

if TYPE_CHECKING:
    from click.decorators import FC

    _TargetBase = click.ParamType["Target", "str | Target"]
    _TypesBase = click.ParamType["Types", "str | Types"]
    _Completions: TypeAlias = list[CompletionItem[str]]
else:
    # Generic since click 8.4.
    _TargetBase = _TypesBase = click.ParamType
    FC = TypeVar("FC")

Types: TypeAlias = tuple[NamespaceType, ...]

_NETNS: Final = "netns:"
_CONTAINER: Final = "container:"
_LINK: Final = re.compile(r"/proc/(\d+)(?:/task/(\d+))?/ns/\w+", re.ASCII)
_PLAIN: Final = re.compile(r"[\w.@+-]+")
_ALL: Final = ", ".join(NamespaceType)


class Target(NamedTuple):
    """A process, a file, a name of ``ip netns``, or a container, as it was given."""

    text: str
    """As the user wrote it."""

    kind: Literal["pid", "path", "netns", "container"]
    name: str
    """The same without its prefix."""

    def __str__(self) -> str:
        """Write it as the user has written it."""
        return self.text


def parse_target(text: str) -> Target:
    """
    Read a TARGET; it is not looked whether there is such a thing.

    What is all digits is a pid: a file of that name is ``./1234``.

    Raises:
        ValueError: It can be none.
    """
    if not text or "\0" in text:
        raise ValueError("empty, or with a null byte")
    if text.isascii() and text.isdecimal():
        return Target(text, "pid", str(parse_pid(text)))
    if text.startswith(_NETNS):
        name = text.removeprefix(_NETNS)
        registry.path_of(name)
        return Target(text, "netns", name)
    if text.startswith(_CONTAINER):
        name = text.removeprefix(_CONTAINER)
        if not name:
            raise ValueError(f"{_CONTAINER} is followed by the container's id or name")
        return Target(text, "container", name)
    return Target(text, "path", text)


def parse_pid(text: str) -> int:
    """
    Read a pid.

    Raises:
        ValueError: It can be none.
    """
    # Python refuses to read thousands of digits, and takes those of other scripts.
    if re.fullmatch(r"0*\d{1,10}", text, re.ASCII):
        number = int(text[-10:])
        if 1 <= number <= INT_MAX:
            return number
    raise ValueError(f"{text!r} is no pid: they go from 1 to {INT_MAX}")


def open_target(target: Target, types: Types = ()) -> NamespaceSet:
    """
    Open the namespaces of a target: those *types*, or all that it has.

    A process and a container have several, anything else one.

    Raises:
        Failure: The target has no namespace of one of *types*, or is
            nothing that there is.

        SystemCallError: It cannot be opened.
    """
    if target.kind == "pid":
        return NamespaceSet.from_pid(int(target.name), *types)
    if target.kind == "container":
        return _open_container(target, types)
    namespace = _open_one(target)
    lacking = [type for type in types if type is not namespace.type]
    if lacking:
        namespace.close()
        raise Failure(
            f"{target.text!r} is one namespace, of type {namespace.type}, and has no "
            f"{' or '.join(lacking)}",
            "leave --type out, or name a process",
        )
    return NamespaceSet([namespace])


def _open_container(target: Target, types: Types) -> NamespaceSet:
    try:
        return NamespaceSet.from_container(target.name, *types)
    except ValueError as error:
        if isinstance(error, NamespaceError):
            raise
        raise Failure(str(error), "say more of the id") from None


def _open_one(target: Target) -> Namespace:
    if target.kind == "netns":
        return NetNamespace.from_name(target.name)
    try:
        return Namespace.from_path(target.name)
    except NoSuchNamespaceError:
        text, name = target.text, target.text.rpartition(":")[2]
        if "/" in text:
            raise
        hint = "name a pid, a path, netns:NAME or container:ID"
        with suppress(OSError):
            if name in registry.names():
                hint = f"did you mean {_NETNS}{name}?"
        message = f"{os.strerror(errno.ENOENT)}: {text!r}"
        raise Failure(message, hint) from None


def pid_of(target: Target) -> int | None:
    """Return the process or thread that a target names, also by its ``/proc``."""
    if target.kind == "pid":
        return int(target.name)
    link = _LINK.fullmatch(target.name) if target.kind == "path" else None
    return int(link[2] or link[1]) if link else None


def parse_types_text(text: str) -> Types:
    """
    Read types that are separated by commas.

    Raises:
        ValueError: One of them is none of the eight.
    """
    words = [word.strip().lower() for word in text.split(",")]
    known = [str(type) for type in NamespaceType]
    for word in words:
        if word not in known:
            raise ValueError(f"{word!r} is no namespace type: they are {_ALL}")
    return tuple(NamespaceType(word) for word in words)


def types_option(*names: str, help: str) -> Callable[[FC], FC]:
    """
    Return the option for types: it may be given again, and takes ``a,b,c``.

    The command gets a tuple of members of `NamespaceType`, each once.
    """
    return click.option(
        *names,
        type=TYPES,
        multiple=True,
        callback=_flattened,
        metavar="TYPE",
        help=help,
    )


def _flattened(
    context: click.Context, parameter: click.Parameter, given: Sequence[Types]
) -> Types:
    del context, parameter
    return tuple(dict.fromkeys(type for types in given for type in types))


class _TargetParam(_TargetBase):
    """A TARGET, with what there is for shells to complete."""

    name = "target"

    @override
    def convert(
        self,
        value: str | Target,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Target:
        if isinstance(value, Target):
            return value
        try:
            return parse_target(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        del ctx, param
        if "/" in incomplete or incomplete.startswith("."):
            return [CompletionItem(incomplete, type="file")]
        return [item for item in _targets() if item.value.startswith(incomplete)]


class _TypesParam(_TypesBase):
    """Types, separated by commas."""

    name = "type"

    @override
    def convert(
        self,
        value: str | Types,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Types:
        if not isinstance(value, str):
            return value
        try:
            return parse_types_text(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> _Completions:
        del ctx, param
        before, comma, word = incomplete.rpartition(",")
        return [
            CompletionItem(before + comma + type)
            for type in NamespaceType
            if type.startswith(word) and type not in before.split(",")
        ]


def _targets() -> Iterator[CompletionItem[str]]:
    """Give what a target may be, as far as it can be written on a line of a shell."""
    for name in sorted(filter(str.isdecimal, os.listdir("/proc")), key=int):
        yield CompletionItem(name, help=_called(name))
    with suppress(OSError):
        for name in registry.names():
            if is_plain(name):
                yield CompletionItem(_NETNS + name, help="network namespace")


def is_plain(name: str) -> bool:
    """Return whether a shell takes a name as it is, so that it can be completed."""
    # A name may be "$(reboot)", and completing would put that on the line.
    return _PLAIN.fullmatch(name) is not None


def _called(pid: str) -> str | None:
    """Return the name of a process, which may hold anything, if it can be shown."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().rstrip("\n")
    except OSError:
        return None
    return name if name.isprintable() else None


TARGET: Final = _TargetParam()
"""The type of a command's TARGET."""

TYPES: Final = _TypesParam()
"""The type of a list of namespace types; see `types_option`."""
