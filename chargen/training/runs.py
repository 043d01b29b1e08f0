"""From options to a run: its folder, corpus, model and trainer; new, resumed or fine-tuned.

`train` is the whole road for Python; the command line walks the same one and shows the events.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from chargen.checkpoint.files import TRAINING
from chargen.checkpoint.folder import Checkpoint, is_complete, load_checkpoint, load_snapshot, save
from chargen.checkpoint.locate import is_checkpoint, list_checkpoints, require_checkpoint
from chargen.checkpoint.metadata import CorpusFacts
from chargen.checkpoint.snapshot import Snapshot
from chargen.checkpoint.store import load_weights, weights_of
from chargen.config import (
    PRESETS,
    CorpusConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
    split_options,
)
from chargen.data.corpus import Corpus
from chargen.data.sources import find_texts, name_of, readable
from chargen.errors import (
    ChargenError,
    CheckpointError,
    ConfigError,
    CorpusError,
    RanksError,
    named,
)
from chargen.generation.generator import TextGenerator
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, no_progress
from chargen.runtime.device import describe, pick_device
from chargen.runtime.distributed import Ranks, join
from chargen.runtime.files import Lock, is_part, remove_parts, sync_folder
from chargen.runtime.memory import is_out_of_memory, within_memory
from chargen.runtime.signals import Interrupts
from chargen.training.planner import Choice
from chargen.training.setup import open_together, plan_together
from chargen.training.tensorboard import Recorder
from chargen.training.trainer import EvalReport, Event, Trainer

CHECKPOINTS = Path("checkpoints")
# What may change when a run is resumed: how long it goes on, how often it is saved, and in how many
# parts its streams are read.
CHANGEABLE = {"minutes", "epochs", "steps", "save_every", "accumulate"}
SAMPLE = SampleConfig(max_tokens=160, temperature=0.8, seed=1)


@dataclass(frozen=True)
class TrainReport:
    """What came of a training. Losses in nats per token, None where nothing was validated."""

    checkpoint: Path
    steps: int
    seconds: float
    tokens_per_second: float
    valid_loss: float | None
    bits_per_byte: float | None
    bits_per_character: float | None
    stopped_early: bool  # out of patience


@dataclass
class Run:
    """A trainer with all its parts, and the folder it saves to, which is locked till it ends. Of
    several ranks the first has the lock, trains and saves; the others follow it."""

    folder: Path
    corpus: Corpus
    trainer: Trainer
    resumed: bool
    lock: Lock | None = None
    plan: Sequence[Choice] = ()  # what was chosen, and why
    recorder: Recorder | None = None
    _report: TrainReport | None = None  # what rank 0 told the others

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
                hint=f"what was saved last is there: go on with --resume --out {self.folder}, on "
                f"any number of ranks up to {self.trainer.config.batch_size}",
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
        scores = self.trainer.scores()
        return TrainReport(
            self.folder,
            scores.steps,
            scores.seconds,
            self.trainer.tokens_per_second,
            scores.valid_loss,
            scores.bits_per_byte,
            scores.bits_per_character,
            self.trainer.out_of_patience,
        )

    def _with_sample(self, report: EvalReport) -> EvalReport:
        with self.trainer.scored_weights():
            writer = TextGenerator(self.model, self.corpus.tokenizer)
            sample = ""
            with suppress(
                ChargenError
            ):  # a state that has grown beyond numbers: the guard's matter
                sample = "".join(piece.text for piece in writer.stream("", SAMPLE))
        self.model.train()
        return replace(report, sample=sample)


def train(
    corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    tensorboard: bool = False,
    device: str = "auto",
    **options: Any,
) -> TrainReport:
    """Train a model on one text or several and save it; prints nothing.

    `options` are the fields of CorpusConfig, ModelConfig and TrainConfig, which are the flags of
    `chargen train`. Ctrl-C saves at the next step boundary, then raises KeyboardInterrupt, and
    SIGTERM and SIGHUP likewise SystemExit. Every mistake in the call or the text is a ChargenError.
    """
    run = prepare(
        [corpus] if isinstance(corpus, str | os.PathLike) else corpus,
        out=out,
        resume=resume,
        overwrite=overwrite,
        init_from=init_from,
        preset=preset,
        tensorboard=tensorboard,
        device=device,
        options=options,
    )
    with Interrupts(on_second_sigint=signal.default_int_handler) as interrupts:
        events = run.events(lambda: interrupts.caught is not None)
        for _ in events:
            if interrupts.caught:
                events.close()
    if interrupts.caught == signal.SIGINT:
        raise KeyboardInterrupt
    if interrupts.caught:
        raise SystemExit(interrupts.exit_code)
    return run.report()


def prepare(
    paths: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | os.PathLike[str] | None = None,
    preset: str | None = None,
    tensorboard: bool = False,
    device: str = "auto",
    options: Mapping[str, Any],
    started: float | None = None,
    on_progress: OnProgress = no_progress,
) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind.

    `started` is the reading of `time.monotonic()` from which the time of the run counts.
    """
    started = time.monotonic() if started is None else started
    others = {"overwrite": overwrite, "init_from": init_from, "preset": preset}
    if resume and any(others.values()):
        other = next(name for name, value in others.items() if value)
        raise ConfigError(
            named("resume", other) + " cannot be combined", hint="resume goes on with what is there"
        )
    if resume:
        ranks, picked = join(pick_device(device))
        with ranks.failing_together(), within_memory():
            return _go_on(paths, out, tensorboard, ranks, picked, options, started, on_progress)
    if preset is not None and init_from is not None:
        raise ConfigError(
            named("preset", "init_from") + " cannot be combined",
            hint="a model that is gone on with keeps its size",
        )
    split_options(options)  # a wrong option is told before a text is read
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"must be one of {', '.join(PRESETS)}, not {preset!r}", option="preset")
    ranks, picked = join(pick_device(device))
    found = find_texts(paths)  # a wrong path is told before a folder is made
    with ranks.failing_together(), within_memory():
        if not ranks.is_main:
            parts = _fresh(paths, options, preset, None, ranks, picked, started, on_progress)
            trainer = Trainer(parts.model, parts.corpus, parts.train_config, ranks=ranks)
            return Run(Path(ranks.broadcast(None)), parts.corpus, trainer, resumed=False)
        folder, is_new = _claim_folder(out, name_of(paths), overwrite)
        lock = _lock(folder)
        try:
            parts = _fresh(paths, options, preset, init_from, ranks, picked, started, on_progress)
            trainer = _trainer(
                folder,
                parts.model,
                parts.corpus,
                CorpusFacts(parts.corpus.name, list(parts.corpus.sources)),
                parts.corpus_config,
                parts.train_config,
                found,
                started,
                ranks,
            )
            ranks.broadcast(str(folder))
            trainer.save()  # from here on the run can be resumed
            recorder = Recorder(folder / "tensorboard") if tensorboard else None
        except BaseException:
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            raise
        return Run(folder, parts.corpus, trainer, False, lock, parts.plan, recorder)


def _go_on(
    paths: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None,
    tensorboard: bool,
    ranks: Ranks,
    device: torch.device,
    options: Mapping[str, Any],
    started: float,
    on_progress: OnProgress,
) -> Run:
    """The run in `out`, or the last one of this corpus, which rank 0 locks."""
    if not ranks.is_main:
        return _resume(paths, None, ranks, device, options, started, on_progress)
    folder = require_checkpoint(
        _last_run(name_of(paths) if paths else None) if out is None else out
    )
    lock = _lock(folder)
    try:
        run = _resume(paths, folder, ranks, device, options, started, on_progress)
        # What a crash has left half-done is done, and a folder that cannot be written is told
        # before there is something to lose. What is whole and done stays as it is.
        if not run.trainer.finished or not is_complete(folder):
            run.trainer.save()
        recorder = Recorder(folder / "tensorboard") if tensorboard else None
    except BaseException:
        lock.release()
        raise
    return replace(run, lock=lock, recorder=recorder)


def _fresh(
    paths: Sequence[str | os.PathLike[str]],
    options: Mapping[str, Any],
    preset: str | None,
    init_from: str | os.PathLike[str] | None,
    ranks: Ranks,
    device: torch.device,
    started: float,
    on_progress: OnProgress,
) -> _Parts:
    """A new model of the corpus, or the one in `init_from` with its tokenizer, as planned. Ranks
    that follow are told the plan, and get their weights from rank 0 when they begin."""
    corpus_config, _, train_config = split_options(options)
    source = None if init_from is None else load_checkpoint(init_from)
    if source is not None:
        _check_shape(source, options)
    corpus = open_together(
        ranks,
        paths,
        corpus_config,
        train_config.seed,
        None if source is None else source.tokenizer,
        on_progress,
    )
    given = {} if source is None else _shape(source.metadata.model)
    given, plan = plan_together(
        corpus,
        given | dict(options),
        preset,
        ranks,
        device,
        started,
        network_is_given=source is not None,
        on_progress=on_progress,
    )
    _, model_config, train_config = split_options(given)
    torch.manual_seed(train_config.seed)
    model = LanguageModel(model_config, corpus.tokenizer.vocab_size)
    counts = torch.from_numpy(corpus.counts)
    if source is None:
        model.start_from_counts(counts)
    else:
        load_weights(model, weights_of(source.model))
        model.seen |= counts > 0
    return _Parts(corpus, corpus_config, train_config, model.to(device), plan)


@dataclass(frozen=True)
class _Parts:
    corpus: Corpus
    corpus_config: CorpusConfig
    train_config: TrainConfig
    model: LanguageModel
    plan: list[Choice]


def _shape(config: ModelConfig) -> dict[str, Any]:
    """The options that a model's weights are made for; the others are free to change."""
    return {name: value for name, value in asdict(config).items() if "dropout" not in name}


def _check_shape(source: Checkpoint, options: Mapping[str, Any]) -> None:
    """A model that is gone on with keeps its shape and its tokenizer. Raises CheckpointError."""
    kept = _shape(source.metadata.model) | {"tokenizer": source.tokenizer.kind}
    for name, value in options.items():
        if name in kept and value != kept[name]:
            raise CheckpointError(
                named(name)
                + f" is {kept[name]} in {source.metadata.folder} and cannot become {value}",
                hint="leave it out, or train without " + named("init_from"),
            )
    for name in ("vocab_size", "subword_model"):
        if name in options:
            raise CheckpointError(
                named(name, "init_from") + " cannot be combined",
                hint=f"the tokenizer of {source.metadata.folder} is used",
            )


def _claim_folder(
    out: str | os.PathLike[str] | None, name: str, overwrite: bool
) -> tuple[Path, bool]:
    """The folder to save to, and whether it was just made. Raises CheckpointError."""
    folder = CHECKPOINTS / name if out is None else Path(out)
    if overwrite and folder.is_dir():
        if not _is_empty(folder) and not is_checkpoint(folder):
            raise CheckpointError(
                f"{folder} is not a checkpoint, so it is not overwritten",
                hint="name another folder with --out",
            )
        return folder, False
    number = 1
    while True:
        try:
            folder.mkdir(parents=True)
            sync_folder(folder.parent)
            return folder, True
        except FileExistsError as error:
            if out is not None:
                hint = "name another folder with --out"
                if is_checkpoint(folder):
                    hint = "go on with it by --resume, replace it by --overwrite, or name another"
                elif folder.is_dir() and _is_empty(folder):
                    _lock(folder).release()  # refused where a run has just begun there
                    hint = "it is empty: --overwrite takes it"
                raise CheckpointError(f"{folder} exists", hint=hint) from error
            number += 1
            folder = CHECKPOINTS / f"{name}-{number}"
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CheckpointError(
                f"cannot make the folder {folder}: {why}", hint="name another one with --out"
            ) from error


def _is_empty(folder: Path) -> bool:
    """But for what a killed run had begun to write. What cannot be seen is not."""
    try:
        return all(is_part(name) for name in os.listdir(folder))
    except OSError:
        return False


def _lock(folder: Path) -> Lock:
    """The folder, for this run alone. Raises CheckpointError."""
    try:
        lock = Lock(folder)
    except BlockingIOError as error:
        raise CheckpointError(
            f"another run is training in {folder}",
            hint="wait for its end or stop it, or name another folder with --out",
        ) from error
    except OSError as error:
        raise CheckpointError(f"cannot open {folder}: {error.strerror}") from error
    remove_parts(folder)
    return lock


def _trainer(
    folder: Path,
    model: LanguageModel,
    corpus: Corpus,
    facts: CorpusFacts,
    corpus_config: CorpusConfig,
    train_config: TrainConfig,
    paths: Sequence[str | os.PathLike[str]],
    started: float,
    ranks: Ranks,
) -> Trainer:
    """A trainer that saves to the folder."""
    places = ["-" if os.fspath(p) == "-" else readable(os.path.abspath(p)) for p in paths]

    def save_to_folder(trainer: Trainer) -> None:
        weights = trainer.weights()
        snapshot = Snapshot(
            model_config=model.config,
            corpus_config=corpus_config,
            train_config=train_config,
            tokenizer=corpus.tokenizer,
            corpus=facts,
            paths=places,
            scores=trainer.scores(),
            weights=weights,
            best=trainer.best or weights,
            learner=trainer.learner(),
            progress=trainer.position(),
            metrics=trainer.metrics(),
        )
        save(folder, snapshot)

    return Trainer(model, corpus, train_config, save=save_to_folder, started=started, ranks=ranks)


def _resume(
    paths: Sequence[str | os.PathLike[str]],
    folder: Path | None,
    ranks: Ranks,
    device: torch.device,
    options: Mapping[str, Any],
    started: float,
    on_progress: OnProgress,
) -> Run:
    """The run in a folder, at the step where it was saved last; ranks that follow name no folder
    and are told what is in it."""
    snapshot = None if folder is None else load_snapshot(folder)
    told = None
    try:
        if snapshot is not None:
            train_config = _resumed_config(snapshot, options)
            places = find_texts(paths) if paths else _files(snapshot.paths)
            configs = (snapshot.corpus_config, snapshot.model_config, train_config)
            told = str(folder), list(map(str, places)), list(map(asdict, configs))
        name, found, options_of = ranks.broadcast(told)
        corpus_config = CorpusConfig(**options_of[0])
        model_config = ModelConfig(**options_of[1])
        train_config = TrainConfig(**options_of[2])
        corpus = open_together(
            ranks,
            found,
            corpus_config,
            train_config.seed,
            None if snapshot is None else snapshot.tokenizer,
            on_progress,
            None if snapshot is None else partial(_check_same_text, folder, snapshot),
        )
    except CorpusError as error:
        if paths:
            raise
        raise CorpusError(
            f"the text of {folder or 'this run'} cannot be read again: {error.message}",
            hint=f"name it: chargen train TEXT --resume --out {folder or 'FOLDER'}",
        ) from error
    if snapshot is None:
        model = LanguageModel(model_config, corpus.tokenizer.vocab_size).to(device)
        trainer = Trainer(model, corpus, train_config, ranks=ranks)
        return Run(Path(name), corpus, trainer, resumed=True)
    assert folder is not None
    model = LanguageModel(snapshot.model_config, snapshot.tokenizer.vocab_size).to(device)
    trainer = _trainer(
        folder,
        model,
        corpus,
        snapshot.corpus,
        snapshot.corpus_config,
        train_config,
        places,
        started,
        ranks,
    )
    try:
        with ranks.failing_together():
            trainer.restore(
                snapshot.weights,
                snapshot.best,
                snapshot.learner,
                snapshot.progress,
                snapshot.metrics,
            )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"the training state in {folder} is damaged: {error}",
            hint="start from its weights with --init-from instead",
        ) from error
    return Run(folder, corpus, trainer, resumed=True)


def _check_same_text(folder: Path | None, snapshot: Snapshot, corpus: Corpus) -> None:
    """Raises CorpusError where a run did not begin with this text."""
    if [sha256 for *_, sha256 in corpus.sources] != [s for *_, s in snapshot.corpus.files]:
        raise CorpusError(
            f"this is not the text that {folder} was trained on",
            hint="to learn another text from these weights, use --init-from",
        )


def _files(paths: Sequence[str]) -> list[Path]:
    """The texts that a checkpoint names. It may come from anybody, so it names files alone: no
    pipe, no device, no pattern for them. Raises CorpusError."""
    for path in paths:
        if path == "-":
            raise CorpusError("it came from standard input")
        if not os.path.isfile(path):
            exists = os.path.exists(path)
            raise CorpusError(f"{path} is no file" if exists else f"no such text: {path}")
    return [Path(path) for path in paths]


def _resumed_config(snapshot: Snapshot, options: Mapping[str, Any]) -> TrainConfig:
    """The run's own options, with those given that may change. Raises ConfigError."""
    kept = (
        asdict(snapshot.corpus_config)
        | asdict(snapshot.model_config)
        | asdict(snapshot.train_config)
    )
    split_options(options)  # unknown names and wrong values are told first
    for name, value in options.items():
        if name not in CHANGEABLE and value != kept[name]:
            raise CheckpointError(
                named(name) + f" is {kept[name]} in this run and cannot become {value}",
                hint="a resumed run may change its length, "
                + named("save_every", "accumulate", last=", ")
                + ", the device",
            )
    changed: dict[str, Any] = {name: options[name] for name in CHANGEABLE & set(options)}
    lengths = ("minutes", "epochs", "steps")
    if any(name in options for name in lengths):
        changed = dict.fromkeys(lengths) | changed
    return replace(snapshot.train_config, **changed)


def _last_run(name: str | None) -> Path:
    """The run below `checkpoints/` that was saved last, of the corpus `name` if one is given."""
    runs = [
        entry.folder
        for entry in list_checkpoints(CHECKPOINTS)
        if os.path.isfile(entry.folder / TRAINING) and name in (None, entry.corpus.name)
    ]
    if not runs:
        of = f" of {name}" if name else ""
        raise CheckpointError(
            f"there is no run{of} below {CHECKPOINTS.resolve()} to resume",
            hint="name its folder with --out, or start anew without --resume",
        )
    return runs[0]
