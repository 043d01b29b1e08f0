"""A trainer at a step boundary, as it is saved: tensors by name, and the numbers beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from chargen.nn.transfer import Tensors
from chargen.runtime.files import Amount, Count, Record


@dataclass(frozen=True)
class TrainerState:
    """All that the rest of a run depends on."""

    weights: Tensors  # the last
    best: Tensors  # the best by validation so far
    learner: Tensors  # all tensors beside the weights that the next step depends on
    position: dict[str, Any]  # a Position, JSON-able
    metrics: list[dict[str, Any]]  # a line an evaluation, without its sample


class StepNumbers(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where a step begins, beside the tensors."""

    step: Count
    place: Count
    loss_sum: float | None  # None: no number
    loss_steps: Count
    average_updates: Count


class PlannedDropout(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What dropout was planned for, and how far the run was when that was looked at last."""

    dropout: bool  # whether it was planned; else somebody gave it, as the next one
    weight_dropout: bool
    epochs: Amount
    progress: Amount = 0.0
    epoch: Amount = 0.0


class Position(StepNumbers, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """All numbers that the rest of a run depends on. What has a default came later: with format 4,
    the last with format 8."""

    seconds: Amount
    plan: tuple[Amount | None, Amount | None, Count | None]
    progress: Amount
    step_seconds: Amount
    schedule_start: Amount | None
    evaluated: Count
    patience_from: Count
    validation_limit: Count | None
    check_sum: float | None
    check_steps: Count
    ceiling: float | None
    rollbacks: Count
    good: StepNumbers | None
    norm: float | None = 0.0
    reserve: Amount = 0.0
    evaluation_seconds: Amount = 0.0
    planned_dropout: PlannedDropout | None = None


@dataclass
class RunningMean:
    """A mean that takes in one value after another. The order matters, to the last bit."""

    total: float = 0.0
    count: int = 0

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None

    def add(self, value: float, weight: int = 1) -> None:
        """Take in a value that stands for so many."""
        self.total += value * weight
        self.count += weight

    def reset(self, total: float | None = 0.0, count: int = 0) -> None:
        """Begin anew, or go on from there."""
        self.total, self.count = nan_if_none(total), count


def nan_if_none(value: float | None) -> float:
    """JSON has no word for NaN."""
    return math.nan if value is None else value
