"""Teach a model a corpus: `Trainer.run()` yields events, step by step, and prints nothing.

Truncated back-propagation through time over parallel streams: the state is carried from step to
step, without its gradient. AdamW with warm-up and cosine decay; the gradient's norm is clipped.

Shapes: B streams, T tokens a step, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.checkpoint import Scores, Tensors, load_weights, weights_of
from chargen.config import DEFAULT_MINUTES, TrainConfig
from chargen.corpus import Corpus, Streams
from chargen.device import autocast
from chargen.errors import TrainingError
from chargen.evaluation import validate
from chargen.model import LanguageModel, State
from chargen.tokenizer import Tokenizer

REPORT_SECONDS = 0.2
# A validation reads the whole text where that is short, else at most this share of what is trained
# on between two of them, so that it takes a small share of the time.
VALIDATION_TOKENS = 1 << 17
VALIDATION_SHARE = 0.25
# With the time given, validations in between wait while they have taken more than this share of it.
EVALUATION_TIME = 0.1


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
    train_loss: float  # nats per token
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


Event = StepReport | EvalReport | Saved


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
    ) -> None:
        """`started` is the reading of `clock` at which the time of the run began to count."""
        self.model = model
        self.config = config
        self.tokenizer: Tokenizer = corpus.tokenizer
        self.step = 0
        self.history: list[EvalReport] = []
        self.best: Tensors = {}  # weights; empty before the first evaluation
        self._valid = corpus.valid
        self._streams = Streams(
            corpus.train,
            batch_size=config.batch_size,
            bptt=config.bptt,
            end=corpus.tokenizer.end,
        )
        self._save = save
        self._clock = clock
        self._origin = clock() if started is None else started
        self._device = model.head.weight.device
        self._optimizer = _optimizer(model, config)
        self._peak_rate = config.learning_rate or 2 / model.config.hidden_size
        self._state = model.initial_state(config.batch_size)
        self._resets = torch.Generator().manual_seed(config.seed)
        self._begins_character = torch.from_numpy(self.tokenizer.character_lengths > 0)
        self._total_steps = config.steps
        if config.epochs is not None:
            self._total_steps = max(1, round(config.epochs * self._streams.steps_per_epoch))
        self._reserve = 0.0  # seconds that the last evaluation and save will take
        self._evaluation_seconds = 0.0
        self._validation_limit: int | None = None
        self._progress = 0.0
        self._evaluated = 0  # how many of the planned evaluations lie behind
        self._earlier_seconds = 0.0  # of the runs that this one goes on from
        self._schedule_start: float | None = None  # seconds, when the first step was taken
        self._step_seconds = 0.0  # spent on steps, not on evaluations and saves
        self._pending: list[Tensor] = []  # losses that nobody has looked at yet
        self._loss_sum, self._loss_steps = 0.0, 0  # since the last evaluation
        self._norm = torch.zeros(())

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> Iterator[Event]:
        """Train to the end of the plan. Raises TrainingError where the loss is no number."""
        if self.finished:
            return
        if self._schedule_start is None:
            self._schedule_start = self.seconds
            torch.manual_seed(self.config.seed)  # dropout draws from torch's global state
        last_saved = last_report = self._clock()
        try:
            while True:
                self._progress = self._measure_progress()
                if self._evaluation_is_due():
                    begun = self._clock()
                    if self._pending:
                        yield self.report()
                    yield self.evaluate()
                    # What the caller did with the report counts: a sample takes time, too.
                    took = self._clock() - begun
                    self._evaluation_seconds += took
                    self._reserve = 1.5 * took + 0.5
                if self.finished:
                    break
                self._train_step()
                now = self._clock()
                if now - last_report >= REPORT_SECONDS:
                    last_report = now
                    yield self.report()
                if now - last_saved >= self.config.save_every:
                    yield self.save()
                    last_saved = self._clock()
        except GeneratorExit:
            self.save()
            raise
        yield self.save()

    @property
    def finished(self) -> bool:
        """Whether all that was planned is done, the last evaluation too."""
        return self._progress >= 1 and self._evaluated >= self.config.evaluations

    @property
    def seconds(self) -> float:
        """Since the start, earlier runs included."""
        return self._earlier_seconds + self._clock() - self._origin

    @property
    def epoch(self) -> float:
        return self.step / self._streams.steps_per_epoch

    @property
    def tokens_per_second(self) -> float:
        """Trained tokens over the time spent on steps."""
        tokens = self.step * self.config.batch_size * self.config.bptt
        return tokens / self._step_seconds if self._step_seconds else 0.0

    def report(self) -> StepReport:
        """How the steps since the last report went. Raises TrainingError."""
        loss = self._look_at_losses()
        return StepReport(
            step=self.step,
            epoch=self.epoch,
            progress=min(self._progress, 1.0),
            seconds=self.seconds,
            seconds_left=self._seconds_left(),
            tokens_per_second=self.tokens_per_second,
            train_loss=loss,
            gradient_norm=float(self._norm),
            learning_rate=self._learning_rate(),
        )

    def evaluate(self) -> EvalReport:
        """Score the validation text; keep the weights if none before were better."""
        self._look_at_losses()
        self._evaluated = math.floor(self._progress * self.config.evaluations)
        valid = None
        if len(self._valid):
            if self._validation_limit is None:
                interval = self.step * self.config.batch_size * self.config.bptt
                self._validation_limit = max(
                    VALIDATION_TOKENS, int(VALIDATION_SHARE * interval / max(1, self._evaluated))
                )
            self.model.eval()
            valid = validate(self.model, self.tokenizer, self._valid, self._validation_limit)
            self.model.train()
        best = valid is None or all(
            report.valid_loss is None or valid.loss < report.valid_loss for report in self.history
        )
        if best or not self.best:
            self.best = {name: t.clone() for name, t in weights_of(self.model).items()}
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
        return report

    def save(self) -> Saved:
        """Hand the state at this step boundary to the `save` that the trainer was given."""
        if self._pending:
            self._look_at_losses()
        self._save(self)
        return Saved(self.step, self.seconds)

    # -- the state, as tensors and numbers ----------------------------------------------------

    def weights(self) -> Tensors:
        return weights_of(self.model)

    def learner(self) -> Tensors:
        """All tensors beside the weights that the next step depends on, by dotted names."""
        tensors = {"random.torch": torch.get_rng_state(), "random.resets": self._resets.get_state()}
        if self._device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self._device)
        for index, slots in self._optimizer.state_dict()["state"].items():
            for slot, tensor in slots.items():
                tensors[f"optimizer.{index}.{slot}"] = tensor
        for index, layer in enumerate(self._state.layers):
            for part, tensor in enumerate(layer):
                tensors[f"state.{index}.{part}"] = tensor
        return tensors

    def position(self) -> dict[str, Any]:
        """All numbers that the next step depends on."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "plan": self._plan(),
            "progress": self._progress,
            "step_seconds": self._step_seconds,
            "schedule_start": self._schedule_start,
            "evaluated": self._evaluated,
            "validation_limit": self._validation_limit,
            "loss_sum": self._loss_sum,
            "loss_steps": self._loss_steps,
        }

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
        load_weights(self.model, weights)
        self.history = [EvalReport(**line) for line in metrics]
        self.best = best if self.history else {}
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in learner.items():
            kind, _, rest = name.partition(".")
            if kind == "optimizer":
                index, _, slot = rest.partition(".")
                slots.setdefault(int(index), {})[slot] = tensor
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": slots, "param_groups": groups})
        parts = [range(len(layer)) for layer in self._state.layers]
        self._state = State(
            tuple(
                tuple(learner[f"state.{index}.{part}"].to(self._device) for part in layer)
                for index, layer in enumerate(parts)
            )
        )
        torch.set_rng_state(learner["random.torch"])
        self._resets.set_state(learner["random.resets"])
        if self._device.type == "cuda" and "random.cuda" in learner:
            torch.cuda.set_rng_state(learner["random.cuda"], self._device)
        self.step = position["step"]
        self._earlier_seconds = position["seconds"]
        self._step_seconds = position["step_seconds"]
        self._schedule_start = position["schedule_start"]
        if position["plan"] == self._plan():
            self._progress = position["progress"]
        else:  # a longer or shorter run: another share of it is done
            self._progress = self._measure_progress()
        reached = math.floor(self._progress * self.config.evaluations)
        self._evaluated = min(position["evaluated"], reached)
        self._validation_limit = position["validation_limit"]
        self._loss_sum, self._loss_steps = position["loss_sum"], position["loss_steps"]

    # -- one step -----------------------------------------------------------------------------

    def _train_step(self) -> None:
        begun = self._clock()
        config = self.config
        inputs, targets = self._streams.batch(self.step)  # (B, T) each
        # With the state always carried, a network drifts into saturation and never learns to
        # begin. So now and then a stream forgets, and reads on as if a text began there.
        forget = torch.rand(config.batch_size, generator=self._resets) < config.reset
        forget &= self._begins_character[targets[:, 0]]
        inputs[forget, 0] = self.tokenizer.end
        state = self._state.reset(forget.to(self._device))
        with autocast(self._device):
            logits, state = self.model(inputs.to(self._device), state)  # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten().to(self._device))
        self._state = state.detach()
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        rate = self._learning_rate()
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._pending.append(loss.detach())
        self.step += 1
        self._step_seconds += self._clock() - begun

    def _look_at_losses(self) -> float:
        """The mean of the losses that came since the last look. Raises TrainingError."""
        if not self._pending:
            return self._loss_sum / max(1, self._loss_steps)
        total = float(torch.stack(self._pending).sum())
        count = len(self._pending)
        self._pending = []
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss is no longer a number at step {self.step:,}",
                hint=f"try a --learning-rate below {self._peak_rate:g}",
            )
        self._loss_sum += total
        self._loss_steps += count
        return total / count

    def _evaluation_is_due(self) -> bool:
        if self.step == 0 or self._progress * self.config.evaluations < self._evaluated + 1:
            return False
        free = self._total_steps is not None or self._progress >= 1
        return free or self._evaluation_seconds <= EVALUATION_TIME * self.seconds

    def _plan(self) -> list[float | None]:
        return [self.config.minutes, self.config.epochs, self.config.steps]

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
        """Linear warm-up, then half a cosine down to nothing (Loshchilov and Hutter 2017)."""
        warmup = self.config.warmup
        # The first step learns a little, too: it counts as half a step done.
        first = 0.5 / self._total_steps if self._total_steps else 1e-4
        progress = min(self._progress + first, 1.0)
        if progress < warmup:
            return self._peak_rate * progress / warmup
        return self._peak_rate * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _optimizer(model: LanguageModel, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); decay for the matrices that multiply, not for what is
    looked up or added."""
    decayed = [p for name, p in model.named_parameters() if p.ndim > 1 and "embedding" not in name]
    others = [p for p in model.parameters() if not any(p is d for d in decayed)]
    return torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.99),
        fused=model.head.weight.device.type in ("cpu", "cuda"),
    )


def token_counts(corpus: Corpus) -> Tensor:
    """How often each token stands in the training split, (V,) int64; memory does not grow."""
    counts = np.zeros(corpus.tokenizer.vocab_size, dtype=np.int64)
    for at in range(0, len(corpus.train), 1 << 20):
        counts += np.bincount(corpus.train[at : at + (1 << 20)], minlength=len(counts))
    return torch.from_numpy(counts)
