"""A run that goes on at the step where it was saved last, as if it had not stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from chargen.checkpoint.files import TENSORBOARD, TRAINING, blaming
from chargen.checkpoint.folder import is_complete, load_snapshot
from chargen.checkpoint.locate import require_checkpoint
from chargen.checkpoint.metadata import CorpusFacts, Replayed
from chargen.checkpoint.snapshot import Snapshot
from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import Corpus
from chargen.data.finding import name_of
from chargen.errors import CheckpointError, CorpusError, named, setting
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import to_tensors
from chargen.runtime.files import Unset
from chargen.runtime.memory import is_out_of_memory, within_memory
from chargen.tokenizers.base import Tokenizer
from chargen.training.planner import PlannedOption
from chargen.training.replay import OldText, Replay, corpus_options, old_text_of
from chargen.training.run import Run
from chargen.training.run_folder import FolderSaver, last_run, lock_folder
from chargen.training.setup import Setup
from chargen.training.tensorboard import Recorder
from chargen.training.trainer import Trainer
from chargen.training.trainer_state import TrainerState
from chargen.training.trials import Trials

# What may change when a run is resumed: how long it goes on, how often it is saved, and in how many
# parts its streams are read.
CHANGEABLE = {"minutes", "epochs", "steps", "save_every", "accumulate"}


def resume_run(setup: Setup) -> Run:
    """The run in `out`, or the last one of this corpus, which rank 0 locks."""
    request, ranks = setup.request, setup.ranks
    with ranks.failing_together(), within_memory():
        if not ranks.is_main:
            return _open_run(setup, None)
        name = name_of(request.paths) if request.paths else None
        folder = require_checkpoint(last_run(name) if request.out is None else request.out)
        lock = lock_folder(folder)
        try:
            run = _open_run(setup, folder)
            # What a crash has left half-done is done, and a folder that cannot be written is
            # reported before there is something to lose. What is whole and done stays as it is.
            if not run.trainer.finished or not is_complete(folder):
                run.trainer.save()
            recorder = Recorder(folder / TENSORBOARD) if request.tensorboard else None
        except BaseException:
            lock.release()
            raise
        return replace(run, lock=lock, recorder=recorder)


def _open_run(setup: Setup, folder: Path | None) -> Run:
    """The run in a folder; ranks that follow name no folder and receive what is in it."""
    request, ranks = setup.request, setup.ranks
    snapshot = None if folder is None else load_snapshot(folder)
    agreed, replayed = None, None
    if folder is not None and snapshot is not None:
        replayed = _replayed(folder, snapshot, request.replay)
    try:
        if snapshot is not None:
            train_config = _resumed_config(snapshot, request.options)
            paths = request.paths or _files(snapshot.paths)
            configs = (snapshot.corpus_config, snapshot.model_config, train_config)
            agreed = str(folder), list(map(str, paths)), list(map(asdict, configs)), replayed
        name, found, (of_corpus, of_model, of_training), replayed = ranks.broadcast(agreed)
        train_config = TrainConfig(**of_training)
        corpus = setup.open_corpus(
            found,
            CorpusConfig(**of_corpus),
            train_config.seed,
            None if snapshot is None else snapshot.tokenizer,
            None if snapshot is None else partial(_check_same_text, folder, snapshot.corpus),
        )
    except CorpusError as error:
        if request.paths:
            raise
        raise CorpusError(
            f"the text of {folder or 'this run'} cannot be read again: {error.message}",
            hint="name it again, with "
            + setting("resume", True)
            + " and "
            + setting("out", folder, fill_in="FOLDER"),
        ) from error
    replay = None
    if replayed is not None:
        replay = _open_replay(setup, folder, snapshot, corpus.tokenizer, **replayed)
    model = LanguageModel(ModelConfig(**of_model), corpus.tokenizer.vocab_size).to(setup.device)
    if snapshot is None or folder is None:
        trainer = Trainer(model, corpus, train_config, ranks=ranks, replay=replay)
        return Run(Path(name), corpus, trainer, resumed=True)
    trainer = Trainer(
        model,
        corpus,
        train_config,
        save=FolderSaver(
            folder,
            corpus,
            snapshot.corpus,
            snapshot.corpus_config,
            corpus.paths,
            snapshot.sampling,
            snapshot.fine_tuned,
        ),
        started=request.started,
        ranks=ranks,
        old_text=_old_text(folder, snapshot, replay),
        replay=replay,
    )
    try:
        with ranks.failing_together():
            trainer.restore(_state_of(snapshot))
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"the training state in {folder} is damaged: {error}",
            hint="start from its weights instead, with " + setting("init_from", folder),
        ) from error
    threads: list[PlannedOption] = []
    if not trainer.finished:
        options = asdict(trainer.model.config) | asdict(trainer.config)
        threads = Trials(corpus, ranks, setup.device).pick_threads(options)
    return Run(folder, corpus, trainer, resumed=True, plan=threads)


def _state_of(snapshot: Snapshot) -> TrainerState:
    return TrainerState(
        weights=to_tensors(snapshot.weights),
        best=to_tensors(snapshot.best),
        learner=to_tensors(snapshot.learner),
        position=snapshot.progress,
        metrics=snapshot.metrics,
    )


def _replayed(
    folder: Path, snapshot: Snapshot, named_again: Sequence[str | os.PathLike[str]]
) -> dict[str, Any] | None:
    """The old text of a run, JSON-able: where it lies, how it is read, by how many streams. Raises
    CorpusError, CheckpointError."""
    record = None if snapshot.fine_tuned is None else snapshot.fine_tuned.replayed
    if record is None or isinstance(record, Unset):
        if named_again:
            raise CheckpointError(
                f"{folder} has no text that it replays",
                hint="a run begins with " + named("replay") + ", or goes on without",
            )
        return None
    try:
        paths = list(named_again) or _files(record.paths)
    except CorpusError as error:
        raise CorpusError(
            f"the text that {folder} replays cannot be read again: {error.message}",
            hint="name it again, with "
            + setting("resume", True)
            + ", "
            + setting("out", folder)
            + " and "
            + setting("replay", fill_in="FILE"),
        ) from error
    return {
        "paths": list(map(str, paths)),
        "options": record.corpus_options,
        "seed": record.seed,
        "streams": record.streams,
    }


def _open_replay(
    setup: Setup,
    folder: Path | None,
    snapshot: Snapshot | None,
    tokenizer: Tokenizer,
    *,
    paths: Sequence[str],
    options: Mapping[str, Any],
    seed: int,
    streams: int,
) -> Replay:
    """Raises CorpusError where it is not the text of before."""
    check = None
    if snapshot is not None and snapshot.fine_tuned is not None:
        record = snapshot.fine_tuned.replayed
        assert isinstance(record, Replayed)
        check = partial(_check_same_text, folder, record.corpus)
    return Replay(
        setup.open_corpus(paths, corpus_options(options), seed, tokenizer, check), streams
    )


def _old_text(folder: Path, snapshot: Snapshot, replay: Replay | None) -> OldText | None:
    """The text that shows what the run forgets, where it began with another model's weights. Raises
    CheckpointError."""
    if snapshot.fine_tuned is None:
        return None
    tokens = snapshot.fine_tuned.old_text
    with blaming(folder, TRAINING):
        if max(tokens, default=0) >= snapshot.tokenizer.vocab_size:
            raise ValueError("its old text has tokens that there are none of")
    return old_text_of(snapshot.fine_tuned, replay)


def _check_same_text(folder: Path | None, facts: CorpusFacts, corpus: Corpus) -> None:
    """Raises CorpusError where a run did not begin with this text."""
    if [sha256 for *_, sha256 in corpus.sources] != [s for *_, s in facts.files]:
        raise CorpusError(
            f"this is not the text that {folder} was trained on",
            hint="to train these weights on another text, use "
            + setting("init_from", folder, fill_in="FOLDER"),
        )


def _files(paths: Sequence[str]) -> list[Path]:
    """The texts that a checkpoint names. It may come from anybody, so it names files and folders
    alone: no pipe, no device, no pattern for them. Raises CorpusError."""
    for path in paths:
        if path == "-":
            raise CorpusError("it came from standard input")
        if not os.path.isfile(path) and not os.path.isdir(path):
            exists = os.path.exists(path)
            raise CorpusError(f"{path} is not a file" if exists else f"no such text: {path}")
    return [Path(path) for path in paths]


def _resumed_config(snapshot: Snapshot, options: Mapping[str, Any]) -> TrainConfig:
    """The run's own options, with those given that may change. Raises ConfigError,
    CheckpointError."""
    kept = (
        asdict(snapshot.corpus_config)
        | asdict(snapshot.model_config)
        | asdict(snapshot.train_config)
    )
    for name, value in options.items():
        if name not in CHANGEABLE and value != kept[name]:
            raise CheckpointError(
                named(name) + f" is {kept[name]} in this run and cannot become {value}",
                hint="a resumed run may change its length, "
                + named("save_every", "accumulate", last=", ")
                + ", the device and the number of ranks",
            )
    changed: dict[str, Any] = {name: options[name] for name in CHANGEABLE & set(options)}
    lengths = ("minutes", "epochs", "steps")
    if any(name in options for name in lengths):
        changed = dict.fromkeys(lengths) | changed
    return replace(snapshot.train_config, **changed)
