"""The schedule of a run: how much of it is done, when to evaluate, how fast to learn.

In steps or epochs, steps count; under `minutes`, the time does, and then what evaluations and saves
will still take is kept in reserve. Knows nothing of models and losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chargen.config import DEFAULT_MINUTES, TrainConfig
from chargen.training.optimizer import learning_rate_factor
from chargen.training.trainer_state import Position

# With the time given, validations in between wait while they have taken more than this share of it.
EVALUATION_TIME = 0.1


class Schedule:
    """`steps_per_epoch` need not be whole; `started` is the reading of `clock` at which the time of
    the run began to count."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        steps_per_epoch: float,
        peak_rate: float,
        clock: Callable[[], float],
        started: float | None,
    ) -> None:
        self.peak_rate = peak_rate
        self.progress = 0.0  # the share of the run that is done
        self.evaluated = 0  # how many of the planned evaluations lie behind
        self.reserve = 0.0  # seconds that the next evaluation and save will take
        self._config = config
        self._clock = clock
        self._origin = clock() if started is None else started
        self._earlier_seconds = 0.0  # of the runs that this one goes on from
        self._start: float | None = None  # seconds, when the first step was taken
        self._evaluation_seconds = 0.0
        self._total_steps = config.steps
        if config.epochs is not None:
            self._total_steps = max(1, round(config.epochs * steps_per_epoch))

    @property
    def seconds(self) -> float:
        """Since the start, earlier runs included."""
        return self._earlier_seconds + self._clock() - self._origin

    def freeze(self) -> None:
        """No more time goes by for a run that is over: it took what earlier runs took."""
        self._clock = lambda: self._origin

    @property
    def has_begun(self) -> bool:
        return self._start is not None

    def begin(self) -> None:
        """The first step is about to be taken."""
        self._start = self.seconds

    def advance(self, step: int) -> None:
        """Measure what is done after so many steps."""
        self.progress = self._measure(step)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to learn."""
        return self.progress >= 1

    @property
    def all_done(self) -> bool:
        """Whether the last evaluation is done, too."""
        return self.is_over and self.evaluated >= self._config.evaluations

    @property
    def reached(self) -> int:
        """How many of the planned evaluations should lie behind by now."""
        return math.floor(self.progress * self._config.evaluations)

    def evaluation_is_due(self, step: int) -> bool:
        if step == 0 or self.progress * self._config.evaluations < self.evaluated + 1:
            return False
        free = self._total_steps is not None or self.is_over
        return free or self._evaluation_seconds <= EVALUATION_TIME * self.seconds

    def evaluation_took(self, seconds: float) -> None:
        self._evaluation_seconds += seconds
        self.reserve = 1.5 * seconds + 0.5

    def seconds_left(self) -> float | None:
        if self._total_steps is None:
            return max(0.0, 60 * (self._config.minutes or DEFAULT_MINUTES) - self.seconds)
        spent = self.seconds - (self._start or 0.0)
        return spent * (1 / self.progress - 1) if self.progress > 0 else None

    def learning_rate(self) -> float:
        """That of the next step."""
        # The first step learns a little, too: it counts as half a step done.
        first = 0.5 / self._total_steps if self._total_steps else 1e-4
        return self.peak_rate * learning_rate_factor(self.progress + first, self._config.warmup)

    def _measure(self, step: int) -> float:
        if self._total_steps is not None:
            return step / self._total_steps
        start = self._start or 0.0
        budget = 60 * (self._config.minutes or DEFAULT_MINUTES)
        reserve = self.reserve or 0.01 * budget
        done = (self.seconds - start) / max(budget - reserve - start, 1e-9)
        return max(done, self.progress)  # a longer reserve does not turn time back

    # -- what of it is saved --------------------------------------------------------------------

    @property
    def length(self) -> tuple[float | None, float | None, int | None]:
        """How long the run is to be, as it was asked for."""
        return self._config.minutes, self._config.epochs, self._config.steps

    def position(self) -> dict[str, Any]:
        """Fields of a Position."""
        return {
            "seconds": self.seconds,
            "plan": self.length,
            "progress": self.progress,
            "schedule_start": self._start,
            "evaluated": self.evaluated,
            "reserve": self.reserve,
            "evaluation_seconds": self._evaluation_seconds,
        }

    def restore(self, at: Position) -> bool:
        """Go on from there. Whether the run is to be as long as it was; where it is longer or
        shorter, another share of it is done."""
        self._earlier_seconds = at.seconds
        self._start = at.schedule_start
        self.reserve, self._evaluation_seconds = at.reserve, at.evaluation_seconds
        is_as_long = at.plan == self.length
        self.progress = at.progress if is_as_long else self._measure(at.step)
        self.evaluated = min(at.evaluated, self.reached)
        return is_as_long
