"""What a training shows: lines that fit, curves where the numbers are, whatever happens in it."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from chargen.config import ModelConfig, TrainConfig
from chargen.display.console import console
from chargen.display.training import LiveView, PlainView
from chargen.training.events import (
    EvalReport,
    Event,
    OutOfMemory,
    Replanned,
    Rollback,
    Saved,
    StepReport,
)
from chargen.training.planner import PlannedOption
from chargen.training.run import TrainReport

ANY_LOSS = st.one_of(st.floats(min_value=0), st.just(math.nan))
PERHAPS = st.one_of(st.none(), ANY_LOSS)
SHARE = st.floats(0, 1)
COUNT = st.integers(0, 10**9)


def evaluations() -> st.SearchStrategy[EvalReport]:
    return st.builds(
        EvalReport, step=COUNT, epoch=ANY_LOSS, progress=SHARE, seconds=ANY_LOSS,
        train_loss=PERHAPS, valid_loss=PERHAPS, bits_per_byte=PERHAPS, bits_per_character=PERHAPS,
        learning_rate=ANY_LOSS, best=st.booleans(), sample=st.text(max_size=200),
    )  # fmt: skip


def events() -> st.SearchStrategy[list[Event]]:
    kinds: list[st.SearchStrategy[Event]] = [
        st.builds(
            StepReport, step=COUNT, epoch=ANY_LOSS, progress=SHARE, seconds=ANY_LOSS,
            seconds_left=PERHAPS, tokens_per_second=ANY_LOSS, train_loss=PERHAPS,
            gradient_norm=ANY_LOSS, learning_rate=ANY_LOSS,
        ),
        evaluations(),
        st.builds(
            Rollback, step=COUNT, back_to=COUNT, seconds=ANY_LOSS, train_loss=ANY_LOSS,
            learning_rate=ANY_LOSS, left=COUNT,
        ),
        st.builds(OutOfMemory, step=COUNT, parts=COUNT, seconds=ANY_LOSS),
        st.builds(
            Replanned, step=COUNT, seconds=ANY_LOSS, epochs=ANY_LOSS, planned_epochs=ANY_LOSS,
            dropout=SHARE, weight_dropout=SHARE, dropout_before=SHARE,
            weight_dropout_before=SHARE,
        ),
        st.builds(Saved, step=COUNT, seconds=ANY_LOSS),
    ]  # fmt: skip
    return st.lists(st.one_of(kinds), max_size=8)


def a_run(past: list[EvalReport], finished: bool = False) -> Any:
    """As much of a run as is shown."""
    return SimpleNamespace(
        model=SimpleNamespace(config=ModelConfig(), num_parameters=123_456),
        corpus=SimpleNamespace(
            name="tiny", sources=[("tiny", 12_345, "")], notes=("tiny: CSV, 12 records",),
            tokenizer=SimpleNamespace(kind="char", vocab_size=257),
        ),
        trainer=SimpleNamespace(config=TrainConfig(minutes=0.5), history=past, finished=finished),
        resumed=bool(past), device="cpu, 1 thread", folder=Path("checkpoints/tiny"),
        plan=[PlannedOption("hidden_size", 384, "a wider one would overfit")],
    )  # fmt: skip


def step_report(**given: Any) -> StepReport:
    numbers: dict[str, Any] = {
        "step": 3, "epoch": 0.1, "progress": 0.25, "seconds": 1.0, "seconds_left": 3.0,
        "tokens_per_second": 1e4, "train_loss": 2.0, "gradient_norm": 1.0, "learning_rate": 1e-3,
    }  # fmt: skip
    return StepReport(**numbers | given)


REPORT = TrainReport(Path("checkpoints/tiny"), 3, 1.0, 1e4, None, None, None, False)


@given(
    past=st.lists(evaluations(), max_size=3),
    happens=events(),
    widths=st.lists(st.integers(24, 120), min_size=1, max_size=3),
    height=st.integers(3, 50),
    stopped=st.booleans(),
)
@example([], [], [40], 24, False)
@example([], [step_report(train_loss=None, seconds_left=None, progress=0.0)], [40], 24, True)
@example([], [step_report(train_loss=math.nan), step_report(train_loss=math.inf)], [40], 24, True)
def test_any_view_shows_any_run(
    past: list[EvalReport], happens: list[Event], widths: list[int], height: int, stopped: bool
) -> None:
    shown = io.StringIO()
    out = Console(
        file=shown, force_terminal=True, width=widths[0], height=height, markup=False,
        emoji=False, highlight=False,
    )  # fmt: skip
    live, plain = LiveView(out), PlainView(Console(file=io.StringIO()))
    with live, plain:
        for view in (live, plain):
            view.preparing("reading the text", 0.5)
            view.begin(a_run(past))
        for index, event in enumerate(happens):
            out.width = widths[index % len(widths)]  # somebody resizes the terminal
            live.show(event)
            plain.show(event)
        drawn = shown.getvalue()
        for view in (live, plain):
            view.end(REPORT, stopped)
    lines = re.split("[\r\n]", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn))
    assert max(map(cell_len, lines)) <= max(widths)


def test_what_is_not_known_yet_is_not_shown() -> None:
    shown = io.StringIO()
    with LiveView(Console(file=shown, force_terminal=True, width=80, height=24)) as view:
        view.begin(a_run([]))
        view.show(step_report(train_loss=None))
    assert "tokens/s" in shown.getvalue()
    assert "nan" not in shown.getvalue() and "train " not in shown.getvalue().split("cpu")[1]


def test_a_setback_says_where_it_goes_on_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    rollback = Rollback(
        step=130, back_to=100, seconds=5.0, train_loss=float("nan"), learning_rate=0.005, left=2
    )
    PlainView(console()).show(rollback)
    said = capsys.readouterr().out
    assert "exploded (nan) by step 130; continuing from step 100" in said
    assert "half the learning rate, 0.005" in said


def test_a_new_plan_says_why_and_what_of_it_changes() -> None:
    event = Replanned(
        step=1200, seconds=5.0, epochs=9.04, planned_epochs=40.0, dropout=0.3, weight_dropout=0.0,
        dropout_before=0.3, weight_dropout_before=0.4,
    )  # fmt: skip
    out, live = io.StringIO(), io.StringIO()
    PlainView(Console(file=out, width=200)).show(event)
    assert out.getvalue() == (
        "step 1,200: the text will be read 9.0 times, not 40.0 as planned; "
        "from here on weight_dropout 0.4 -> 0\n"
    )
    with LiveView(Console(file=live, force_terminal=True, width=200, height=24)) as view:
        view.show(event)
    assert "will be read 9.0 times, not 40.0 as planned" in live.getvalue()


def test_what_did_not_fit_into_memory_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    PlainView(console()).show(OutOfMemory(step=12, parts=4, seconds=1.0))
    [line] = capsys.readouterr().out.splitlines()
    assert "step 12 did not fit into memory" in line and "(accumulate 4)" in line
