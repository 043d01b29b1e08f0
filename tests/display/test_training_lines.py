"""Whatever the width, the lines, curves and plans of a training fit into it."""

from __future__ import annotations

import io
import math

from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from chargen.display.training_lines import curves, plan_table
from chargen.training.planner import PlannedOption


def test_a_falling_loss_is_drawn_from_the_top_left_to_the_bottom_right() -> None:
    points = [(step / 100, 3.0 - step / 100) for step in range(101)]
    rows = curves(points, [], width=46, height=5).plain.splitlines()
    marks = [
        [column for column, letter in enumerate(row[6:]) if "\u2800" < letter <= "\u28ff"]
        for row in rows[:5]
    ]
    assert all(marks)
    assert [sum(columns) / len(columns) for columns in marks] == sorted(
        sum(columns) / len(columns) for columns in marks
    )
    assert max(len(row) for row in rows) <= 46
    assert rows[-1].split() == ["train", "nats", "per", "token"]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(min_value=0)), min_size=1, max_size=50),
    st.integers(20, 200),
)
@example([(0.0, 0.0)] * 4 + [(0.0, 100.0)], 41)
@example([(0.0, math.nan), (1.0, math.inf)], 41)
def test_any_curve_fits(points: list[tuple[float, float]], width: int) -> None:
    drawn = curves(points, points, width, height=4).plain.splitlines()
    assert len(drawn) == 5
    assert all(len(row) <= max(width, 43) for row in drawn)


def test_a_plan_is_a_row_a_choice_that_fits_the_terminal() -> None:
    plan = [
        PlannedOption("hidden_size", 384, "a wider one would read too little text in the time"),
        PlannedOption("learning_rate", 0.0123456, "for such a cell"),
    ]
    for width in (30, 80):
        drawn = Console(width=width, file=io.StringIO())
        drawn.print(plan_table(plan))
        lines = drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert all(len(line) <= width for line in lines)
        assert any("hidden_size" in line and "384" in line for line in lines)
        assert any("learning_rate" in line and "0.0123" in line for line in lines)
