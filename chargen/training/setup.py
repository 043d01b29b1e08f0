"""What the ranks of a run agree on before its first step: the corpus, and the plan.

One process by itself walks the same road. Knows nothing of folders and checkpoints.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from chargen.config import DEFAULT_MINUTES, CorpusConfig, split_options
from chargen.data.corpus import Corpus, open_corpus
from chargen.data.roles import ANY_ROLES, RoleChoice
from chargen.errors import CorpusError
from chargen.options import build_config
from chargen.runtime.distributed import Ranks
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.registry import deserialize
from chargen.training.dropout_watch import dropout_planned
from chargen.training.planner import PlannedOption, make_plan, planned_epochs, typical_network
from chargen.training.request import RunRequest
from chargen.training.trainer_state import PlannedDropout
from chargen.training.trials import Trials


@dataclass(frozen=True)
class Setup:
    """A run that was asked for, the processes that train it, and the device of this one."""

    request: RunRequest
    ranks: Ranks
    device: torch.device

    def open_corpus(
        self,
        paths: Sequence[str | os.PathLike[str]],
        config: CorpusConfig,
        seed: int,
        tokenizer: Tokenizer | None,
        check: Callable[[Corpus], None] | None = None,
        *,
        extend: bool = False,
        roles: RoleChoice = ANY_ROLES,
    ) -> Corpus:
        """The corpus, which all ranks must have alike; rank 0 knows the tokenizer, `extend`s it
        where it should, chooses `roles`, and may `check` the corpus before the others open theirs.
        Raises CorpusError."""
        ranks, corpus = self.ranks, None
        if ranks.is_main:
            corpus = open_corpus(
                paths,
                config,
                seed=seed,
                tokenizer=tokenizer,
                extend=extend,
                roles=roles,
                on_progress=self.request.on_progress,
            )
            tokenizer = corpus.tokenizer
            if check is not None:
                check(corpus)
        if ranks.world_size == 1:
            assert corpus is not None
            return corpus
        if any(os.fspath(path) == "-" for path in paths):
            raise CorpusError(
                f"standard input cannot be shared by {ranks.world_size} ranks", hint="name a file"
            )
        kind, content, effective = ranks.broadcast(
            corpus
            and (
                corpus.tokenizer.kind,
                base64.b64encode(corpus.tokenizer.serialize()).decode(),
                asdict(corpus.config),
            )
        )
        with ranks.local_first():
            if corpus is None:
                tokenizer = deserialize(kind, base64.b64decode(content))
                # What one rank of a machine has read through, the others need not.
                is_first = ranks.local_rank == 0
                config = build_config(CorpusConfig, effective)
                corpus = open_corpus(paths, config, seed=seed, tokenizer=tokenizer, verify=is_first)
        identity = [sha256 for *_, sha256 in corpus.sources]
        if ranks.broadcast(identity) != identity:
            raise CorpusError(
                f"{corpus.name} is not the same text on rank {ranks.rank} as on rank 0",
                hint="every machine needs the same texts in the same order, and none may change",
            )
        return corpus

    def plan(
        self,
        corpus: Corpus,
        given: Mapping[str, Any],
        *,
        network_is_given: bool,
        replays: bool = False,
    ) -> tuple[dict[str, Any], list[PlannedOption], PlannedDropout | None]:
        """The options of a run, those `given` and those planned, at all ranks; and at rank 0, where
        the time is counted, the choices, and what dropout was planned for, where it was. Raises
        ConfigError, DeviceError."""
        choices: list[PlannedOption] = []
        dropout: PlannedDropout | None = None
        trials = Trials(corpus, self.ranks, self.device)
        if self.ranks.is_main:
            self.request.on_progress("planning", 0)
            preset = self.request.preset
            task = trials.task(
                seconds=self._seconds_left(given),
                network_is_given=network_is_given,
                replays=replays,
            )
            threads: list[PlannedOption] = []
            if task.seconds is not None:  # what is timed for the plan is timed with those
                threads = trials.pick_threads(typical_network(task, given, preset))
                task = replace(task, seconds=self._seconds_left(given))
            choices = make_plan(task, given, trials.step_seconds, preset)
            given = dict(given) | {choice.name: choice.value for choice in choices}
            epochs = planned_epochs(task, given, trials.step_seconds)
            dropout = dropout_planned(choices, epochs)
            trials.end()
            trials.check_room(given)
            if task.seconds is None:
                threads = trials.pick_threads(given)
            choices = threads + choices
        else:
            trials.follow()
        options: dict[str, Any] = self.ranks.broadcast(given)
        if not self.ranks.is_main:
            trials.check_room(options)
        return options, choices, dropout

    def _seconds_left(self, given: Mapping[str, Any]) -> float | None:
        """Of the time that was given; None where steps or epochs were."""
        train_config = split_options(given)[2]
        if train_config.steps is not None or train_config.epochs is not None:
            return None
        minutes = train_config.minutes or DEFAULT_MINUTES
        return max(0.0, 60 * minutes - (time.monotonic() - self.request.started))
