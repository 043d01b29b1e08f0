"""Dropout as planned, and planned anew: the more often a text is read, the more of it is wanted,
and how often that is the speed decides, where time is given. Knows nothing of models and clocks."""

from __future__ import annotations

import math
from collections.abc import Iterable

from chargen.training.planner import PlannedOption, dropout_for
from chargen.training.trainer_state import PlannedDropout

LOOKS = 10  # in a run, so far apart that a busy moment is no part of it to speak of
# The plan stands unless the text is read so many times as often, or as seldom, as it says.
DRIFT = 1.5


def dropout_planned(choices: Iterable[PlannedOption], epochs: float) -> PlannedDropout | None:
    """What is to be watched of a plan for a text that is read so often; None where nothing is."""
    chosen = {choice.name for choice in choices}
    which = {name: name in chosen for name in ("dropout", "weight_dropout")}
    return PlannedDropout(**which, epochs=epochs) if any(which.values()) and epochs > 0 else None


class DropoutWatch:
    """Of one run. `planned` is what dropout was planned for; None where all of it was given."""

    def __init__(
        self,
        planned: PlannedDropout | None,
        *,
        tokenizer: str,
        answers: bool,
        fresh_state: bool = False,
    ) -> None:
        """`tokenizer` is its kind; `answers`, whether they alone count in the loss; `fresh_state`,
        whether each document begins with one."""
        self._fresh_state = fresh_state
        self.planned = planned
        self._tokenizer = tokenizer
        self._answers = answers

    @property
    def epochs(self) -> float:
        """How often the text is to be read, as far as one knows; 0 where nothing is watched."""
        return 0.0 if self.planned is None else self.planned.epochs

    def look(
        self, progress: float, epoch: float, shares: tuple[float, float]
    ) -> tuple[float, float]:
        """Dropout and DropConnect to go on with, where these are the `shares` after this share of
        the run, so many times through the text."""
        planned = self.planned
        if planned is None or progress >= 1:
            return shares
        if math.floor(LOOKS * progress) == math.floor(LOOKS * planned.progress):
            return shares
        # What is left goes on as it went since the last look. Who went back in between has no pace.
        pace = (epoch - planned.epoch) / (progress - planned.progress)
        expected = epoch + (1 - progress) * pace
        stands = pace <= 0 or planned.epochs / DRIFT < expected < planned.epochs * DRIFT
        epochs = planned.epochs if stands else expected
        self._remember(epochs, progress, epoch)
        if stands:
            return shares
        dropout, weight_dropout = dropout_for(
            expected, self._tokenizer, self._answers, self._fresh_state
        )
        return (
            dropout if planned.dropout else shares[0],
            weight_dropout if planned.weight_dropout else shares[1],
        )

    def restart(self) -> None:
        """The run is to be longer or shorter from here on: another share of it is done."""
        if self.planned is not None:
            self._remember(self.planned.epochs, 0.0, 0.0)

    def _remember(self, epochs: float, progress: float, epoch: float) -> None:
        assert self.planned is not None
        self.planned = PlannedDropout(
            dropout=self.planned.dropout,
            weight_dropout=self.planned.weight_dropout,
            epochs=epochs,
            progress=progress,
            epoch=epoch,
        )
