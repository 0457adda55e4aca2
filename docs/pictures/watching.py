"""From the kernel's rings to events: how tracing sees calls."""

from typing import Final, NamedTuple

from card import DIM, HELPER, HERE, KERNEL, NO, Card, Colour

_RING, _MERGED, _EVENT = 24, 318, 592
_WIDTH: Final = 230
_TOP: Final = 96


class _Record(NamedTuple):
    time: int
    cpu: int
    text: str
    colour: Colour


_RECORDS: Final = (
    _Record(1, 0, "enter setns(5, net)", HERE),
    _Record(2, 1, "enter unshare(uts)", HELPER),
    _Record(3, 0, "is in net:[4026532247]", HERE),
    _Record(4, 1, "exit unshare: EPERM", HELPER),
    _Record(5, 0, "exit setns: 0", HERE),
    _Record(6, 1, "no room for 3 calls", NO),
)
_SLOTS: Final = {1: 0, 3: 1, 5: 2, 2: 0, 4: 1, 6: 2}
_EVENTS: Final = (
    (80, HERE, ("SetnsEvent", "fd 5, result 0", "net: ...840 → ...247")),
    (196, HELPER, ("UnshareEvent", "error EPERM", "changes nothing")),
    (320, NO, ("LostEvent", "count 3")),
)


def draw() -> str:
    """Return the picture."""
    card = Card(846, 412, "From the kernel's rings to events")
    heads = ("The kernel writes", "Merged by time", "trace() tells")
    for x, words in zip((_RING, _MERGED, _EVENT), heads, strict=True):
        card.text((x, 38), words, bold=True)
    card.text((_RING, 58), "one ring for each CPU", DIM, size=12)
    card.text((_MERGED, 58), "two rounds of the reader later", DIM, size=12)
    card.text((_EVENT, 58), "one event for each call", DIM, size=12)
    _rings(card)
    _merged(card)
    _events(card)
    return card.svg()


def _record(card: Card, at: tuple[float, float], record: _Record) -> None:
    card.box(at, (_WIDTH - 20, 28), record.colour, radius=5)
    card.text(
        (at[0] + 10, at[1] + 18.5), str(record.time), record.colour.line, bold=True
    )
    card.text((at[0] + 28, at[1] + 18.5), record.text, record.colour.text)


def _ring_of(cpu: int) -> float:
    return _TOP - 20 + cpu * 168


def _rings(card: Card) -> None:
    """Draw a ring for each CPU, the second of which is full."""
    for cpu in (0, 1):
        y = _ring_of(cpu)
        card.box((_RING, y), (_WIDTH, 152), KERNEL, radius=10)
        card.text((_RING + 12, y + 22), f"CPU {cpu}", KERNEL.text, bold=True)
    for record in _RECORDS:
        at = (_RING + 10, _ring_of(record.cpu) + 32 + _SLOTS[record.time] * 38)
        _record(card, at, record)


def _merged(card: Card) -> None:
    """Draw the records of all rings as one row."""
    for record in _RECORDS:
        y = _middle(record)
        _record(card, (_MERGED, y - 14), record)
        begin = _ring_of(record.cpu) + 46 + _SLOTS[record.time] * 38
        way = [(_RING + _WIDTH - 9, begin), (_MERGED - 3, y)]
        card.line(way, record.colour.line, arrow=True)


def _middle(record: _Record) -> float:
    """Return the height of a record in the middle row."""
    return _TOP + 6 + (record.time - 1) * 50


def _events(card: Card) -> None:
    """Draw the events that come of them."""
    for y, colour, lines in _EVENTS:
        height = 24 + 18 * len(lines)
        card.box((_EVENT, y), (_WIDTH, height), colour, radius=8)
        for number, line in enumerate(lines):
            at = (_EVENT + 14, y + 24 + number * 18)
            card.text(at, line, colour.text, bold=number == 0, mono=number == 0)
        for record in _RECORDS:
            if record.colour is colour:
                begin = (_MERGED + _WIDTH - 19, _middle(record))
                end = (_EVENT - 3, y + height / 2)
                card.line([begin, end], colour.line, arrow=True)
