"""A run from its beginning: a new model of a text, or one that was trained before (fine-tuning)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from chargen.checkpoint.files import TENSORBOARD
from chargen.checkpoint.folder import Checkpoint, load_checkpoint
from chargen.checkpoint.metadata import CorpusFacts
from chargen.config import CorpusConfig, ModelConfig, SamplingDefaults, TrainConfig, split_options
from chargen.data.corpus import Corpus
from chargen.data.sources import find_texts, name_of
from chargen.errors import CheckpointError, named
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import load_tensors, to_tensors
from chargen.runtime.memory import within_memory
from chargen.training.advice import about_speakers, about_stopped
from chargen.training.planner import PlannedOption
from chargen.training.run import Run
from chargen.training.run_folder import FolderSaver, claim_folder, lock_folder, stopped_run
from chargen.training.sampling_defaults import sampling_defaults
from chargen.training.setup import Setup
from chargen.training.tensorboard import Recorder
from chargen.training.trainer import Trainer


@dataclass(frozen=True)
class _Parts:
    corpus: Corpus
    corpus_config: CorpusConfig
    train_config: TrainConfig
    model: LanguageModel
    sampling: SamplingDefaults
    plan: list[PlannedOption]


def begin_run(setup: Setup) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind."""
    request, ranks = setup.request, setup.ranks
    found = find_texts(request.paths)  # a wrong path is reported before a folder is made
    with ranks.failing_together(), within_memory():
        if not ranks.is_main:
            parts = _make_parts(setup)
            trainer = Trainer(parts.model, parts.corpus, parts.train_config, ranks=ranks)
            return Run(Path(ranks.broadcast(None)), parts.corpus, trainer, resumed=False)
        folder, is_new = claim_folder(request.out, name_of(request.paths), request.overwrite)
        lock = lock_folder(folder)
        try:
            parts = _make_parts(setup)
            corpus = parts.corpus
            facts = CorpusFacts(corpus.name, list(corpus.sources))
            trainer = Trainer(
                parts.model,
                corpus,
                parts.train_config,
                save=FolderSaver(folder, corpus, facts, parts.corpus_config, found, parts.sampling),
                started=request.started,
                ranks=ranks,
            )
            hints = about_speakers(corpus, parts.corpus_config)
            if request.out is None and (stopped := stopped_run(corpus)) is not None:
                hints += about_stopped(stopped)
            ranks.broadcast(str(folder))
            trainer.save()  # from here on the run can be resumed
            recorder = Recorder(folder / TENSORBOARD) if request.tensorboard else None
        except BaseException:
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            raise
        return Run(folder, corpus, trainer, False, lock, parts.plan, recorder, hints)


def _make_parts(setup: Setup) -> _Parts:
    """A new model of the corpus, or the one in `init_from` with its tokenizer, as planned. Ranks
    that follow receive the plan, and get their weights from rank 0 when they begin."""
    request = setup.request
    source = None
    if setup.ranks.is_main and request.init_from is not None:
        source = load_checkpoint(request.init_from)
        _check_shape(source, request.options)
    kept = {} if source is None else _text_options(source)
    options: dict[str, Any] = setup.ranks.broadcast(kept | dict(request.options))
    corpus_config, _, train_config = split_options(options)
    tokenizer = None if source is None else source.tokenizer
    corpus = setup.open_corpus(request.paths, corpus_config, train_config.seed, tokenizer)
    corpus_config = corpus.config
    given = {} if source is None else _shape(source.metadata.model)
    given, plan = setup.plan(corpus, given | options, network_is_given=source is not None)
    if source is not None:
        plan = _plan_of_text(source, request.options) + plan
    _, model_config, train_config = split_options(given)
    torch.manual_seed(train_config.seed)
    model = LanguageModel(model_config, corpus.tokenizer.vocab_size)
    counts = torch.from_numpy(corpus.counts)
    if source is None:
        model.start_from_counts(counts)
    else:
        load_tensors(model, to_tensors(source.weights.arrays))
        model.seen |= counts > 0
    sampling = sampling_defaults(
        corpus, corpus_config, None if source is None else source.metadata.sampling
    )
    return _Parts(corpus, corpus_config, train_config, model.to(setup.device), sampling, plan)


def _shape(config: ModelConfig) -> dict[str, Any]:
    """The options that a model's weights are made for; the others are free to change."""
    return {name: value for name, value in asdict(config).items() if "dropout" not in name}


def _text_options(source: Checkpoint) -> dict[str, Any]:
    """How a model knows texts to be read: what its documents and turns are, and its tokenizer."""
    options = asdict(source.metadata.corpus_options) | {"tokenizer": source.tokenizer.kind}
    return {name: value for name, value in options.items() if "fraction" not in name}


def _plan_of_text(source: Checkpoint, options: Mapping[str, Any]) -> list[PlannedOption]:
    """What of it nobody asked for, and is not as usual."""
    usual = asdict(CorpusConfig())
    return [
        PlannedOption(name, value, f"as in {source.metadata.folder}")
        for name, value in _text_options(source).items()
        if name not in options and value != usual[name]
    ]


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
