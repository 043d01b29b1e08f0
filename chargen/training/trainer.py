"""Teach a model a corpus: `Trainer.run()` yields events, step by step, and prints nothing.

The plan of a run: how fast to learn when, when to validate and save, what to do when the loss
explodes. What a step is, stepper.py says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, ClassVar, Literal

import torch

from chargen.checkpoint.metadata import Scores
from chargen.checkpoint.store import Tensors
from chargen.config import DEFAULT_MINUTES, TrainConfig
from chargen.data.corpus import Corpus
from chargen.errors import TrainingError
from chargen.evaluation.scores import NOTHING, Score, validation
from chargen.nn.model import LanguageModel
from chargen.runtime.distributed import ALONE, Ranks
from chargen.runtime.files import Amount, Count, Record, convert, to_builtins
from chargen.tokenizers.base import Tokenizer
from chargen.training.optimizer import share_of_peak
from chargen.training.stepper import TrainStepper

REPORT_SECONDS = 0.2
# A validation reads the whole text where that is short, else at most this share of what is trained
# on between two of them, so that it takes a small share of the time.
VALIDATION_TOKENS = 1 << 17
VALIDATION_SHARE = 0.25
# With the time given, validations in between wait while they have taken more than this share of it.
EVALUATION_TIME = 0.1
# Every so many steps, and before each evaluation, the run looks whether it is still sound.
CHECK_STEPS = 100
# So many nats a token above what a guess costs, or above where the run began, the loss exploded.
EXPLOSION = 1.0
MAX_ROLLBACKS = 3


@dataclass(frozen=True)
class StepReport:
    """How training goes, a few times a second. The loss is the mean since the last report."""

    kind: ClassVar[Literal["step"]] = "step"
    step: int
    epoch: float
    progress: float  # share of the run that is done
    seconds: float  # since the start, earlier runs included
    seconds_left: float | None
    tokens_per_second: float
    train_loss: float  # nats per token, without penalties
    gradient_norm: float  # before clipping
    learning_rate: float


@dataclass(frozen=True)
class EvalReport:
    """The model against text that it did not train on; losses in nats per token."""

    kind: ClassVar[Literal["eval"]] = "eval"
    step: int
    epoch: float
    progress: float
    seconds: float
    train_loss: float | None  # mean since the last evaluation
    valid_loss: float | None  # None where there is no validation text
    bits_per_byte: float | None
    bits_per_character: float | None
    learning_rate: float
    best: bool  # whether no earlier one was better
    sample: str = ""


@dataclass(frozen=True)
class Saved:
    """The state is on disk: a run that is killed now goes on from here."""

    kind: ClassVar[Literal["saved"]] = "saved"
    step: int
    seconds: float


@dataclass(frozen=True)
class Rollback:
    """The loss exploded; training goes on from the last good state with half the learning rate."""

    kind: ClassVar[Literal["rollback"]] = "rollback"
    step: int  # where it exploded
    back_to: int
    seconds: float
    train_loss: float  # nats per token, since the last good state; may be no number
    learning_rate: float  # the new peak
    left: int  # how often this may happen again


@dataclass(frozen=True)
class OutOfMemory:
    """A step did not fit into memory, so the streams are read in smaller parts, one after the
    other, which gives the same steps but for what dropout draws."""

    kind: ClassVar[Literal["memory"]] = "memory"
    step: int
    parts: int
    seconds: float


Event = StepReport | EvalReport | Saved | Rollback | OutOfMemory


class _Numbers(Record, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where a step begins, beside the tensors."""

    step: Count
    place: Count
    loss_sum: float | None  # None: no number
    loss_steps: Count
    average_updates: Count


class _Position(_Numbers, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """All numbers that the rest of a run depends on. What has a default came with format 4."""

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
    good: _Numbers | None
    norm: float | None = 0.0
    reserve: Amount = 0.0
    evaluation_seconds: Amount = 0.0


class Trainer:
    """One run over one corpus. `save` is called at step boundaries with the trainer itself.

    Closing the generator that `run` gave finishes the step in hand and saves.
    """

    def __init__(
        self,
        model: LanguageModel,
        corpus: Corpus,
        config: TrainConfig,
        *,
        save: Callable[[Trainer], None] = lambda trainer: None,
        clock: Callable[[], float] = time.monotonic,
        started: float | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """`started` is the reading of `clock` at which the time of the run began to count. Of
        several `ranks` the first runs, and the others' `stepper` follows."""
        self.model = model
        self.config = config
        self.tokenizer: Tokenizer = corpus.tokenizer
        self.stepper = TrainStepper(model, corpus.train, corpus.tokenizer, config, ranks)
        self.history: list[EvalReport] = []
        self.best: Tensors = {}  # weights; empty before the first evaluation
        self._valid = corpus.valid
        self._save = save
        self._clock = clock
        self._origin = clock() if started is None else started
        self._peak_rate = config.learning_rate or 2 / model.config.hidden_size
        self._epoch_tokens = len(corpus.train) / config.batch_size  # of each stream
        self._total_steps = config.steps
        if config.epochs is not None:
            self._total_steps = max(1, round(config.epochs * self._epoch_tokens / config.bptt))
        self._reserve = 0.0  # seconds that the last evaluation and save will take
        self._evaluation_seconds = 0.0
        self._validation_limit: int | None = None
        self._progress = 0.0
        self._evaluated = 0  # how many of the planned evaluations lie behind
        self._patience_from = 0  # evaluations before this one do not count against patience
        self._earlier_seconds = 0.0  # of the runs that this one goes on from
        self._schedule_start: float | None = None  # seconds, when the first step was taken
        self._step_seconds = 0.0  # spent on steps, not on evaluations and saves
        self._reported: list[float] = []  # those that the next report tells
        self._last_loss = math.nan
        self._loss_sum, self._loss_steps = 0.0, 0  # since the last evaluation
        self._check_sum, self._check_steps = 0.0, 0  # since the last check
        self._parts = self.stepper.parts
        self._last_report = 0.0
        self._good: _Good | None = None  # where an exploding run goes back to
        self._ceiling: float | None = None  # nats per token above which the loss has exploded
        self._rollbacks = 0

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> Generator[Event, None, None]:
        """Train to the end of the plan. Raises TrainingError where the loss explodes again and
        again; what is saved then is the last good state."""
        if self.finished:
            return
        if self._schedule_start is None:
            self._schedule_start = self.seconds
            torch.manual_seed(self.config.seed)  # dropout draws from torch's global state
        last_saved = self._last_report = self._clock()
        try:
            while True:
                self._progress = self._measure_progress()
                due = self._evaluation_is_due()
                # An evaluation may take long, so what would be old after it is saved before it. How
                # long the first one takes is not known.
                wait = (self._reserve or self.config.save_every) if due else 0.0
                soon = self._clock() + wait
                if soon - last_saved >= self.config.save_every and self._sound():
                    yield self.save()
                    last_saved = self._clock()
                begun = self._clock()
                says_all = self._progress >= 1  # the last report, though nothing was learnt since
                if due and (self.stepper.has_losses or says_all):
                    yield self.report()
                check_due = due or self._exploded() or self.step % CHECK_STEPS == 0
                if check_due and (rollback := self._check()):
                    yield rollback
                    continue
                if due:
                    yield from self._evaluate()
                    # What the caller did with the report counts: a sample takes time, too.
                    took = self._clock() - begun
                    self._evaluation_seconds += took
                    self._reserve = 1.5 * took + 0.5
                if self.finished:
                    break
                self.train_step()
                if self._parts != self.stepper.parts:
                    self._parts = self.stepper.parts
                    yield OutOfMemory(self.step, self._parts, self.seconds)
                yield from self._report_at_times()
        except GeneratorExit:
            if not self._sound():
                self._check()
            self.save()
            raise
        yield self.save()

    @property
    def finished(self) -> bool:
        """Whether all that was planned is done, the last evaluation too, or patience is at its
        end."""
        all_done = self._progress >= 1 and self._evaluated >= self.config.evaluations
        return all_done or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        """Whether the last `patience` evaluations were all worse than one before."""
        patience, counted = self.config.patience, self.history[self._patience_from :]
        if patience is None or len(counted) < patience:
            return False
        return not any(report.best for report in counted[-patience:])

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.stepper.steps

    @property
    def seconds(self) -> float:
        """Since the start, earlier runs included."""
        return self._earlier_seconds + self._clock() - self._origin

    @property
    def epoch(self) -> float:
        return self.stepper.place / self._epoch_tokens

    @property
    def tokens_per_second(self) -> float:
        """Trained tokens over the time spent on steps."""
        tokens = self.stepper.place * self.config.batch_size
        return tokens / self._step_seconds if self._step_seconds else 0.0

    def scored_weights(self) -> AbstractContextManager[None]:
        """Within it the model has the weights that are scored and kept: their running mean, where
        there is one."""
        average = self.stepper.average
        return average.applied() if average else nullcontext()

    def report(self) -> StepReport:
        """How the steps since the last report went."""
        self._look_at_losses()
        if self._reported:
            self._last_loss = sum(self._reported) / len(self._reported)
            self._reported = []
        return StepReport(
            step=self.step,
            epoch=self.epoch,
            progress=min(self._progress, 1.0),
            seconds=self.seconds,
            seconds_left=self._seconds_left(),
            tokens_per_second=self.tokens_per_second,
            train_loss=self._last_loss,
            gradient_norm=float(self.stepper.norm),
            learning_rate=self._learning_rate(),
        )

    def _report_at_times(self) -> Iterator[StepReport]:
        """A report, a few times a second."""
        now = self._clock()
        if now - self._last_report >= REPORT_SECONDS:
            self._last_report = now
            yield self.report()

    def _evaluate(self) -> Iterator[StepReport | EvalReport]:
        """Score the validation text; keep the weights if none before were better.

        Left in its midst, at one of the reports in between, it has not begun.
        """
        self._look_at_losses()
        reached = math.floor(self._progress * self.config.evaluations)
        valid: Score | None = None
        with self.scored_weights():
            if len(self._valid):
                if self._validation_limit is None:
                    interval = self.stepper.place * self.config.batch_size
                    self._validation_limit = max(
                        VALIDATION_TOKENS, int(VALIDATION_SHARE * interval / max(1, reached))
                    )
                self.model.eval()
                try:
                    valid = NOTHING
                    for part in validation(
                        self.model, self.tokenizer, self._valid, self._validation_limit
                    ):
                        valid += part
                        yield from self._report_at_times()
                finally:
                    self.model.train()
            best = valid is None or all(
                valid.loss < _finite(report.valid_loss) for report in self.history
            )
            if best or not self.best:
                self.best = _copies(self.weights())
        self._evaluated = reached
        report = EvalReport(
            step=self.step,
            epoch=self.epoch,
            progress=min(self._progress, 1.0),
            seconds=self.seconds,
            train_loss=self._loss_sum / self._loss_steps if self._loss_steps else None,
            valid_loss=valid.loss if valid else None,
            bits_per_byte=valid.bits_per_byte if valid else None,
            bits_per_character=valid.bits_per_character if valid else None,
            learning_rate=self._learning_rate(),
            best=best,
        )
        self._loss_sum, self._loss_steps = 0.0, 0
        self.history.append(report)
        yield report

    def save(self) -> Saved:
        """Hand the state at this step boundary to the `save` that the trainer was given."""
        self._look_at_losses()
        self._save(self)
        return Saved(self.step, self.seconds)

    # -- the state, as tensors and numbers ----------------------------------------------------

    def weights(self) -> Tensors:
        return self.stepper.weights()

    def learner(self) -> Tensors:
        """All tensors beside the weights that the next step depends on, by dotted names."""
        tensors = self.stepper.tensors()
        if self._good is not None:
            tensors |= {f"good.{name}": tensor for name, tensor in self._good.tensors.items()}
        return tensors

    def position(self) -> dict[str, Any]:
        """All numbers that the next step depends on, JSON-able."""
        position = _Position(
            **self._numbers(),
            seconds=self.seconds,
            plan=self._plan(),
            progress=self._progress,
            step_seconds=self._step_seconds,
            schedule_start=self._schedule_start,
            evaluated=self._evaluated,
            patience_from=self._patience_from,
            validation_limit=self._validation_limit,
            check_sum=self._check_sum,
            check_steps=self._check_steps,
            ceiling=self._ceiling,
            rollbacks=self._rollbacks,
            good=self._good.numbers if self._good else None,
            norm=float(self.stepper.norm),
            reserve=self._reserve,
            evaluation_seconds=self._evaluation_seconds,
        )
        return dict(to_builtins(position))

    def scores(self) -> Scores:
        """What the run has come to: the best evaluation, and how long it took."""
        names = ("train_loss", "valid_loss", "bits_per_byte", "bits_per_character")
        best = [report for report in self.history if report.best][-1:]
        found = {name: getattr(report, name) for report in best for name in names}
        return Scores(steps=self.step, epochs=self.epoch, seconds=self.seconds, **found)

    def metrics(self) -> list[dict[str, Any]]:
        """One line an evaluation, without its sample."""
        return [
            {name: value for name, value in asdict(report).items() if name != "sample"}
            for report in self.history
        ]

    def restore(
        self,
        weights: Tensors,
        best: Tensors,
        learner: Tensors,
        position: dict[str, Any],
        metrics: list[dict[str, Any]],
    ) -> None:
        """Go on where the trainer that gave these was. Raises KeyError or ValueError on others."""
        at = convert(position, _Position)
        good = {n.removeprefix("good."): t for n, t in learner.items() if n.startswith("good.")}
        own = {name: tensor for name, tensor in learner.items() if not name.startswith("good.")}
        own |= {f"model.{name}": tensor for name, tensor in weights.items()}
        self.stepper.check_shapes(own)
        if at.good:
            self.stepper.check_shapes(good)
        self._good = _Good(good, at.good) if at.good else None
        self._restore(own, at)
        self.history = [convert(asdict(EvalReport(**line)), EvalReport) for line in metrics]
        self.best = best if self.history else {}
        self._earlier_seconds = at.seconds
        self._step_seconds = at.step_seconds
        self._schedule_start = at.schedule_start
        self._reserve, self._evaluation_seconds = at.reserve, at.evaluation_seconds
        self._patience_from = at.patience_from
        if at.plan == self._plan():
            self._progress = at.progress
        else:  # a longer or shorter run: another share of it is done
            self._progress = self._measure_progress()
            self._patience_from = len(self.history)
        reached = math.floor(self._progress * self.config.evaluations)
        self._evaluated = min(at.evaluated, reached)
        self._validation_limit = at.validation_limit
        self._check_sum, self._check_steps = _number(at.check_sum), at.check_steps
        self.stepper.norm = torch.tensor(_number(at.norm))
        self._ceiling = at.ceiling
        self._rollbacks = at.rollbacks

    def _numbers(self) -> dict[str, Any]:
        losses = {"loss_sum": self._loss_sum, "loss_steps": self._loss_steps}
        return self.stepper.numbers() | losses

    def _restore(self, tensors: Tensors, numbers: _Numbers) -> None:
        """Take back what the stepper's tensors, the weights beside them, and `_numbers` were."""
        own = {name: getattr(numbers, name) for name in self.stepper.numbers()}
        self.stepper.restore(tensors, own)
        self._loss_sum, self._loss_steps = _number(numbers.loss_sum), numbers.loss_steps

    # -- one step -----------------------------------------------------------------------------

    def train_step(self) -> None:
        """One step at the learning rate that is planned for it."""
        begun = self._clock()
        self.stepper.step(self._learning_rate())
        self._step_seconds += self._clock() - begun

    def _look_at_losses(self) -> None:
        """Fetch the losses of the steps since the last look, which waits for the device."""
        losses = self.stepper.losses()
        if losses and self._ceiling is None:
            # Nothing is worse than a guess, but another's model on a new text may begin so.
            guess = math.log(self.model.vocab_size)
            self._ceiling = EXPLOSION + (losses[0] if guess < losses[0] < math.inf else guess)
        for loss in losses:  # one by one: the sums must not depend on when they were looked at
            self._loss_sum += loss
            self._check_sum += loss
        self._loss_steps += len(losses)
        self._check_steps += len(losses)
        self._reported += losses

    # -- accidents ----------------------------------------------------------------------------

    def _exploded(self) -> bool:
        """Whether a loss that was looked at since the last check was no number."""
        return not math.isfinite(self._check_sum)

    def _sound(self) -> bool:
        """Whether this state may be kept; waits for the device."""
        self._look_at_losses()
        return not self._exploded() and self._has_finite_weights()

    def _has_finite_weights(self) -> bool:
        return all(bool(weight.isfinite().all()) for weight in self.model.parameters())

    def _check(self) -> Rollback | None:
        """Remember this state if the run is sound, else go back to the last one that was.

        Raises TrainingError where that has happened too often; then the state is good, too.
        """
        self._look_at_losses()
        if self._check_steps:
            loss = self._check_sum / self._check_steps
            # A gradient that is no number has spoilt the weights, though no loss yet tells.
            assert self._ceiling is not None
            fine = loss <= self._ceiling and math.isfinite(float(self.stepper.norm))
            if not (fine and self._has_finite_weights()):
                return self._roll_back(loss)
        elif self._good is not None:
            return None
        self._check_sum, self._check_steps = 0.0, 0
        named = {f"model.{name}": tensor for name, tensor in self.weights().items()}
        self._good = _Good(_copies(self.stepper.tensors() | named), _Numbers(**self._numbers()))
        return None

    def _roll_back(self, loss: float) -> Rollback:
        assert self._good is not None, "every run checks itself before its first step"
        exploded_at = self.step
        self._restore(_copies(self._good.tensors), self._good.numbers)
        self._check_sum, self._check_steps = 0.0, 0
        self.stepper.norm = torch.zeros(())
        if self._rollbacks == MAX_ROLLBACKS:
            self.save()
            raise TrainingError(
                f"the loss exploded for the {MAX_ROLLBACKS + 1}th time, at step {exploded_at:,}, "
                f"though the learning rate was halved each time; step {self.step:,} is saved",
                hint=f"start anew with a --learning-rate well below {self._peak_rate:g}",
            )
        self._rollbacks += 1
        rate = self._peak_rate * 0.5**self._rollbacks
        left = MAX_ROLLBACKS - self._rollbacks
        return Rollback(exploded_at, self.step, self.seconds, loss, rate, left)

    # -- the plan -----------------------------------------------------------------------------

    def _evaluation_is_due(self) -> bool:
        if self.step == 0 or self._progress * self.config.evaluations < self._evaluated + 1:
            return False
        free = self._total_steps is not None or self._progress >= 1
        return free or self._evaluation_seconds <= EVALUATION_TIME * self.seconds

    def _plan(self) -> tuple[float | None, float | None, int | None]:
        return self.config.minutes, self.config.epochs, self.config.steps

    def _measure_progress(self) -> float:
        """The share of the run that is done, in steps or, under `minutes`, in time."""
        if self._total_steps is not None:
            return self.step / self._total_steps
        start = self._schedule_start or 0.0
        budget = 60 * (self.config.minutes or DEFAULT_MINUTES)
        reserve = self._reserve or 0.01 * budget
        done = (self.seconds - start) / max(budget - reserve - start, 1e-9)
        return max(done, self._progress)  # a longer reserve does not turn time back

    def _seconds_left(self) -> float | None:
        if self._total_steps is None:
            return max(0.0, 60 * (self.config.minutes or DEFAULT_MINUTES) - self.seconds)
        spent = self.seconds - (self._schedule_start or 0.0)
        return spent * (1 / self._progress - 1) if self._progress > 0 else None

    def _learning_rate(self) -> float:
        # The first step learns a little, too: it counts as half a step done.
        first = 0.5 / self._total_steps if self._total_steps else 1e-4
        share = share_of_peak(self._progress + first, self.config.warmup)
        return self._peak_rate * 0.5**self._rollbacks * share


@dataclass(frozen=True)
class _Good:
    """A sound state, as `_restore` takes it back."""

    tensors: Tensors
    numbers: _Numbers


def _number(value: float | None) -> float:
    """JSON has no word for what is no number."""
    return math.nan if value is None else value


def _finite(loss: float | None) -> float:
    """A loss to be beaten: any number beats none."""
    return loss if loss is not None and math.isfinite(loss) else math.inf


def _copies(tensors: Tensors) -> Tensors:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def time_steps(trainer: Trainer, steps: int = 4, seconds: float = 0.5) -> float:
    """The seconds that a step of this trainer takes: the median of so many, or of as many as there
    is time for, after those that warm it up."""
    trainer.train_step()
    while not trainer.stepper.is_steady:
        trainer.train_step()
    trainer.report()  # waits for the device
    taken: list[float] = []
    begun = time.monotonic()
    while len(taken) < steps and (not taken or time.monotonic() - begun < seconds):
        before = time.monotonic()
        trainer.train_step()
        trainer.report()
        taken.append(time.monotonic() - before)
    return median(taken)
