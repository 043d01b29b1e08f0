"""What a training shows: lines that fit, curves where the numbers are."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from chargen.display.terminal import console
from chargen.display.training import PlainView, _flow, curves, plan_table
from chargen.training.planner import Choice
from chargen.training.trainer import OutOfMemory, Rollback


@given(
    words=st.lists(st.text("abc", min_size=1, max_size=12), max_size=12),
    width=st.integers(12, 40),
)
def test_chunks_flow_into_lines_that_fit(words: list[str], width: int) -> None:
    flown = _flow([Text(word) for word in words], "  ", width).plain
    assert flown.split() == words
    assert all(len(line) <= width for line in flown.split("\n"))


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
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=1, max_size=50),
    st.integers(20, 200),
)
def test_any_curve_fits(points: list[tuple[float, float]], width: int) -> None:
    drawn = curves(points, points, width, height=4).plain.splitlines()
    assert len(drawn) == 5
    assert all(len(row) <= max(width, 41) for row in drawn)


def test_a_plan_is_a_row_a_choice_that_fits_the_terminal() -> None:
    plan = [Choice("hidden_size", 384, "a wider one would read too little in the time"),
            Choice("learning_rate", 0.0123456, "for such a cell")]  # fmt: skip
    for width in (30, 80):
        drawn = Console(width=width, file=io.StringIO())
        drawn.print(plan_table(plan))
        lines = drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert all(len(line) <= width for line in lines)
        assert any("hidden_size" in line and "384" in line for line in lines)
        assert any("learning_rate" in line and "0.0123" in line for line in lines)


def test_a_setback_says_where_it_goes_on_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    rollback = Rollback(step=130, back_to=100, seconds=5.0, train_loss=float("nan"),
                        learning_rate=0.005, left=2)  # fmt: skip
    PlainView(console()).show(rollback)
    said = capsys.readouterr().out
    assert "exploded (nan) by step 130; going on from step 100" in said
    assert "half the learning rate, 0.005" in said


def test_what_did_not_fit_into_memory_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    PlainView(console()).show(OutOfMemory(step=12, parts=4, seconds=1.0))
    [line] = capsys.readouterr().out.splitlines()
    assert "step 12 did not fit into memory" in line and "--accumulate 4" in line
