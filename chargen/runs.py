"""From options to a run: its folder, corpus, model and trainer; new, resumed or fine-tuned.

`train` is the whole road for Python; the command line walks the same one and shows the events.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from chargen.about import TRAINING, CorpusFacts, existing, is_checkpoint, list_checkpoints
from chargen.checkpoint import (
    Checkpoint,
    Snapshot,
    is_whole,
    load_checkpoint,
    load_snapshot,
    load_weights,
    save,
    weights_of,
)
from chargen.config import (
    DEFAULT_MINUTES,
    PRESETS,
    CorpusConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
    share_out,
)
from chargen.corpus import Corpus, open_corpus
from chargen.device import describe, pick_device, within_memory
from chargen.errors import ChargenError, CheckpointError, ConfigError, CorpusError
from chargen.files import Lock, is_part, remove_parts, sync_folder
from chargen.generation import TextGenerator
from chargen.interrupt import Interrupts
from chargen.model import LanguageModel
from chargen.planning import Choice, Task, make_plan
from chargen.tensorboard import Recorder
from chargen.texts import Progress, find_texts, name_of, readable
from chargen.training import EvalReport, Event, Trainer, time_steps

CHECKPOINTS = Path("checkpoints")
# What may change when a run is resumed: how long it goes on, and how often it is saved.
CHANGEABLE = {"minutes", "epochs", "steps", "save_every"}
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


@dataclass(frozen=True)
class Run:
    """A trainer with all its parts, and the folder it saves to, which is locked till it ends."""

    folder: Path
    corpus: Corpus
    trainer: Trainer
    resumed: bool
    lock: Lock
    plan: Sequence[Choice] = ()  # what was chosen, and why
    recorder: Recorder | None = None

    @property
    def model(self) -> LanguageModel:
        return self.trainer.model

    @property
    def device(self) -> str:
        """Where it computes, in a few words."""
        return describe(self.model.head.weight.device)

    def events(self) -> Generator[Event, None, None]:
        """Train; each evaluation comes with a fresh sample of what the model writes."""
        events = self.trainer.run()
        try:
            with within_memory():
                for event in events:
                    shown = self._with_sample(event) if isinstance(event, EvalReport) else event
                    if self.recorder:
                        self.recorder.record(shown)
                    yield shown
        finally:
            try:
                events.close()
            finally:
                self.lock.release()
                if self.recorder:
                    self.recorder.close()

    def report(self) -> TrainReport:
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
    with Interrupts() as interrupts:
        events = run.events()
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
    progress: Progress = lambda doing, share: None,
) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind.

    `started` is the reading of `time.monotonic()` from which the time of the run counts.
    """
    started = time.monotonic() if started is None else started
    others = {"overwrite": overwrite, "init_from": init_from, "preset": preset}
    if resume and any(others.values()):
        other = next(name for name, value in others.items() if value)
        raise ConfigError(
            f"`resume` and `{other}` cannot be combined", hint="resume goes on with what is there"
        )
    if resume:
        folder = existing(_last_run(name_of(paths) if paths else None) if out is None else out)
        lock = _lock(folder)
        try:
            with within_memory():
                run = _resume(paths, folder, lock, device, options, started, progress)
                # What a crash has left half-done is done, and a folder that cannot be written is
                # told before there is something to lose. What is whole and done stays as it is.
                if not run.trainer.finished or not is_whole(folder):
                    run.trainer.save()
            recorder = Recorder(folder / "tensorboard") if tensorboard else None
        except BaseException:
            lock.release()
            raise
        return replace(run, recorder=recorder)
    if preset is not None and init_from is not None:
        raise ConfigError(
            "`preset` and `init_from` cannot be combined",
            hint="a model that is gone on with keeps its size",
        )
    share_out(options)  # a wrong option is told before a text is read
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"must be one of {', '.join(PRESETS)}, not {preset!r}", option="preset")
    picked = pick_device(device)
    found = find_texts(paths)  # a wrong path is told before a folder is made
    folder, is_new = _claim_folder(out, name_of(paths), overwrite)
    lock = _lock(folder)
    try:
        with within_memory():
            parts = _fresh(paths, options, preset, init_from, picked, started, progress)
            trainer = _trainer(
                folder,
                parts.model,
                parts.corpus,
                CorpusFacts(parts.corpus.name, list(parts.corpus.sources)),
                parts.corpus_config,
                parts.train_config,
                found,
                started,
            )
            trainer.save()  # from here on the run can be resumed
            recorder = Recorder(folder / "tensorboard") if tensorboard else None
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        raise
    return Run(folder, parts.corpus, trainer, False, lock, parts.plan, recorder)


def _fresh(
    paths: Sequence[str | os.PathLike[str]],
    options: Mapping[str, Any],
    preset: str | None,
    init_from: str | os.PathLike[str] | None,
    device: torch.device,
    started: float,
    progress: Progress,
) -> _Parts:
    """A new model of the corpus, or the one in `init_from` with its tokenizer, as planned."""
    corpus_config, _, train_config = share_out(options)
    source = None if init_from is None else load_checkpoint(init_from)
    if source is not None:
        _refuse_other_shape(source, options)
    corpus = open_corpus(
        paths,
        corpus_config,
        seed=train_config.seed,
        tokenizer=None if source is None else source.tokenizer,
        progress=progress,
    )
    shape = {} if source is None else _shape(source.about.model)
    given = {**shape, **options}
    progress("planning", 0)
    plan = _plan(corpus, given, preset, device, started, source is not None)
    given |= {choice.name: choice.value for choice in plan}
    _, model_config, train_config = share_out(given)
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


def _plan(
    corpus: Corpus,
    given: dict[str, Any],
    preset: str | None,
    device: torch.device,
    started: float,
    network_is_given: bool,
) -> list[Choice]:
    """What the planner makes of the corpus and the time that is left of what was given."""
    train_config = share_out(given)[2]
    seconds = None
    if train_config.steps is None and train_config.epochs is None:
        minutes = train_config.minutes or DEFAULT_MINUTES
        seconds = max(0.0, 60 * minutes - (time.monotonic() - started))
    task = Task(
        train_tokens=len(corpus.train),
        vocab_size=corpus.tokenizer.vocab_size,
        device=device.type,
        seconds=seconds,
        network_is_given=network_is_given,
    )
    timed: dict[tuple[Any, ...], float] = {}

    def step_seconds(options: Mapping[str, Any]) -> float:
        _, model_config, config = share_out(options)
        sizes = (model_config.hidden_size, model_config.num_layers, config.batch_size, config.bptt)
        if sizes not in timed:
            model = LanguageModel(model_config, corpus.tokenizer.vocab_size).to(device)
            timed[sizes] = time_steps(Trainer(model, corpus, config))
        return timed[sizes]

    return make_plan(task, given, step_seconds, preset)


def _refuse_other_shape(source: Checkpoint, options: Mapping[str, Any]) -> None:
    """A model that is gone on with keeps its shape and its tokenizer. Raises CheckpointError."""
    kept = _shape(source.about.model) | {"tokenizer": source.tokenizer.kind}
    for name, value in options.items():
        if name in kept and value != kept[name]:
            raise CheckpointError(
                f"`{name}` is {kept[name]} in {source.about.folder} and cannot become {value}",
                hint="leave it out, or train without `init_from`",
            )
    for name in ("vocab_size", "subword_model"):
        if name in options:
            raise CheckpointError(
                f"`{name}` and `init_from` cannot be combined",
                hint=f"the tokenizer of {source.about.folder} is used",
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

    return Trainer(model, corpus, train_config, save=save_to_folder, started=started)


def _resume(
    paths: Sequence[str | os.PathLike[str]],
    folder: Path,
    lock: Lock,
    device: str,
    options: Mapping[str, Any],
    started: float,
    progress: Progress,
) -> Run:
    """The run in a folder, at the step where it was saved last."""
    snapshot = load_snapshot(folder)
    train_config = _resumed_config(snapshot, options)
    picked = pick_device(device)
    try:
        places = find_texts(paths) if paths else _files(snapshot.paths)
        corpus = open_corpus(
            places,
            snapshot.corpus_config,
            seed=train_config.seed,
            tokenizer=snapshot.tokenizer,
            progress=progress,
        )
    except CorpusError as error:
        if paths:
            raise
        raise CorpusError(
            f"the text of {folder} cannot be read again: {error.message}",
            hint=f"name it: chargen train TEXT --resume --out {folder}",
        ) from error
    if [sha256 for *_, sha256 in corpus.sources] != [s for *_, s in snapshot.corpus.files]:
        raise CorpusError(
            f"this is not the text that {folder} was trained on",
            hint="to learn another text from these weights, use --init-from",
        )
    model = LanguageModel(snapshot.model_config, snapshot.tokenizer.vocab_size).to(picked)
    trainer = _trainer(
        folder,
        model,
        corpus,
        snapshot.corpus,
        snapshot.corpus_config,
        train_config,
        places,
        started,
    )
    try:
        trainer.restore(
            snapshot.weights,
            snapshot.best,
            snapshot.learner,
            snapshot.progress,
            snapshot.metrics,
        )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"the training state in {folder} is damaged: {error}",
            hint="start from its weights with --init-from instead",
        ) from error
    return Run(folder, corpus, trainer, True, lock)


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
    share_out(options)  # unknown names and wrong values are told first
    for name, value in options.items():
        if name not in CHANGEABLE and value != kept[name]:
            raise CheckpointError(
                f"`{name}` is {kept[name]} in this run and cannot become {value}",
                hint="a resumed run may change its length, `save_every` and the device",
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
