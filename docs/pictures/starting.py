"""Who does what when a program is started in fresh namespaces, and in which order."""

from typing import Final

from card import DIM, HELPER, HERE, INK, KERNEL, NO, THERE, Card, Colour

_CALLER, _STAGE, _SETTLER, _PROGRAM = 108, 320, 546, 766
_HALF: Final = 70
_BEGUN: Final = 664
_BOTTOM: Final = 744

_STEPS: Final = (
    (_STAGE, 164, "setns", "what it joins, in an order that works"),
    (_STAGE, 202, "unshare", "all that is fresh, with the user namespace, by one call"),
    (
        _STAGE,
        240,
        "uid_map",
        "those of several ranges are written before, from outside",
    ),
    (_STAGE, 278, "mount", "makes mounts private; then clocks, host name, loopback"),
    (_SETTLER, 392, "mount", "/proc of the inside"),
    (_SETTLER, 498, "execve", "is pyns-init"),
)


def draw() -> str:
    """Return the picture."""
    card = Card(870, 814, "How a program is started in fresh namespaces")
    words = 'Popen(["make"], join=network, new=("user", "pid", "mnt"))'
    card.text((24, 36), words, HERE.text, mono=True)
    _lifelines(card)
    for x, y, call, what in _STEPS:
        card.box((x - 44, y - 13), (88, 26), KERNEL, [call], mono=True)
        card.text((x + 54, y + 4), what, INK.text, size=12)
    _births(card)
    _program(card)
    _ends(card)
    return card.svg()


def _lifelines(card: Card) -> None:
    lanes = (
        (_CALLER, HERE, "the calling thread", 76, _BOTTOM),
        (_STAGE, HELPER, "stage", 116, _BEGUN),
        (_SETTLER, HELPER, "settler", 344, _BOTTOM),
        (_PROGRAM, THERE, "program", 446, 706),
    )
    for x, colour, name, top, end in lanes:
        card.line([(x, top), (x, end)], colour.line, width=2)
        card.box((x - _HALF, top - 17), (2 * _HALF, 34), colour, [name], radius=8)
    for x, begin, end, colour in (
        (_CALLER, 117, _BEGUN, HERE),
        (_PROGRAM, 464, 540, THERE),
    ):
        card.line([(x, begin), (x, end)], "#ffffff", width=4)
        card.line([(x, begin), (x, end)], colour.line, width=2, dashed=True)
    card.text((_CALLER + 10, 400), "waits", DIM, size=12)
    card.text((_PROGRAM + 10, 506), "waits", DIM, size=12)


def _births(card: Card) -> None:
    _arrow(card, 116, (_CALLER, _STAGE - _HALF), ("clone",), KERNEL)
    words = ("clone, as your child:", "born as number 1")
    _arrow(card, 344, (_STAGE, _SETTLER - _HALF), words, KERNEL)
    _arrow(card, 446, (_SETTLER, _PROGRAM - _HALF), ("clone:", "number 2"), KERNEL)


def _arrow(
    card: Card,
    y: float,
    ends: tuple[float, float],
    words: tuple[str, ...],
    colour: Colour,
) -> None:
    """Draw what goes from one to another, with a line above and one below."""
    card.line([(ends[0], y), (ends[1], y)], colour.line, arrow=True)
    for number, line in enumerate(words):
        at = (sum(ends) / 2, y - 8 + number * 24)
        card.text(at, line, INK.text, size=12, anchor="middle")


def _program(card: Card) -> None:
    """Draw what the program's process does, when there is an init above it."""
    _arrow(card, 540, (_SETTLER, _PROGRAM), ("go: there is an init",), HELPER)
    words = ["cwd, session,", "ids, capabilities"]
    card.box((_PROGRAM - _HALF, 556), (2 * _HALF, 44), KERNEL, words)
    card.box((_PROGRAM - 44, 613), (88, 26), KERNEL, ["execve"], mono=True)


def _ends(card: Card) -> None:
    """Draw how the stage ends, and the program; and what comes of a failure."""
    card.line([(_STAGE - 8, _BEGUN), (_STAGE + 8, _BEGUN)], HELPER.line, width=3)
    _arrow(card, _BEGUN, (_STAGE, _CALLER), ("it runs: its pidfds",), HERE)
    card.line([(_PROGRAM - 8, 706), (_PROGRAM + 8, 706)], THERE.line, width=3)
    _arrow(card, 706, (_PROGRAM, _SETTLER), ("ends",), THERE)
    _arrow(card, 730, (_SETTLER, _CALLER), ("reaps it, and says how it ended",), HELPER)
    words = (
        "If a step fails, all are killed and reaped, and SpawnError says which it was."
    )
    card.box((24, 764), (822, 34), NO, [words])
