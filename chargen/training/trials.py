"""Steps of networks that are not kept, taken by all ranks at once to learn what they cost; and
whether there is room for one at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from chargen.config import split_options
from chargen.data.corpus import Corpus
from chargen.errors import DeviceError, named
from chargen.nn.model import LanguageModel
from chargen.runtime.cores import cores
from chargen.runtime.distributed import Ranks
from chargen.runtime.memory import free_memory, release_memory
from chargen.runtime.openmp import num_threads_is_given
from chargen.runtime.random_states import preserved_random_states
from chargen.training.planner import PlannedOption, Task, fits, memory_needed
from chargen.training.trainer import Trainer, time_steps

# One thread is taken where all of them take so many times as long.
WORTH_ONE_THREAD = 1.15
# It is counted how long documents are where a text has no more tokens than this, and they have no
# more on average.
MAX_COUNTED, MAX_MEAN = 1 << 28, 256


class Trials:
    """Of one corpus, on the device of each rank. Rank 0 asks for `step_seconds` until it is done;
    the others `follow`."""

    def __init__(self, corpus: Corpus, ranks: Ranks, device: torch.device) -> None:
        self._corpus = corpus
        self._ranks = ranks
        self._device = device
        self._timed: dict[tuple[Any, ...], float] = {}

    def task(self, **more: Any) -> Task:
        """What is to be learned, and where."""
        memory = free_memory(self._device)
        if memory is not None and self._device.type == "cpu":
            memory //= self._ranks.local_world_size  # the ranks of a machine share its memory
        mean, longest = _document_lengths(self._corpus)
        corpus = self._corpus.config
        return Task(
            train_tokens=len(self._corpus.train),
            vocab_size=self._corpus.tokenizer.vocab_size,
            tokenizer=self._corpus.tokenizer.kind,
            device=self._device.type,
            memory=memory,
            answers=corpus.loss_after is not None,
            ranks=self._ranks.world_size,
            lines=corpus.documents == "line" and corpus.loss != "turns",
            mean_document=mean,
            longest_document=longest,
            **{"seconds": None, **more},
        )

    def step_seconds(self, options: Mapping[str, Any]) -> float:
        """What a step takes with these options; infinite where memory has no room for it."""
        _, model_config, config = split_options(options)
        sizes = (model_config.hidden_size, model_config.num_layers, config.batch_size, config.bptt)
        if sizes not in self._timed:
            self._ranks.broadcast(options)
            trainer = self._trainer(options)
            self._timed[sizes] = time_steps(trainer)
            trainer.stepper.end()
            if trainer.stepper.parts > config.accumulate:  # it would fit in smaller parts alone
                self._timed[sizes] = math.inf
            del trainer
            release_memory(self._device)
        return self._timed[sizes]

    def pick_threads(self, options: Mapping[str, Any]) -> list[PlannedOption]:
        """Take no more threads than there are cores for this process, and one where a step of a
        training with these options takes all of them clearly longer; and say so. Threads wait for
        each other in each product: where a core is somebody else's, that is for most of a step. A
        number that was given is kept."""
        found = torch.get_num_threads()
        is_ours = self._device.type == "cpu" and self._ranks.world_size == 1
        if not is_ours or num_threads_is_given():
            return []
        threads = min(found, cores())
        torch.set_num_threads(threads)
        cost = self._clear_cost_of_threads(options, threads) if threads > 1 else None
        if cost is not None:
            torch.set_num_threads(1)
            reason = f"with {threads} a step takes {cost:.1f} times as long here"
            return [PlannedOption("threads", 1, reason)]
        if threads < found:
            return [PlannedOption("threads", threads, "all the cores that this process may use")]
        return []

    def _clear_cost_of_threads(self, options: Mapping[str, Any], threads: int) -> float | None:
        """How many times as long as with one thread a step takes with so many; None where that is
        not clearly longer, or not worth finding out."""
        _, _, config = split_options(options)
        # Who counts steps wants the same weights again, and those of other threads are not.
        is_counted = config.steps is not None or config.epochs is not None
        if is_counted or not fits(self.task(), options):
            return None
        with preserved_random_states(self._device):
            cost = self._cost_of_threads(options, threads)
            if cost > WORTH_ONE_THREAD:  # a moment may be a busy one
                cost = min(cost, self._cost_of_threads(options, threads))
        return cost if cost > WORTH_ONE_THREAD else None

    def _cost_of_threads(self, options: Mapping[str, Any], threads: int) -> float:
        """How many times as long a step takes so many threads as it takes one."""
        taken = []
        for count in (1, threads):
            torch.set_num_threads(count)
            trainer = self._trainer(options)
            taken.append(time_steps(trainer))
            del trainer
        return taken[1] / taken[0]

    def end(self) -> None:
        """Let the others go."""
        self._ranks.broadcast(None)

    def follow(self) -> None:
        """Take part in what rank 0 times, until it ends."""
        while (options := self._ranks.broadcast(None)) is not None:
            self._trainer(options).stepper.run_follower()

    def check_room(self, options: Mapping[str, Any]) -> None:
        """Raises ConfigError where a rank would have no stream, and DeviceError where there is
        clearly no room, before it is taken."""
        _, model_config, train_config = split_options(options)
        self._ranks.rows(train_config.batch_size)
        task = self.task()
        sizes = asdict(model_config) | asdict(train_config)
        if not fits(task, sizes):
            assert task.memory is not None
            needed = memory_needed(task, sizes)
            hint = "make " + named("hidden_size", "batch_size", "bptt", last=" or ") + " smaller"
            if fits(task, sizes | {"accumulate": train_config.batch_size}):
                hint += ", or read the streams in parts with " + named("accumulate")
            raise DeviceError(
                f"the model and its batch need at least {needed / 1e9:.1f} GB, and "
                f"{task.memory / 1e9:.1f} GB of memory are free",
                hint=hint,
            )

    def _trainer(self, options: Mapping[str, Any]) -> Trainer:
        _, model_config, config = split_options(options)
        model = LanguageModel(model_config, self._corpus.tokenizer.vocab_size).to(self._device)
        return Trainer(model, self._corpus, config, ranks=self._ranks)


def _document_lengths(corpus: Corpus) -> tuple[float, int]:
    """Tokens of a document on average, and of the longest: zero where documents are so long, or
    the text is, that it does not matter."""
    count = int(corpus.counts[corpus.tokenizer.end])
    if not count or not len(corpus.train):
        return 0.0, 0
    if len(corpus.train) > min(MAX_COUNTED, MAX_MEAN * count):
        return len(corpus.train) / count, 0
    return corpus.train_documents.mean, corpus.train_documents.longest
