"""``pynamespaces doctor``: what this caller can do here, and why not more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import click

from .. import NamespaceType
from ..errors import NoSuchProcessError
from ..probing import Explanation, Operation, Outcome, Support, explain, support
from . import output
from .failures import Failure, message_of
from .opening import opened
from .output import Column, Line
from .targets import TARGET, Target, Types, types_option

_HELP: Final = """
Say what this caller can do with namespaces here, and why not more.

Everything is tried by a child of this command and nothing is left of it: what is said
is what the kernel did, not what a setting promises. Without TARGET it tries what can be
made, entered and kept of each type. With TARGET it says which namespaces of the target
could be entered by a thread, and which could be joined by a program that is started.

\b
Privileges:
  None: what a caller without any cannot do is the answer. Run it as the user,
  and in the container or service, that it is about.

\b
Examples:
  pynamespaces doctor
  pynamespaces doctor --type net,user
  pynamespaces doctor 1234
  pynamespaces doctor container:3f4a8c21d7e6 --json

\b
Exit status:
  0  it was found out, whatever the answer
  1  it could not be found out, or there is no such target
  2  the command line is wrong
"""

_YES: Final = "yes"
_NO: Final = "no"


class _Why:
    """What does not work: each reason once, with all that it is the reason of."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], dict[str, list[str]]] = {}

    def add(self, name: str, of: str, outcome: Outcome) -> None:
        """Note why an operation does not work, of a type or of nothing, if so."""
        if not outcome.works:
            key = outcome.reason or "no reason is known", outcome.hint
            types = self._found.setdefault(key, {}).setdefault(name, [])
            types += [of] if of else []

    def lines(self) -> Iterator[Line]:
        """Say it."""
        if self._found:
            yield from ([], [("Why not:", "bold")])
        for (reason, hint), names in self._found.items():
            whats = [
                f"{name} ({', '.join(types)})" if types else name
                for name, types in names.items()
            ]
            yield from output.wrapped(", ".join(whats), "  ", "yellow")
            yield from output.wrapped(reason, "    ")
            if hint:
                yield from output.wrapped("hint: " + hint, "    ", "dim")


@click.command(help=_HELP)
@click.argument("target", type=TARGET, required=False)
@types_option("-t", "--type", "types", help="Only these types: a,b,c; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
def command(*, target: Target | None, types: Types, as_json: bool) -> None:
    """Say what works."""
    with output.passing("trying what works here ..."):
        found = support() if target is None else _explained(target, types)
    if as_json:
        output.print_json(_plain(found, types))
    elif isinstance(found, Support):
        _print_support(found, types)
    else:
        _print_explanation(found)


def _explained(target: Target, types: Types) -> Explanation:
    if target.kind == "pid":
        try:
            return explain(int(target.name), *types)
        except NoSuchProcessError as error:
            raise Failure(f"{target}: {message_of(error)}", error.hint) from None
    with opened(target, types) as found:
        return explain(found)


def _plain(found: Support | Explanation, types: Types) -> dict[str, object]:
    if isinstance(found, Support) and types:
        found = Support(each for each in found if each.type in types)
    return {**found.as_object()}


def _print_support(found: Support, types: Types) -> None:
    names = dict.fromkeys(each.name for each in found if each.type is not None)
    shown = types or tuple(NamespaceType)
    heads = [Column("TYPE", style="green"), *map(_answers, names)]
    rows = []
    why = _Why()
    for type in shown:
        operations = found[type]
        rows.append([type, *(_answer(operations.get(name)) for name in names)])
        for name, each in operations.items():
            why.add(name, type, _outcome(each))
    output.print_table(heads, rows)
    titles = {each.name: each.title for each in found if each.type is not None}
    output.print_lines([[], *_legend(titles.items())])
    if not types:
        general = found.general.values()
        rows = [[each.name, _answer(each), each.title] for each in general]
        heads = [
            Column("OPERATION"),
            _answers("works"),
            Column("WHAT", may_be_cut=True),
        ]
        output.print_lines([[]])
        output.print_table(heads, rows)
        for each in general:
            why.add(each.name, "", _outcome(each))
    output.print_lines(why.lines())


def _legend(titles: Iterable[tuple[str, str]]) -> Iterator[Line]:
    for name, title in titles:
        yield [(f"{name.upper():<16}", "bold"), (title, "dim")]


def _print_explanation(found: Explanation) -> None:
    heads = [
        Column("TYPE", style="green"),
        Column("NS", style="cyan"),
        *map(_answers, ("ours", "enter", "join")),
    ]
    why = _Why()
    rows = []
    for access in found:
        ino = "" if access.id is None else str(access.id.ino)
        ours = _NO if access.id is None or not access.shared else _YES
        rows.append(
            [access.type, ino, ours, _answer(access.enter), _answer(access.join)]
        )
        why.add("enter", access.type, access.enter)
        why.add("join", access.type, access.join)
    if len(rows) > 1:
        both = _answer(found.enter), _answer(found.join)
        rows.append(["all", "", "", *both])
        why.add("enter", "all", found.enter)
        why.add("join", "all", found.join)
    output.print_table(heads, rows)
    meanings = (
        ("ours", "the caller is in it already"),
        ("enter", "a thread can go there, and come back"),
        ("join", "a program can be started there"),
    )
    output.print_lines([[], *_legend(meanings), *why.lines()])


def _answers(name: str) -> Column:
    return Column(name.upper(), style=output.BY_ANSWER)


def _answer(outcome: object) -> str:
    """Return yes, no, or nothing where there is no such operation."""
    if outcome is None:
        return ""
    return _YES if outcome else _NO


def _outcome(found: Operation) -> Outcome:
    return Outcome(found.works, found.reason, found.hint)
