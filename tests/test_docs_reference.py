"""The reference has all that is public, nothing else, and what is said of it."""

import re
from collections.abc import Iterator
from typing import Final

import click
import pytest
from documented import (
    REFERENCE,
    documented,
    family,
    public,
    public_classes,
    thing,
    told_members,
)

from pynamespaces.cli import group

COMMAND_LINE: Final = REFERENCE / "cli.md"


def test_every_name() -> None:
    """Each public name is documented, by itself or as the same thing elsewhere."""
    things, _ = documented()
    # The same number is not the same thing.
    known = {id(value) for value in things.values() if not isinstance(value, int)}
    missing = [
        name
        for name, value in public().items()
        if name not in things and id(value) not in known
    ]
    assert missing == []


def test_every_member() -> None:
    """Each public member of a public class is documented, there or where it is from."""
    _, members = documented()
    missing = [
        f"{name}.{member}"
        for name, owner in public_classes()
        for origin in family(owner)
        for member in told_members(origin)
        if not any((kin, member) in members for kin in owner.__mro__)
    ]
    assert missing == []


def test_nothing_else() -> None:
    """What is documented is public, or what a public function takes or returns."""
    things, _ = documented()
    also = {"pynamespaces.workers.processes.NamespaceContext"}
    assert {*things} - {*public()} == also
    assert all(thing(name) is things[name] for name in things)


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Return the commands, by what is typed."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, *path, name)


def rows(command: click.Command) -> list[str]:
    """Return the options of a command as lines of a table."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    return [_row(option) for option in options if not option.hidden]


def _row(option: click.Option) -> str:
    """Return an option as a line: its names, the last with what it takes, and help."""
    names = [*option.opts, *option.secondary_opts]
    text = " ".join((option.help or "").split())
    if isinstance(option.type, click.Choice):
        names[-1] += " WORD"
        text += " One of " + ", ".join(f"`{word}`" for word in option.type.choices)
        text += "."
    elif not option.is_flag:
        known = {"integer range": "N"}
        name = option.type.name
        names[-1] += f" {option.metavar or known.get(name, name.upper())}"
    return f"| {', '.join(f'`{name}`' for name in names)} | {text} |"


def listed() -> dict[str, list[str]]:
    """Return the tables of options that the page has, by command."""
    _, section = COMMAND_LINE.read_text().split("\n## All options\n")
    _, *parts = section.partition("\n## ")[0].split("\n### ")
    return {
        part.partition("\n")[0]: re.findall(r"^\| `-.*$", part, re.MULTILINE)
        for part in parts
    }


def test_every_option() -> None:
    """The page has each command, with the options and words of its ``--help``."""
    there = {f"`{name}`": rows(command) for name, command in commands(group)}
    assert listed() == {name: found for name, found in there.items() if found}


@pytest.mark.parametrize("name", [name for name, _ in commands(group)])
def test_every_command(name: str) -> None:
    """Each command is in the first table of the page."""
    first = re.findall(r"^\| (`.*`) \|", COMMAND_LINE.read_text(), re.MULTILINE)
    words = name.split()
    assert any(re.search(rf"`{words[0]}\b", x) and words[-1] in x for x in first)
