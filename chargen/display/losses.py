"""The losses along a run as curves need them: few points, whatever its length. Draws nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # types alone: the display needs no torch
    from chargen.training.events import EvalReport, StepReport

CURVE_PLACES = 148  # along the run: two to a column of the widest curve in a terminal
Points = list[tuple[float, float]]  # (progress from 0 to 1, nats per token)


class LossCurves:
    """Those of the text that is trained on, a mean for each place, and of the validations."""

    def __init__(self) -> None:
        self._train: dict[int, tuple[int, float]] = {}  # how many fell there, and their sum
        self.valid: Points = []

    def add_step(self, report: StepReport) -> None:
        if report.train_loss is not None:
            place = round(report.progress * CURVE_PLACES)
            reports, total = self._train.get(place, (0, 0.0))
            self._train[place] = (reports + 1, total + report.train_loss)

    def add_evaluation(self, report: EvalReport) -> None:
        if report.valid_loss is not None:
            self.valid.append((report.progress, report.valid_loss))

    @property
    def train(self) -> Points:
        return [(place / CURVE_PLACES, total / n) for place, (n, total) in self._train.items()]


def finite(points: Points) -> Points:
    return [(place, loss) for place, loss in points if math.isfinite(loss)]


def loss_range(*curves: Points) -> tuple[float, float]:
    """The lowest loss, and one that is at most that of all but the first steps, far above."""
    losses = sorted(loss for curve in curves for _, loss in finite(curve)) or [0.0]
    low, high = losses[0], losses[int(0.95 * (len(losses) - 1))]
    return low, max(high, low + max(1e-3, 1e-6 * low))
