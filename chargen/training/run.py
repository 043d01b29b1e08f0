"""A run: a trainer with all its parts, and the folder it saves to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chargen.config import SampleConfig
from chargen.data.corpus import Corpus
from chargen.errors import ChargenError, RanksError, Wording, setting
from chargen.generation.generator import TextGenerator
from chargen.nn.model import LanguageModel
from chargen.reprs import counted
from chargen.runtime.device import describe
from chargen.runtime.distributed import Ranks
from chargen.runtime.files import Lock, Unset
from chargen.runtime.memory import within_memory
from chargen.training.advice import about_run, about_text
from chargen.training.events import EvalReport, Event
from chargen.training.planner import PlannedOption
from chargen.training.tensorboard import Recorder
from chargen.training.trainer import Trainer

SAMPLE = SampleConfig(max_tokens=160, temperature=0.8, seed=1)


@dataclass(frozen=True)
class TrainReport:
    """The result of a training run. It can be passed wherever a checkpoint's path is expected.

    `seconds` count from the start of the run. `valid_loss` is in nats per token; it and the other
    scores are None if no text was held out for validation. `stopped_early` says whether the run
    ended because the validation loss stopped improving. Where only answers count in the loss,
    `answers` is the share of the held-out ones that were exactly right, token by token.
    """

    checkpoint: Path
    steps: int
    seconds: float
    tokens_per_second: float
    valid_loss: float | None
    bits_per_byte: float | None
    bits_per_character: float | None
    stopped_early: bool
    # Of a model that was fine-tuned: the validation loss that it began with; text of the old kind,
    # and how much more it costs than before.
    start_loss: float | None = None
    old_bits_per_character: float | None = None
    forgotten_bits_per_character: float | None = None
    answers: float | None = None

    def __fspath__(self) -> str:
        """The folder: a report stands for its checkpoint wherever one is named."""
        return str(self.checkpoint)

    def __repr__(self) -> str:
        scores = ""
        if self.valid_loss is not None and self.bits_per_byte is not None:
            scores = f", loss {self.valid_loss:.3f}, {self.bits_per_byte:.3f} bits per byte"
        if self.answers is not None:
            scores += f", {self.answers:.1%} of the answers right"
        steps = counted(self.steps, "step")
        return f"<TrainReport {self.checkpoint}: {steps} in {self.seconds:.0f} s{scores}>"


@dataclass
class Run:
    """A trainer with all its parts, and the folder it saves to, which is locked till it ends. Of
    several ranks the first has the lock, trains and saves; the others follow it."""

    folder: Path
    corpus: Corpus
    trainer: Trainer
    resumed: bool
    lock: Lock | None = None
    plan: Sequence[PlannedOption] = ()  # what was chosen, and why
    recorder: Recorder | None = None
    hints: Sequence[Wording] = ()  # what its beginning has shown that may be meant otherwise
    _report: TrainReport | None = None  # what rank 0 sent the others

    @property
    def model(self) -> LanguageModel:
        return self.trainer.model

    @property
    def ranks(self) -> Ranks:
        return self.trainer.stepper.ranks

    @property
    def device(self) -> str:
        """Where it computes, in a few words."""
        device = describe(self.model.head.weight.device)
        return (
            device
            if self.ranks.world_size == 1
            else f"{self.ranks.world_size} ranks, each {device}"
        )

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, as rank 0 knows."""
        return self.ranks.is_main and self.trainer.finished

    def text_advice(self) -> list[Wording]:
        """What the text says that another option would do better; before the first step."""
        return [] if self.resumed else [*self.hints, *about_text(self.corpus)]

    def advice(self) -> list[Wording]:
        """What the run has shown that another option would do better."""
        return about_run(self.trainer.history, self.corpus.target_counts)

    def release(self) -> None:
        """Let others train in the folder."""
        if self.lock:
            self.lock.release()

    def events(
        self, is_stopped: Callable[[], bool] = lambda: False
    ) -> Generator[Event, None, None]:
        """Train; each evaluation comes with a fresh sample of what the model writes. Ranks that
        follow have none to show; where one of them `is_stopped`, all stop, which is a
        RanksError."""
        try:
            with self.ranks.failing_together(), within_memory():
                yield from self._lead() if self.ranks.is_main else self._follow(is_stopped)
        except RanksError as error:
            raise RanksError(
                error.message,
                hint="the last save is intact: continue with "
                + setting("resume", True)
                + " and "
                + setting("out", self.folder)
                + f", on any number of ranks up to {self.trainer.config.batch_size}",
            ) from error

    def _lead(self) -> Generator[Event, None, None]:
        events = self.trainer.run()
        reason: str | None = None
        try:
            try:
                for event in events:
                    if reason is not None:  # who runs us has had an event's time to stop it himself
                        raise RanksError(reason)
                    reason = self.ranks.stop_reason()
                    shown = self._with_sample(event) if isinstance(event, EvalReport) else event
                    if self.recorder:
                        self.recorder.record(shown)
                    yield shown
            finally:
                try:
                    events.close()
                finally:
                    self.release()
                    if self.recorder:
                        self.recorder.close()
        except GeneratorExit:
            self._end()
            raise
        self._end()

    def _end(self) -> None:
        """The others, who follow, end with the same report."""
        self.trainer.stepper.end(asdict(self.report()) | {"checkpoint": str(self.folder)})

    def _follow(self, is_stopped: Callable[[], bool]) -> Generator[Event, None, None]:
        outcome = self.trainer.stepper.run_follower(is_stopped)
        self._report = TrainReport(**outcome | {"checkpoint": self.folder})
        yield from ()

    def report(self) -> TrainReport:
        """What has come of it so far; at ranks that follow, once it has ended."""
        if self._report is not None:
            return self._report
        scores, best = self.trainer.scores(), self.trainer.best_evaluation
        start = self.trainer.history[0] if best and best.old_bits_per_character else None
        return TrainReport(
            self.folder,
            scores.steps,
            scores.seconds,
            self.trainer.tokens_per_second,
            scores.valid_loss,
            scores.bits_per_byte,
            scores.bits_per_character,
            self.trainer.out_of_patience,
            None if start is None else start.valid_loss,
            getattr(best, "old_bits_per_character", None),
            getattr(best, "forgotten_bits_per_character", None),
            None if isinstance(scores.answers, Unset) else scores.answers,
        )

    def _with_sample(self, report: EvalReport) -> EvalReport:
        with self.trainer.scored_weights():
            writer = TextGenerator(self.model, self.corpus.tokenizer)
            sample = ""
            with suppress(ChargenError):  # a state that is not finite: the guard's matter
                sample = "".join(piece.text for piece in writer.stream("", SAMPLE))
        self.model.train()
        return replace(report, sample=sample)
