"""The thread that enters a namespace, while the others of its process stay."""

from typing import Final

from card import DIM, FAINT, HELPER, HERE, NO, THERE, Card

_LEFT: Final = 150
_EDGE: Final = 846
_FIRST, _OTHER, _MOVER = 96, 136, 176
_INSIDE: Final = 272
_SOCKET, _STARTED = 316, 356


def draw() -> str:
    """Return the picture."""
    card = Card(870, 430, "One thread enters a namespace; the others stay")
    _lanes(card)
    for y, name in ((_FIRST, "first thread"), (_OTHER, "another one")):
        card.text((32, y + 4), name, HERE.text)
        card.line([(_LEFT, y), (_EDGE, y)], HERE.line, width=3)
    card.text((176, 66), "/proc/self and /proc/PID/ns tell of this one only", HERE.text)
    card.line([(168, 62), (160, 62), (160, _FIRST - 4)], HERE.line, arrow=True)
    _left_inside(card)
    _mover(card)
    card.line([(32, 410), (_EDGE, 410)], FAINT, arrow=True)
    card.text((_EDGE, 404), "time", DIM, size=12, anchor="end")
    return card.svg()


def _lanes(card: Card) -> None:
    """Draw the two places."""
    card.box((14, 14), (842, 204), HERE, radius=8, bordered=False)
    card.box((14, 226), (842, 160), THERE, radius=8, bordered=False)
    card.text((32, 42), "Where the process is", HERE.text, bold=True)
    card.text((32, 254), "The namespace", THERE.text, bold=True)


def _mover(card: Card) -> None:
    """Draw the thread that enters and comes back."""
    card.text((32, _MOVER + 4), "calling thread", HELPER.text, bold=True)
    way = [(_LEFT, _MOVER), (236, _MOVER), (296, _INSIDE)]
    way += [(560, _INSIDE), (620, _MOVER), (_EDGE, _MOVER)]
    card.line(way, HELPER.line, width=5, round_by=24)
    card.text((224, _MOVER + 26), "with ns:", HELPER.text, anchor="end", mono=True)
    card.text((420, _INSIDE - 12), "the body", HELPER.text, anchor="middle")
    card.text((634, _MOVER + 26), "back where it was, exactly", HELPER.text)
    for x, colour in ((352, THERE.line), (474, NO.line)):
        card.dot((x, _INSIDE), colour, hollow=True)


def _left_inside(card: Card) -> None:
    """Draw what stays inside after the thread has left."""
    begun = [(352, _INSIDE), (352, _SOCKET), (_EDGE, _SOCKET)]
    card.line(begun, THERE.line, width=3, dashed=True, round_by=14)
    begun = [(474, _INSIDE), (474, _STARTED), (_EDGE, _STARTED)]
    card.line(begun, NO.line, width=3, round_by=14)
    words = "a socket made there stays there, for all threads to use"
    card.text((_EDGE, _SOCKET - 8), words, THERE.text, anchor="end")
    words = "a thread started there stays inside"
    card.text((_EDGE, _STARTED - 8), words, NO.text, anchor="end")
