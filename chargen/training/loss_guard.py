"""What watches over a run's losses: where they explode, it goes back to the last sound state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from chargen.nn.transfer import Tensors
from chargen.training.stepper import StepLoss, TrainStepper
from chargen.training.trainer_state import Position, RunningMean, StepNumbers, nan_if_none

# So many nats per token above what a guess costs, or above where the run began, the loss exploded.
EXPLOSION = 1.0
MAX_ROLLBACKS = 3


@dataclass(frozen=True)
class _Good:
    """A sound state, as `restore_step` takes it back."""

    tensors: Tensors
    numbers: StepNumbers


class LossGuard:
    """Of a stepper and of the mean of its losses since the last evaluation, which go back together.

    A state is sound if its losses are finite and below a ceiling, and gradient and weights finite.
    """

    def __init__(self, stepper: TrainStepper, since_evaluation: RunningMean) -> None:
        self.rollbacks = 0
        self._stepper = stepper
        self._since_evaluation = since_evaluation
        self._since_check = RunningMean()
        self._ceiling: float | None = None  # nats per token above which the loss has exploded
        self._good: _Good | None = None

    def watch(self, losses: list[StepLoss]) -> None:
        """Take in the losses of steps, in their order."""
        if losses and self._ceiling is None:
            # Nothing is worse than a guess, but another's model on a new text may begin so.
            guess = math.log(self._stepper.model.vocab_size)
            first = losses[0].nats
            self._ceiling = EXPLOSION + (first if guess < first < math.inf else guess)
        for loss in losses:
            self._since_check.add(*loss)

    @property
    def has_seen_nan(self) -> bool:
        """Whether a loss since the last check was not finite."""
        return not math.isfinite(self._since_check.total)

    def is_sound(self) -> bool:
        """Whether this state may be kept; waits for the device."""
        return not self.has_seen_nan and self._has_finite_weights()

    @property
    def learning_rate_factor(self) -> float:
        """Halved each time that it went back."""
        return 0.5**self.rollbacks

    def check(self) -> float | None:
        """Remember this state and return None if it is sound, else return the mean loss since the
        last check."""
        loss = self._since_check.value
        if loss is not None:
            # A gradient that is no number has spoilt the weights, though no loss yet tells.
            assert self._ceiling is not None
            fine = loss <= self._ceiling and math.isfinite(float(self._stepper.gradient_norm))
            if not (fine and self._has_finite_weights()):
                return loss
        elif self._good is not None:
            return None
        self._since_check.reset()
        named = {f"model.{name}": tensor for name, tensor in self._stepper.weights().items()}
        numbers = StepNumbers(**self.step_numbers())
        self._good = _Good(copies(self._stepper.tensors() | named), numbers)
        return None

    def go_back(self) -> bool:
        """Restore the last sound state. Whether training may go on from it: it has not happened too
        often."""
        assert self._good is not None, "every run checks itself before its first step"
        self.restore_step(copies(self._good.tensors), self._good.numbers)
        self._since_check.reset()
        self._stepper.gradient_norm = torch.zeros(())
        if self.rollbacks == MAX_ROLLBACKS:
            return False
        self.rollbacks += 1
        return True

    def _has_finite_weights(self) -> bool:
        return all(bool(weight.isfinite().all()) for weight in self._stepper.model.parameters())

    # -- what of it is saved --------------------------------------------------------------------

    def step_numbers(self) -> dict[str, Any]:
        """Fields of a StepNumbers."""
        mean = self._since_evaluation
        return self._stepper.numbers() | {"loss_sum": mean.total, "loss_steps": mean.count}

    def restore_step(self, tensors: Tensors, numbers: StepNumbers) -> None:
        """Take back what the stepper's tensors, its weights, and `step_numbers` were."""
        own = {name: getattr(numbers, name) for name in self._stepper.numbers()}
        self._stepper.restore(tensors, own)
        self._since_evaluation.reset(numbers.loss_sum, numbers.loss_steps)

    def tensors(self) -> Tensors:
        """Those of the last sound state."""
        good = {} if self._good is None else self._good.tensors
        return {f"good.{name}": tensor for name, tensor in good.items()}

    def position(self) -> dict[str, Any]:
        """Fields of a Position."""
        return self.step_numbers() | {
            "check_sum": self._since_check.total,
            "check_steps": self._since_check.count,
            "ceiling": self._ceiling,
            "rollbacks": self.rollbacks,
            "good": self._good.numbers if self._good else None,
            "norm": float(self._stepper.gradient_norm),
        }

    def restore(self, weights: Tensors, learner: Tensors, at: Position) -> None:
        """Go on from there. Raises ValueError where the tensors are another trainer's."""
        good = {n.removeprefix("good."): t for n, t in learner.items() if n.startswith("good.")}
        own = {name: tensor for name, tensor in learner.items() if not name.startswith("good.")}
        own |= {f"model.{name}": tensor for name, tensor in weights.items()}
        self._stepper.check_shapes(own)
        if at.good:
            self._stepper.check_shapes(good)
        self._good = _Good(good, at.good) if at.good else None
        self.restore_step(own, at)
        self._stepper.gradient_norm = torch.tensor(nan_if_none(at.norm))
        self._since_check.reset(at.check_sum, at.check_steps)
        self._ceiling = at.ceiling
        self.rollbacks = at.rollbacks


def copies(tensors: Tensors) -> Tensors:
    return {name: tensor.clone() for name, tensor in tensors.items()}
