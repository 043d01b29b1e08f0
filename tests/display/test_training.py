"""What a training shows: lines that fit, curves where the numbers are."""

from __future__ import annotations

import pytest

from chargen.display.console import console
from chargen.display.training import PlainView
from chargen.training.events import OutOfMemory, Rollback


def test_a_setback_says_where_it_goes_on_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    rollback = Rollback(
        step=130, back_to=100, seconds=5.0, train_loss=float("nan"), learning_rate=0.005, left=2
    )
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
