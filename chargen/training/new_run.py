"""A run from its beginning: a new model of a text, or one that was trained before (fine-tuning)."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from chargen.checkpoint.files import TENSORBOARD
from chargen.checkpoint.folder import Checkpoint, load_checkpoint
from chargen.checkpoint.metadata import CorpusFacts, FineTuned, Replayed
from chargen.config import CorpusConfig, SamplingDefaults, TrainConfig, split_options
from chargen.data.corpus import Corpus
from chargen.data.finding import find_texts, name_of
from chargen.data.roles import RoleChoice
from chargen.errors import ConfigError, named, setting
from chargen.nn.model import LanguageModel
from chargen.nn.new_tokens import start_new_tokens, with_more_tokens
from chargen.nn.transfer import load_tensors, to_tensors
from chargen.runtime.memory import within_memory
from chargen.tokenizers.base import Tokenizer
from chargen.training.advice import about_speakers, about_stopped
from chargen.training.fine_tuning import (
    check_shape,
    notes_on_tokens,
    plan_of_text,
    shape_of,
    text_options,
    write_old_text,
)
from chargen.training.planner import MAX_PIECES, PlannedOption
from chargen.training.replay import Replay, corpus_options, old_text_of, replay_streams
from chargen.training.run import Run
from chargen.training.run_folder import (
    FolderSaver,
    claim_folder,
    lock_folder,
    saved_path,
    stopped_run,
)
from chargen.training.sampling_defaults import sampling_defaults
from chargen.training.setup import Setup
from chargen.training.tensorboard import Recorder
from chargen.training.trainer import Trainer
from chargen.training.trainer_state import PlannedDropout


@dataclass(frozen=True)
class _Parts:
    corpus: Corpus
    corpus_config: CorpusConfig
    train_config: TrainConfig
    model: LanguageModel
    sampling: SamplingDefaults
    plan: list[PlannedOption]
    dropout: PlannedDropout | None  # at rank 0, where some of it was planned
    fine_tuned: FineTuned | None  # at rank 0, where there is a model that it began with
    replay: Replay | None

    def trainer(self, **more: Any) -> Trainer:
        """Of these parts, and of what rank 0 has `more`."""
        old_text = None
        if self.fine_tuned is not None:
            old_text = old_text_of(self.fine_tuned, self.replay)
        return Trainer(
            self.model,
            self.corpus,
            self.train_config,
            old_text=old_text,
            replay=self.replay,
            planned_dropout=self.dropout,
            **more,
        )


def begin_run(setup: Setup) -> Run:
    """Everything up to the first step. Raises a ChargenError, and then leaves nothing behind."""
    request, ranks = setup.request, setup.ranks
    find_texts(request.paths)  # a wrong path is reported before a folder is made
    with ranks.failing_together(), within_memory():
        if not ranks.is_main:
            parts = _make_parts(setup)
            trainer = parts.trainer(ranks=ranks)
            return Run(Path(ranks.broadcast(None)), parts.corpus, trainer, resumed=False)
        folder, is_new = claim_folder(request.out, name_of(request.paths), request.overwrite)
        lock = lock_folder(folder)
        try:
            parts = _make_parts(setup)
            corpus = parts.corpus
            facts = CorpusFacts(corpus.name, list(corpus.sources))
            saver = FolderSaver(
                folder,
                corpus,
                facts,
                parts.corpus_config,
                corpus.paths,
                parts.sampling,
                parts.fine_tuned,
            )
            trainer = parts.trainer(save=saver, started=request.started, ranks=ranks)
            chosen = request.ask_me is not None or not {"me", "user"}.isdisjoint(request.options)
            hints = about_speakers(corpus, parts.corpus_config, chosen=chosen)
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
        check_shape(source, request.options)
    kept = {} if source is None else text_options(source, request.options)
    options: dict[str, Any] = setup.ranks.broadcast(kept | dict(request.options))
    corpus_config, _, train_config = split_options(options)
    tokenizer = None if source is None else source.tokenizer
    corpus = setup.open_corpus(
        request.paths,
        corpus_config,
        train_config.seed,
        tokenizer,
        extend=request.init_from is not None,
        roles=RoleChoice(frozenset(request.options), request.ask_me),
    )
    corpus_config = corpus.config
    old = _open_old_text(setup, source, corpus.tokenizer) if request.replay else None
    given = {} if source is None else shape_of(source.metadata.model)
    if old is not None:  # texts are mixed as streams, whose state is carried
        given.pop("fresh_state", None)
    given, plan, dropout = setup.plan(
        corpus, given | options, network_is_given=source is not None, replays=old is not None
    )
    if source is not None:
        plan = plan_of_text(source, request.options, corpus_config) + plan
    _, model_config, train_config = split_options(given)
    if model_config.fresh_state:
        _check_documents(corpus, train_config)
    replay = None
    if old is not None:
        if model_config.fresh_state:
            raise ConfigError(
                named("fresh_state", "replay") + " cannot be combined",
                hint="two texts are mixed as streams, whose state is carried; add "
                + setting("fresh_state", False),
            )
        if train_config.batch_size < 2:
            raise ConfigError(
                named("replay") + " needs two streams at least, one for each text",
                hint="give a " + named("batch_size") + " of 2 or more",
            )
        replay = Replay(old, replay_streams(train_config.batch_size))
    torch.manual_seed(train_config.seed)
    model = LanguageModel(model_config, corpus.tokenizer.vocab_size)
    counts = torch.from_numpy(corpus.counts)
    fine_tuned = None
    if source is None:
        model.start_from_counts(counts)
    else:
        tensors = to_tensors(source.weights.arrays)
        load_tensors(model, with_more_tokens(tensors, corpus.tokenizer.vocab_size))
        notes = notes_on_tokens(corpus.tokenizer, corpus.counts, model.seen.numpy())
        corpus = replace(corpus, notes=corpus.notes + notes)
        fine_tuned = _record(setup, source, model, replay)
        if replay is not None:
            counts = counts + torch.from_numpy(replay.corpus.counts)
        start_new_tokens(model, counts, train_config.seed)
    sampling = sampling_defaults(
        corpus, corpus_config, None if source is None else source.metadata.sampling
    )
    model = model.to(setup.device)
    return _Parts(
        corpus, corpus_config, train_config, model, sampling, plan, dropout, fine_tuned, replay
    )


def _check_documents(corpus: Corpus, config: TrainConfig) -> None:
    """Raises ConfigError where one is so long that a step over it would take too long."""
    longest, most = corpus.train_documents.longest, MAX_PIECES * config.bptt
    if longest > most:
        raise ConfigError(
            f"with {named('fresh_state')} a document is read in one step, and one of them has "
            f"{longest:,} tokens, more than {most:,}",
            hint="make each line or paragraph a document, with "
            + setting("documents", "line")
            + " or paragraph, or carry the state, with "
            + setting("fresh_state", False),
        )


def _open_old_text(setup: Setup, source: Checkpoint | None, tokenizer: Tokenizer) -> Corpus:
    """The text to replay, read and split as the model that is gone on with, known at rank 0, read
    its own: what was held out of that is held out again."""
    how = None
    if source is not None:
        how = asdict(source.metadata.corpus_options), source.metadata.training.seed
    options, seed = setup.ranks.broadcast(how)
    return setup.open_corpus(setup.request.replay, corpus_options(options), seed, tokenizer)


def _record(
    setup: Setup, source: Checkpoint, model: LanguageModel, replay: Replay | None
) -> FineTuned:
    """What the run will know of the model that it began with."""
    end, seed = source.tokenizer.end, source.metadata.training.seed
    old_text: list[int] = []
    if replay is None or not len(replay.corpus.valid):
        config = model.config
        model.config = replace(config, fresh_state=source.metadata.model.fresh_state)
        old_text = write_old_text(model, end, seed).tolist()
        model.config = config
    origin = source.metadata.folder.name
    if replay is None:
        return FineTuned(origin, old_text)
    corpus = replay.corpus
    return FineTuned(
        origin,
        old_text,
        Replayed(
            [saved_path(path) for path in corpus.paths],
            CorpusFacts(corpus.name, list(corpus.sources)),
            asdict(source.metadata.corpus_options),
            seed,
            replay.streams,
        ),
    )
