"""Drawing on a white card, which looks the same on light and on dark pages."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

SANS: Final = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"
MONO: Final = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


class Colour(NamedTuple):
    """A line, what it goes around, and how text on that is."""

    line: str
    fill: str
    text: str


INK: Final = Colour("#475569", "#f1f5f9", "#1e293b")
"""What is neither here nor there."""

HERE: Final = Colour("#2563eb", "#dbeafe", "#1e3a8a")
"""Your process, and where it is."""

THERE: Final = Colour("#0d9488", "#ccfbf1", "#134e4a")
"""Another namespace, and what is in it."""

KERNEL: Final = Colour("#7c3aed", "#ede9fe", "#4c1d95")
"""What the kernel does or says."""

HELPER: Final = Colour("#d97706", "#fef3c7", "#78350f")
"""Who helps, and is gone afterwards."""

NO: Final = Colour("#dc2626", "#fee2e2", "#7f1d1d")
"""What is refused, or lost."""

FAINT: Final = "#94a3b8"
DIM: Final = "#64748b"

Point = tuple[float, float]


class Card:
    """A picture; what is drawn later is above."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = width, height
        self._title = title
        self._parts: list[str] = []

    def box(
        self,
        at: Point,
        size: Point,
        colour: Colour = INK,
        lines: Sequence[str] = (),
        *,
        radius: float = 6,
        dashed: bool = False,
        mono: bool = False,
        filled: bool = True,
        bordered: bool = True,
    ) -> None:
        """Draw a box with lines of text in its middle."""
        (x, y), (width, height) = at, size
        fill = colour.fill if filled else "#ffffff"
        stroke = f'stroke="{colour.line}" stroke-width="1.5"' if bordered else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
            f' rx="{radius:g}" fill="{fill}" {stroke}{dash}/>'
        )
        first = y + height / 2 - (len(lines) - 1) * 8.5 + 4.5
        for number, line in enumerate(lines):
            middle = (x + width / 2, first + number * 17)
            self.text(middle, line, colour.text, anchor="middle", mono=mono)

    def text(
        self,
        at: Point,
        text: str,
        colour: str = INK.text,
        *,
        size: float = 13,
        anchor: str = "start",
        mono: bool = False,
        bold: bool = False,
    ) -> None:
        """Write a line of text."""
        family = MONO if mono else SANS
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{at[0]:g}" y="{at[1]:g}" fill="{colour}" font-size="{size:g}"'
            f' text-anchor="{anchor}" font-family="{family}"{weight}>'
            f"{escape(text)}</text>"
        )

    def line(
        self,
        points: Sequence[Point],
        colour: str = INK.line,
        *,
        width: float = 1.5,
        dashed: bool = False,
        arrow: bool = False,
        round_by: float = 0,
    ) -> None:
        """Draw a line through points, with corners as round as told."""
        path = f"M{points[0][0]:g} {points[0][1]:g}"
        for before, at, after in zip(points, points[1:], points[2:], strict=False):
            near, far = _towards(at, before, round_by), _towards(at, after, round_by)
            path += f" L{near[0]:g} {near[1]:g} Q{at[0]:g} {at[1]:g} "
            path += f"{far[0]:g} {far[1]:g}"
        path += f" L{points[-1][0]:g} {points[-1][1]:g}"
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"'
            f' stroke-linejoin="round"{dash}/>'
        )
        if arrow:
            self._head(points[-2], points[-1], colour)

    def _head(self, before: Point, end: Point, colour: str) -> None:
        back, side = _towards(end, before, 9), _towards(end, before, 4)
        dx, dy = end[0] - side[0], end[1] - side[1]
        corners = [end, (back[0] - dy, back[1] + dx), (back[0] + dy, back[1] - dx)]
        shape = " ".join(f"{x:g},{y:g}" for x, y in corners)
        self._parts.append(f'<polygon points="{shape}" fill="{colour}"/>')

    def dot(
        self, at: Point, colour: str, *, radius: float = 5, hollow: bool = False
    ) -> None:
        """Draw a dot."""
        inside = "#ffffff" if hollow else colour
        self._parts.append(
            f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="{radius:g}" fill="{inside}"'
            f' stroke="{colour}" stroke-width="2"/>'
        )

    def svg(self) -> str:
        """Return the picture."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}"'
            f' height="{height}" viewBox="0 0 {width} {height}">'
        )
        card = (
            f'<rect x="0.75" y="0.75" width="{width - 1.5}" height="{height - 1.5}"'
            ' rx="12" fill="#ffffff" stroke="#cbd5e1" stroke-width="1.5"/>'
        )
        title = f"<title>{escape(self._title)}</title>"
        return "\n".join([head, title, card, *self._parts, "</svg>\n"])


def _towards(at: Point, to: Point, distance: float) -> Point:
    """Return the point that is so far from one on the way to another."""
    dx, dy = to[0] - at[0], to[1] - at[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1
    return at[0] + dx / length * distance, at[1] + dy / length * distance
