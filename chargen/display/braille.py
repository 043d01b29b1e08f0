"""Lines drawn in braille, whose characters have two columns of four dots each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

Point = tuple[float, float]  # from 0 at the left and the bottom to 1

# The dots of a character, two columns from the top: Unicode's numbering of them.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def draw(
    lines: Sequence[Sequence[Point]], columns: int, rows: int
) -> dict[tuple[int, int], tuple[str, int]]:
    """What stands where, by (row, column) from the top left: a character and the number of the
    line that is drawn there, the last one where several cross. Points beyond the edges are drawn
    at them."""
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for number, points in enumerate(lines):
        for x, y in _dots(points, columns * 2 - 1, rows * 4 - 1):
            place = (y // 4, x // 2)
            dots = cells.get(place, (0, number))[0] | _DOTS[x % 2][y % 4]
            cells[place] = (dots, number)
    return {place: (chr(0x2800 + dots), number) for place, (dots, number) in cells.items()}


def _dots(points: Sequence[Point], right: int, bottom: int) -> Iterator[tuple[int, int]]:
    """The dots of a line through the points, (x, y) from the top left."""
    places = [
        (round(min(max(x, 0.0), 1.0) * right), round((1 - min(max(y, 0.0), 1.0)) * bottom))
        for x, y in points
    ]
    yield from places[:1]
    for (x0, y0), (x1, y1) in pairwise(places):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(1, steps + 1):
            yield round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps)
