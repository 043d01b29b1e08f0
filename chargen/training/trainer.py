"""Train a model on a corpus: `Trainer.run()` yields events, step by step, and prints nothing.

The loop alone: what a step is stepper.py says, how far the run has come schedule.py, what an
evaluation keeps evaluator.py, and what to do when the loss explodes loss_guard.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from chargen.checkpoint.metadata import Scores
from chargen.config import TrainConfig
from chargen.data.corpus import Corpus
from chargen.errors import TrainingError, named
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors
from chargen.runtime.distributed import ALONE, Ranks
from chargen.runtime.files import convert, to_builtins
from chargen.scoring.scores import Score
from chargen.tokenizers.base import Tokenizer
from chargen.training.document_stepper import make_stepper
from chargen.training.dropout_watch import DropoutWatch
from chargen.training.evaluator import OF_OLD_TEXT, Evaluator
from chargen.training.events import (
    EvalReport,
    Event,
    OutOfMemory,
    Replanned,
    Rollback,
    Saved,
    StepReport,
)
from chargen.training.loss_guard import MAX_ROLLBACKS, LossGuard, copies
from chargen.training.replay import OldText, Replay
from chargen.training.schedule import Schedule
from chargen.training.stepper import StepLoss
from chargen.training.trainer_state import PlannedDropout, Position, RunningMean, TrainerState

REPORT_SECONDS = 0.2
# Every so many steps, and before each evaluation, the run looks whether it is still sound.
CHECK_STEPS = 100


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
        old_text: OldText | None = None,
        replay: Replay | None = None,
        planned_dropout: PlannedDropout | None = None,
    ) -> None:
        """`started` is the reading of `clock` at which the time of the run began to count. Of
        several `ranks` the first runs, and the others' `stepper` follows.

        A model that is fine-tuned comes with an `old_text`, to see what it forgets: so it is
        evaluated before its first step. What it is to `replay` is mixed into what it reads.
        Dropout that was planned is planned anew where the run reads more or less than that.
        """
        self.model = model
        self.config = config
        self.tokenizer: Tokenizer = corpus.tokenizer
        self.stepper = make_stepper(model, corpus, config, ranks, replay)
        self._schedule = Schedule(
            config,
            steps_per_epoch=self.stepper.steps_per_epoch,
            peak_rate=config.learning_rate or 2 / model.config.hidden_size,
            clock=clock,
            started=started,
        )
        self._is_fine_tuning = old_text is not None
        self._evaluator = Evaluator(
            model, corpus.tokenizer, corpus.valid, config.patience, corpus.mask("valid"), old_text
        )
        self._loss_mean = RunningMean()  # since the last evaluation
        self._guard = LossGuard(self.stepper, self._loss_mean)
        self._dropout = DropoutWatch(
            planned_dropout,
            tokenizer=corpus.tokenizer.kind,
            answers=corpus.config.loss_after is not None,
            fresh_state=model.config.fresh_state,
        )
        self._save = save
        self._clock = clock
        self._step_seconds = 0.0  # spent on steps, not on evaluations and saves
        self._unreported: list[StepLoss] = []  # losses since the last report
        self._last_loss: float | None = None  # that was reported
        self._last_report = 0.0
        self._parts = self.stepper.parts

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> Generator[Event, None, None]:
        """Train to the end of the plan. Raises TrainingError where the loss explodes again and
        again; what is saved then is the last good state."""
        if self.finished:
            return
        schedule, config = self._schedule, self.config
        if not schedule.has_begun:
            schedule.begin()
            torch.manual_seed(config.seed)  # dropout draws from torch's global state
        last_saved = self._last_report = self._clock()
        try:
            while True:
                schedule.advance(self.step)
                if replanned := self._replan():
                    yield replanned
                is_start = self._is_fine_tuning and not self.step and not self.history
                due = is_start or schedule.evaluation_is_due(self.step)
                # An evaluation may take long, so what would be old after it is saved before it. How
                # long the first one takes is not known.
                wait = (schedule.reserve or config.save_every) if due else 0.0
                soon = self._clock() + wait
                if soon - last_saved >= config.save_every and self._is_sound():
                    yield self.save()
                    last_saved = self._clock()
                begun = self._clock()
                # The last report comes though nothing was learned since the one before. A save may
                # just have fetched the losses.
                unreported = self.stepper.has_losses or self._unreported
                if due and (unreported or schedule.is_over or is_start):
                    yield self.report()
                check_due = due or self._guard.has_seen_nan or self.step % CHECK_STEPS == 0
                if check_due and (rollback := self._check()):
                    yield rollback
                    continue
                if due:
                    yield from self._evaluate()
                    # What the caller did with the report counts: a sample takes time, too.
                    schedule.evaluation_took(self._clock() - begun)
                if self.finished:
                    break
                self.train_step()
                if self._parts != self.stepper.parts:
                    self._parts = self.stepper.parts
                    yield OutOfMemory(self.step, self._parts, self.seconds)
                yield from self._report_at_times()
        except GeneratorExit:
            if not self._is_sound():
                self._check()
            self.save()
            raise
        yield self.save()

    def _replan(self) -> Replanned | None:
        """Drop more or less where the text will be read more or less often than planned."""
        config, planned_epochs = self.model.config, self._dropout.epochs
        before = config.dropout, config.weight_dropout
        after = self._dropout.look(self._schedule.progress, self.epoch, before)
        if after == before:
            return None
        self.stepper.set_dropout(*after)
        return Replanned(
            step=self.step,
            seconds=self.seconds,
            epochs=self._dropout.epochs,
            planned_epochs=planned_epochs,
            dropout=after[0],
            weight_dropout=after[1],
            dropout_before=before[0],
            weight_dropout_before=before[1],
        )

    def train_step(self) -> None:
        """One step at the learning rate that is planned for it."""
        begun = self._clock()
        self.stepper.step(self._learning_rate)
        self._step_seconds += self._clock() - begun

    def report(self) -> StepReport:
        """How the steps since the last report went."""
        self._fetch_losses()
        if self._unreported:
            mean = RunningMean()
            for loss in self._unreported:
                mean.add(*loss)
            self._last_loss = mean.value
            self._unreported = []
        return StepReport(
            step=self.step,
            epoch=self.epoch,
            progress=min(self._schedule.progress, 1.0),
            seconds=self.seconds,
            seconds_left=self._schedule.seconds_left(),
            tokens_per_second=self.tokens_per_second,
            train_loss=self._last_loss,
            gradient_norm=float(self.stepper.gradient_norm),
            learning_rate=self._learning_rate,
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
        self._fetch_losses()
        evaluator, reached = self._evaluator, self._schedule.reached
        score: Score | None = None
        trained_tokens = self.stepper.trained_tokens
        with (
            self.scored_weights(),
            closing(evaluator.validate(trained_tokens / max(1, reached))) as scores,
        ):
            for score in scores:  # noqa: B007, the last one counts
                yield from self._report_at_times()
            old_text = evaluator.old_text()
            is_best = evaluator.is_best(score)
            if is_best or not evaluator.best:
                evaluator.best = copies(self.weights())
        self._schedule.evaluated = reached
        report = EvalReport(
            step=self.step,
            epoch=self.epoch,
            progress=min(self._schedule.progress, 1.0),
            seconds=self.seconds,
            train_loss=self._loss_mean.value,
            valid_loss=score.loss if score else None,
            bits_per_byte=score.bits_per_byte if score else None,
            bits_per_character=score.bits_per_character if score else None,
            answers=score.exact_share if score else None,
            learning_rate=self._learning_rate,
            best=is_best,
        )
        if old_text is not None:
            report = replace(
                report,
                old_bits_per_character=old_text,
                forgotten_bits_per_character=old_text - evaluator.old_text_before(old_text),
            )
        self._loss_mean.reset()
        evaluator.history.append(report)
        yield report

    def save(self) -> Saved:
        """Hand the state at this step boundary to the `save` that the trainer was given."""
        self._fetch_losses()
        self._save(self)
        return Saved(self.step, self.seconds)

    def _fetch_losses(self) -> None:
        """Those of the steps since the last time, which waits for the device."""
        losses = self.stepper.losses()
        self._guard.watch(losses)
        for loss in losses:  # one by one: a sum must not depend on when they were fetched
            self._loss_mean.add(*loss)
        self._unreported += losses

    def _is_sound(self) -> bool:
        """Whether this state may be kept; waits for the device."""
        self._fetch_losses()
        return self._guard.is_sound()

    def _check(self) -> Rollback | None:
        """Go back where the loss exploded. Raises TrainingError where that has happened too often;
        then the state is good, too."""
        self._fetch_losses()
        exploded_at, loss = self.step, self._guard.check()
        if loss is None:
            return None
        peak = self._schedule.peak_rate
        if not self._guard.go_back():
            self.save()
            raise TrainingError(
                f"the loss exploded for the {MAX_ROLLBACKS + 1}th time, at step {exploded_at:,}, "
                f"though the learning rate was halved each time; step {self.step:,} is saved",
                hint="start over with a " + named("learning_rate") + f" well below {peak:g}",
            )
        return Rollback(
            step=exploded_at,
            back_to=self.step,
            seconds=self.seconds,
            train_loss=loss,
            learning_rate=peak * self._guard.learning_rate_factor,
            left=MAX_ROLLBACKS - self._guard.rollbacks,
        )

    # -- how it goes --------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all that was planned is done, the last evaluation too, or patience is at its
        end."""
        return self._schedule.all_done or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        return self._evaluator.out_of_patience

    @property
    def history(self) -> list[EvalReport]:
        return self._evaluator.history

    @property
    def best_evaluation(self) -> EvalReport | None:
        """That of the weights that are kept."""
        return next((report for report in reversed(self.history) if report.best), None)

    @property
    def best(self) -> Tensors:
        """The best weights so far; empty before the first evaluation."""
        return self._evaluator.best

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.stepper.steps

    @property
    def seconds(self) -> float:
        """Since the start, earlier runs included."""
        return self._schedule.seconds

    @property
    def epoch(self) -> float:
        return self.stepper.epoch

    @property
    def tokens_per_second(self) -> float:
        """Trained tokens over the time spent on steps."""
        return self.stepper.trained_tokens / self._step_seconds if self._step_seconds else 0.0

    @property
    def _learning_rate(self) -> float:
        return self._schedule.learning_rate() * self._guard.learning_rate_factor

    def scores(self) -> Scores:
        """What the run has come to: the best evaluation, and how long it took."""
        names = ("train_loss", "valid_loss", "bits_per_byte", "bits_per_character")
        best = self.best_evaluation
        found = {name: getattr(best, name) for name in names if best is not None}
        for name in (*OF_OLD_TEXT, "answers"):
            if getattr(best, name, None) is not None:
                found[name] = getattr(best, name)
        return Scores(steps=self.step, epochs=self.epoch, seconds=self.seconds, **found)

    # -- the state, as tensors and numbers ----------------------------------------------------

    def weights(self) -> Tensors:
        return self.stepper.weights()

    def scored_weights(self) -> AbstractContextManager[None]:
        """Within it the model has the weights that are scored and kept: their running mean, where
        there is one."""
        average = self.stepper.average
        return average.applied() if average else nullcontext()

    def state(self) -> TrainerState:
        """All that the rest of the run depends on."""
        weights = self.weights()
        return TrainerState(
            weights=weights,
            best=self.best or weights,
            learner=self.stepper.tensors() | self._guard.tensors(),
            position=self._position(),
            metrics=self._evaluator.metrics(),
        )

    def _position(self) -> dict[str, Any]:
        position = Position(
            **self._schedule.position(),
            **self._guard.position(),
            step_seconds=self._step_seconds,
            patience_from=self._evaluator.patience_from,
            validation_limit=self._evaluator.limit,
            planned_dropout=self._dropout.planned,
        )
        return dict(to_builtins(position))

    def restore(self, state: TrainerState) -> None:
        """Go on where the trainer that gave the state was. Raises KeyError, ValueError or TypeError
        on another one's."""
        at = convert(state.position, Position)
        self._guard.restore(state.weights, state.learner, at)
        self._evaluator.restore(state.metrics, state.best)
        self._evaluator.limit = at.validation_limit
        self._step_seconds = at.step_seconds
        self._last_loss = self._loss_mean.value  # until there are losses of this run
        is_as_long = self._schedule.restore(at)
        self._dropout.planned = at.planned_dropout
        if not is_as_long:
            self._dropout.restart()
        self._evaluator.patience_from = at.patience_from if is_as_long else len(self.history)
        if self.finished:
            self._schedule.freeze()


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
