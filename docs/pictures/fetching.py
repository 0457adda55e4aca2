"""How a helper task fetches a socket from another network."""

from typing import Final

from card import DIM, FAINT, HELPER, HERE, INK, KERNEL, THERE, Card

_LEFT: Final = 150
_EDGE: Final = 846
_CALLER, _TABLE, _INSIDE = 86, 160, 288
_BORN, _MADE, _GONE, _BACK = 290, 500, 580, 610


def draw() -> str:
    """Return the picture."""
    card = Card(870, 400, "A helper task fetches a socket; no thread moves")
    card.box((14, 14), (842, 204), HERE, radius=8, bordered=False)
    card.box((14, 226), (842, 128), THERE, radius=8, bordered=False)
    card.text((32, 42), "Where the process is", HERE.text, bold=True)
    card.text((32, 338), "The network", THERE.text, bold=True)
    _caller(card)
    _socket(card)
    _task(card)
    card.line([(32, 378), (_EDGE, 378)], FAINT, arrow=True)
    card.text((_EDGE, 372), "time", DIM, size=12, anchor="end")
    return card.svg()


def _caller(card: Card) -> None:
    """Draw the thread that asks, and waits for the answer."""
    card.text((32, _CALLER + 4), "calling thread", HERE.text)
    card.line([(_LEFT, _CALLER), (_BORN, _CALLER)], HERE.line, width=3)
    card.line([(_BORN, _CALLER), (_BACK, _CALLER)], HERE.line, width=3, dashed=True)
    card.line([(_BACK, _CALLER), (_EDGE, _CALLER)], HERE.line, width=3)
    above = _CALLER - 12
    card.text((_BORN - 4, above), "net.socket()", HERE.text, anchor="end", mono=True)
    waits = "waits, where it is"
    card.text(((_BORN + _BACK) / 2, above), waits, HERE.text, anchor="middle")
    card.text((_BACK + 10, above), "sock.fileno() == 6", HERE.text, mono=True)


def _task(card: Card) -> None:
    """Draw the task: born, inside, gone."""
    way = [(_BORN, _CALLER), (_BORN + 36, _INSIDE), (_GONE, _INSIDE)]
    card.line(way, HELPER.line, width=5, round_by=24)
    card.dot((_BORN, _CALLER), HELPER.line)
    card.line([(_GONE, _INSIDE - 8), (_GONE, _INSIDE + 8)], HELPER.line, width=4)
    card.text((_GONE + 10, _INSIDE + 5), "gone", HELPER.text)
    words = ("helper task", "same memory,", "same descriptors")
    for number, line in enumerate(words):
        at = (_BORN - 2, 252 + number * 17)
        card.text(at, line, HELPER.text, anchor="end", bold=number == 0)
    card.box((350, _INSIDE - 48), (80, 26), KERNEL, ["setns"], mono=True)
    card.box((_MADE - 40, _INSIDE - 48), (80, 26), KERNEL, ["socket"], mono=True)
    card.dot((_MADE, _INSIDE), THERE.line, hollow=True)


def _socket(card: Card) -> None:
    """Draw the socket, and the table in which the process has it."""
    card.text((32, _TABLE + 4), "descriptors", INK.text)
    for left in (_LEFT, _MADE - 107):
        for number in range(3):
            at = (left + number * 30, _TABLE - 14)
            card.box(at, (27, 28), INK, [str(number + 3)])
    card.box((_MADE - 17, _TABLE - 14), (34, 28), THERE, ["6"])
    begun = [(_MADE, _INSIDE), (_MADE, 326), (_EDGE, 326)]
    card.line(begun, THERE.line, width=3, round_by=14)
    up = [(_MADE, _INSIDE - 48), (_MADE, _TABLE + 16)]
    card.line(up, THERE.line, arrow=True)
    link = [(_MADE + 17, _TABLE), (690, _TABLE), (690, 322)]
    card.line(link, THERE.line, dashed=True, arrow=True, round_by=14)
    card.text((_EDGE, 316), "the socket is here", THERE.text, anchor="end")
    card.text((700, _TABLE + 4), "used from here", HERE.text)
