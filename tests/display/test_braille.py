"""Lines in braille: each dot where it belongs."""

from __future__ import annotations

from chargen.display.braille import draw


def test_a_line_from_corner_to_corner() -> None:
    """Two characters by one: four dots wide, four high."""
    assert draw([[(0.0, 0.0), (1.0, 1.0)]], columns=2, rows=1) == {
        (0, 0): ("⡠", 0),
        (0, 1): ("⠊", 0),
    }


def test_what_is_beyond_is_drawn_at_the_edge_and_the_last_line_has_the_colour() -> None:
    top, bottom = [(0.5, 7.0)], [(0.5, -7.0)]
    cells = draw([top, bottom], columns=1, rows=2)
    assert {place: number for place, (_, number) in cells.items()} == {(0, 0): 0, (1, 0): 1}
    assert draw([top, top], columns=1, rows=1)[0, 0][1] == 1
    assert draw([[]], columns=3, rows=3) == {}
