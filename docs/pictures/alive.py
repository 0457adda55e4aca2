"""What keeps a namespace alive, and what only remembers it."""

from typing import Final

from card import DIM, FAINT, HERE, INK, KERNEL, NO, THERE, Card, Colour

_LEFT: Final = 256
_END: Final = 676
_EDGE: Final = 846
_OPEN: Final = 'Namespace.from_pid(pid, "net")'
_HOLDERS: Final = (
    ("a process or thread in it", "/proc/PID/ns/net", "begins", "ends", 0, 170),
    ("a Namespace, an open descriptor", _OPEN, "opened", "closed", 110, 290),
    (
        "a socket that was made there",
        "ns.create_server(...)",
        "made",
        "closed",
        200,
        340,
    ),
    ("a pin, mounted on a file", "ns.pin(path)", "pinned", "unpinned", 250, 420),
)


def draw() -> str:
    """Return the picture."""
    card = Card(870, 470, "What keeps a namespace alive, over time")
    card.text((24, 34), "What holds it", bold=True)
    for number, (name, example, first, last, begin, end) in enumerate(_HOLDERS):
        y = 50 + number * 46
        _row(card, y, name, example)
        card.box((_LEFT + begin, y + 4), (end - begin, 26), HERE, radius=13)
        card.text((_LEFT + begin + 13, y + 21), first, HERE.text, size=12)
        card.text((_LEFT + end - 13, y + 21), last, HERE.text, size=12, anchor="end")
    _life(card, 248)
    _remembered(card, 330)
    card.line([(_LEFT, 452), (_EDGE, 452)], FAINT, arrow=True)
    card.text((_LEFT - 10, 456), "time", DIM, size=12, anchor="end")
    return card.svg()


def _row(card: Card, y: float, name: str, example: str) -> None:
    card.text((24, y + 15), name)
    card.text((24, y + 31), example, DIM, size=11, mono=True)


def _life(card: Card, y: float) -> None:
    """Draw what comes of it: the namespace itself, and another with its number."""
    card.text((24, y + 20), "The namespace", bold=True)
    card.text((24, y + 37), "net:[4026532247]", DIM, size=11, mono=True)
    alive = ["lives as long as anything holds it"]
    card.box((_LEFT, y), (_END - _LEFT, 44), THERE, alive, radius=22)
    other = Colour(INK.line, "#f8fafc", DIM)
    words = ["another one,", "same number"]
    card.box((_END + 30, y), (140, 44), other, words, radius=22, dashed=True)
    card.line([(_END, 42), (_END, 436)], NO.line, dashed=True)
    card.text((_END, 34), "nothing holds it", NO.text, size=12, anchor="middle")


def _remembered(card: Card, y: float) -> None:
    """Draw what does not hold it."""
    card.text((24, y), "What only remembers it", bold=True)
    rows = (
        ("a NamespaceRef", "ns.ref()", "resolve() opens it", "NamespaceGoneError"),
        ("its number", "str(ns.id)", "means this one", "means the other"),
    )
    for number, (name, example, before, after) in enumerate(rows):
        at = y + 12 + number * 46
        _row(card, at, name, example)
        middle = at + 17
        card.line([(_LEFT, middle), (_EDGE, middle)], KERNEL.line, dashed=True)
        card.box((_LEFT + 120, middle - 12), (180, 24), KERNEL, [before], radius=12)
        card.box((_END + 12, middle - 12), (158, 24), NO, [after], radius=12)
