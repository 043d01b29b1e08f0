"""What the ranks of a run agree on before its first step: the corpus, and the plan.

One process by itself walks the same road. Knows nothing of folders and checkpoints.
"""

from __future__ import annotations

import base64
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from chargen.config import DEFAULT_MINUTES, CorpusConfig, split_options
from chargen.data.corpus import Corpus, open_corpus
from chargen.errors import CorpusError, DeviceError
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress
from chargen.runtime.distributed import Ranks
from chargen.runtime.memory import free_memory, release_memory
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.registry import deserialize
from chargen.training.planner import Choice, Task, fits, make_plan, memory_needed
from chargen.training.trainer import Trainer, time_steps


def open_together(
    ranks: Ranks,
    paths: Sequence[str | os.PathLike[str]],
    config: CorpusConfig,
    seed: int,
    tokenizer: Tokenizer | None,
    on_progress: OnProgress,
    check: Callable[[Corpus], None] | None = None,
) -> Corpus:
    """The corpus, which all ranks must have alike; rank 0 knows the tokenizer, and may `check` it
    before the others open theirs. Raises CorpusError."""
    corpus = None
    if ranks.is_main:
        corpus = open_corpus(paths, config, seed=seed, tokenizer=tokenizer, on_progress=on_progress)
        tokenizer = corpus.tokenizer
        if check is not None:
            check(corpus)
    if ranks.world_size == 1:
        assert corpus is not None
        return corpus
    if any(os.fspath(path) == "-" for path in paths):
        raise CorpusError(
            f"standard input is one, but there are {ranks.world_size} ranks", hint="name a file"
        )
    kind, content = ranks.broadcast(
        tokenizer and (tokenizer.kind, base64.b64encode(tokenizer.serialize()).decode())
    )
    with ranks.local_first():
        if corpus is None:
            tokenizer = deserialize(kind, base64.b64decode(content))
            # What one rank of a machine has read through, the others need not.
            is_first = ranks.local_rank == 0
            corpus = open_corpus(paths, config, seed=seed, tokenizer=tokenizer, verify=is_first)
    identity = [sha256 for *_, sha256 in corpus.sources]
    if ranks.broadcast(identity) != identity:
        raise CorpusError(
            f"{corpus.name} is another text at rank {ranks.rank} than at rank 0",
            hint="every machine needs the same texts in the same order, and none may change",
        )
    return corpus


def plan_together(
    corpus: Corpus,
    given: dict[str, Any],
    preset: str | None,
    ranks: Ranks,
    device: torch.device,
    started: float,
    *,
    network_is_given: bool,
    on_progress: OnProgress,
) -> tuple[dict[str, Any], list[Choice]]:
    """The options of a run, those `given` and those planned, at all ranks; and at rank 0, where the
    time is counted from `started`, the choices. Raises ConfigError, DeviceError."""
    plan: list[Choice] = []
    if ranks.is_main:
        on_progress("planning", 0)
        plan = _plan(corpus, given, preset, ranks, device, started, network_is_given)
        given = given | {choice.name: choice.value for choice in plan}
        _check_room(corpus, given, ranks, device)
    else:
        _try_out(corpus, ranks, device)
    options: dict[str, Any] = ranks.broadcast(given)
    if not ranks.is_main:
        _check_room(corpus, options, ranks, device)
    return options, plan


def _task(corpus: Corpus, ranks: Ranks, device: torch.device, **more: Any) -> Task:
    """What is to be learnt, and where."""
    memory = free_memory(device)
    if memory is not None and device.type == "cpu":  # the ranks of a machine share its memory
        memory //= ranks.local_world_size
    return Task(
        train_tokens=len(corpus.train),
        vocab_size=corpus.tokenizer.vocab_size,
        device=device.type,
        memory=memory,
        ranks=ranks.world_size,
        **{"seconds": None, **more},
    )


def _plan(
    corpus: Corpus,
    given: dict[str, Any],
    preset: str | None,
    ranks: Ranks,
    device: torch.device,
    started: float,
    network_is_given: bool,
) -> list[Choice]:
    """What the planner makes of the corpus and the time that is left of what was given."""
    train_config = split_options(given)[2]
    seconds = None
    if train_config.steps is None and train_config.epochs is None:
        minutes = train_config.minutes or DEFAULT_MINUTES
        seconds = max(0.0, 60 * minutes - (time.monotonic() - started))
    task = _task(corpus, ranks, device, seconds=seconds, network_is_given=network_is_given)
    timed: dict[tuple[Any, ...], float] = {}

    def step_seconds(options: Mapping[str, Any]) -> float:
        _, model_config, config = split_options(options)
        sizes = (model_config.hidden_size, model_config.num_layers, config.batch_size, config.bptt)
        if sizes not in timed:
            ranks.broadcast(options)
            trainer = _trial(options, corpus, ranks, device)
            timed[sizes] = time_steps(trainer)
            trainer.stepper.end()
            if trainer.stepper.parts > config.accumulate:  # it would fit in smaller parts alone
                timed[sizes] = math.inf
            del trainer
            release_memory(device)
        return timed[sizes]

    plan = make_plan(task, given, step_seconds, preset)
    ranks.broadcast(None)
    return plan


def _try_out(corpus: Corpus, ranks: Ranks, device: torch.device) -> None:
    """Take part in what rank 0 times to plan."""
    while (options := ranks.broadcast(None)) is not None:
        _trial(options, corpus, ranks, device).stepper.run_follower()


def _trial(
    options: Mapping[str, Any], corpus: Corpus, ranks: Ranks, device: torch.device
) -> Trainer:
    _, model_config, config = split_options(options)
    model = LanguageModel(model_config, corpus.tokenizer.vocab_size).to(device)
    return Trainer(model, corpus, config, ranks=ranks)


def _check_room(
    corpus: Corpus, options: Mapping[str, Any], ranks: Ranks, device: torch.device
) -> None:
    """Raises ConfigError where a rank would have no stream, and DeviceError where there is clearly
    no room, before it is taken."""
    _, model_config, train_config = split_options(options)
    ranks.rows(train_config.batch_size)
    task = _task(corpus, ranks, device)
    sizes = asdict(model_config) | asdict(train_config)
    if not fits(task, sizes):
        assert task.memory is not None
        needed = memory_needed(task, sizes)
        hint = "make --hidden-size, --batch-size or --bptt smaller"
        if fits(task, sizes | {"accumulate": train_config.batch_size}):
            hint += ", or read the streams in parts with --accumulate"
        raise DeviceError(
            f"the model and its batch need {needed / 1e9:.1f} GB at the least, and "
            f"{task.memory / 1e9:.1f} GB of memory are free",
            hint=hint,
        )
