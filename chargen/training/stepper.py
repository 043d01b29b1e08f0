"""Gradient descent, step by step: read a chunk of each stream, move the weights.

The state is carried from step to step without its gradient (truncated back-propagation through
time). Of several ranks each reads streams of its own, and has the same weights as the others after
every step. Knows nothing of time, plans, scores or files.

Shapes: B streams of this rank, T tokens a step, V vocabulary, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from chargen.config import TrainConfig
from chargen.data.batches import BatchLoader
from chargen.data.corpus import Corpus
from chargen.data.mixture import MixedLoader
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import Tensors, tensors_of
from chargen.runtime.device import send
from chargen.runtime.distributed import ALONE, Ranks
from chargen.runtime.memory import is_out_of_memory, release_memory
from chargen.runtime.precision import autocast, uses_bfloat16
from chargen.training.learner import Learner
from chargen.training.objective import Objective
from chargen.training.recorded_step import GraphedTrainStep
from chargen.training.replay import Replay


class StepLoss(NamedTuple):
    """What a step cost, in nats per token that counts; and how much it weighs beside other steps,
    where not all tokens count: by how many did."""

    nats: float
    weight: int = 1


# What rank 0 tells the others to do.
STEP, LOSSES, GATHER, RESTORE, DROP, END = range(6)


class TrainStepper:
    """Training, step by step. Of several ranks the first calls its methods, and the others, which
    have all but the scores, `run_follower`."""

    def __init__(
        self,
        model: LanguageModel,
        corpus: Corpus,
        config: TrainConfig,
        ranks: Ranks = ALONE,
        replay: Replay | None = None,
    ) -> None:
        """Where there is a text to `replay`, the last streams read that one."""
        self.model = model
        self.config = config
        self.ranks = ranks
        self.device = model.head.weight.device
        self.steps = 0  # steps taken
        self.place = 0  # tokens that each stream has read
        self.gradient_norm = torch.zeros(())  # of the last gradient, before clipping
        self.bfloat16 = uses_bfloat16(
            self.device, model.config.cell, model.config.hidden_size, config.precision
        )
        self._rows = ranks.rows(config.batch_size)  # of all streams, those of this rank
        self._end = corpus.tokenizer.end
        self.parts = min(config.accumulate, len(self._rows))
        self._learner = Learner(model, config, ranks)
        self.state, self.average = self._learner.state, self._learner.average
        self._optimizer, self._random = self._learner.optimizer, self._learner.random
        self._objective = ranks.wrap_ddp(self._open(corpus, replay))
        self._loss = torch.zeros(())
        self._pending: list[Tensor] = []  # losses that nobody has looked at yet
        self._recorded: GraphedTrainStep | None = None
        self._recapture()

    def _open(self, corpus: Corpus, replay: Replay | None) -> Objective:
        """Make ready what is read, and what is to be minimized over it."""
        config = self.config
        self._texts = _texts(corpus, replay, config.batch_size, self._rows)
        self._stream_tokens = len(corpus.train) / self._texts[0].streams  # in an epoch
        own = [text for text in self._texts if len(text.rows)]
        loaders = [
            BatchLoader(
                text.corpus.train,
                batch_size=text.streams,
                bptt=max(self._lengths),
                end=self._end,
                answers=text.corpus.mask("train"),
                rows=text.rows,
                device=self.device,
                name=text.name,
            )
            for text in own
        ]
        self.streams: BatchLoader | MixedLoader = loaders[0]
        if len(loaders) > 1:
            self.streams = MixedLoader(loaders, [len(text.rows) for text in own])
        self._beginnings = [
            torch.from_numpy(
                text.corpus.beginnings if config.reset else np.zeros(1, dtype=np.int64)
            )
            for text in self._texts
        ]
        self._counts_all = all(text.corpus.answers is None for text in self._texts)
        shares = [
            text.streams / config.batch_size * text.corpus.counted / len(text.corpus.train)
            for text in self._texts
        ]
        return Objective(self.model, config, None if self._counts_all else sum(shares))

    # -- one step -----------------------------------------------------------------------------

    def step(self, rate: float) -> None:
        """Read a chunk of each stream, and move the weights at this learning rate. Never waits for
        the device. Raises what `is_out_of_memory` tells where even a single stream at a time takes
        too much."""
        self.ranks.send_command(STEP, rate)
        config = self.config
        if self.ranks.rank:  # rank 0 alone saves its random state, so others draw from the step's
            torch.manual_seed(_seed_of(config.seed, self.steps, self.ranks.rank))
        self.place += self._read_on(rate)
        if self.average and self.ranks.is_main:
            self.average.update()
        self._pending.append(self._loss.clone())
        self.steps += 1

    def _read_on(self, rate: float) -> int:
        """Read, and move the weights: by how much `place` moves on."""
        length = self._sample_length()
        elsewhere = self._sample_beginnings()
        # A step over fewer tokens goes a shorter way (Merity et al. 2018).
        self._set_learning_rate(rate * length / self.config.bptt)
        while not self._fits(lambda: self._step_on_device(length, elsewhere)):
            self._read_smaller_parts()
        return length

    @property
    def epoch(self) -> float:
        """How often the text was read."""
        return self.place / self._stream_tokens

    @property
    def steps_per_epoch(self) -> float:
        return self._stream_tokens / self.config.bptt

    @property
    def trained_tokens(self) -> int:
        """Tokens that were read, by all streams."""
        return self.place * self.config.batch_size

    @property
    def is_captured(self) -> bool:
        """Whether steps are one CUDA graph."""
        return self._recorded is not None and self._recorded.is_captured

    @property
    def is_steady(self) -> bool:
        """Whether the next steps are run as the last one was."""
        return self._recorded is None or self._recorded.is_settled

    @property
    def has_losses(self) -> bool:
        """Whether there are losses that nobody has looked at."""
        return bool(self._pending)

    def losses(self) -> list[StepLoss]:
        """Those of the steps since the last call in which anything counted, over all streams; waits
        for the device."""
        if not self._pending:
            return []
        self.ranks.send_command(LOSSES)
        losses = self.ranks.all_reduce(torch.stack(self._pending)).tolist()
        self._pending = []
        if self._counts_all:
            return [StepLoss(loss) for loss in losses]
        return [StepLoss(nats / tokens, round(tokens)) for nats, tokens in losses if tokens]

    def _fits(self, take_step: Callable[[], None]) -> bool:
        """Take the step, unless it does not fit into memory and could be taken in smaller parts. Of
        several ranks the others would wait for this one's gradients, so there it never is."""
        try:
            take_step()
        except (RuntimeError, MemoryError) as error:
            is_last = self.ranks.world_size > 1 or self.parts == len(self._rows)
            if is_last or not is_out_of_memory(error):
                raise
            return False
        return True

    def _step_on_device(self, length: int, elsewhere: Tensor) -> None:
        if self._recorded is None:
            self._step_at(self.place, length, elsewhere)
        else:
            self._recorded(self.place, elsewhere)

    def _step_at(self, place: int | Tensor, length: int, elsewhere: Tensor) -> None:
        """The step on the device alone: what it finds and leaves are tensors that stay in place."""
        inputs, targets = self.streams.batch(place, length, elsewhere)  # (B, T) each
        forget = send(elsewhere >= 0, self.device)
        before = self.state.reset(forget)
        self._optimizer.zero_grad()
        losses, after = [], []
        for rows, is_last in self._chunks():
            share = len(inputs[rows]) / self.config.batch_size
            with nullcontext() if is_last else self.ranks.no_sync(self._objective):
                with autocast(self.device, self.bfloat16):
                    objective, loss, state = self._objective(
                        inputs[rows], targets[rows], before.select(rows)
                    )
                # The mean over the ranks is taken, so that each counts by its streams.
                scale = share * self.ranks.world_size
                (objective if scale == 1 else objective * scale).backward()
            is_mean = self._counts_all and share != 1
            losses.append(loss.detach() * share if is_mean else loss.detach())
            after.append([part.detach() for part in state.parts()])
        reached = [
            torch.cat(parts).masked_fill(forget[:, None], 0) for parts in zip(*after, strict=True)
        ]
        self._loss = torch.stack(losses).sum(dim=0)
        self.gradient_norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        # A step that does not fit into memory has changed nothing so far, and takes no more.
        self._optimizer.step()
        for part, new in zip(self.state.parts(), reached, strict=True):
            part.copy_(new)

    def _chunks(self) -> Iterator[tuple[slice, bool]]:
        """The rows of each part of the streams, and whether it is the last."""
        count, parts = len(self._rows), self.parts
        for part in range(parts):
            yield slice(part * count // parts, (part + 1) * count // parts), part == parts - 1

    def _read_smaller_parts(self) -> None:
        """Read the streams in twice as many parts, if there are as many."""
        self.parts = min(2 * self.parts, len(self._rows))
        self._optimizer.zero_grad()
        self._recapture()
        release_memory(self.device)

    def _recapture(self) -> None:
        """Where steps are recorded, have it done anew from the next ones on."""
        self._recorded = None
        if self.device.type == "cuda" and self._can_be_recorded:
            self._make_recordable()

    @property
    def _can_be_recorded(self) -> bool:
        """Whether all that differs from step to step can lie in tensors on the device."""
        return self.streams.is_resident and len(self._lengths) == 1 and self.ranks.world_size == 1

    def _make_recordable(self) -> None:
        """From now on a step finds its place, and where streams begin anew, in tensors."""
        self._recorded = GraphedTrainStep(
            lambda place, elsewhere: self._step_at(place, self.config.bptt, elsewhere),
            len(self._rows),
            self.device,
        )

    def _set_learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    @property
    def _lengths(self) -> range:
        """The lengths that a step may have; their mean is `bptt`."""
        bptt = self.config.bptt
        spread = bptt // 2 if self.config.random_bptt else 0
        return range(bptt - spread, bptt + spread + 1)

    def _sample_beginnings(self) -> Tensor:
        """(B,) where the streams that forget read a text from its beginning for a step, -1 for the
        others. With the state always carried a network drifts into saturation and never learns to
        begin; and if streams forgot where they are, it would learn that texts begin there."""
        forget = torch.rand(self.config.batch_size, generator=self._random) < self.config.reset
        drawn = []
        for text, places in zip(self._texts, self._beginnings, strict=True):
            drawn.append(
                places[torch.randint(len(places), (text.streams,), generator=self._random)]
            )
        begins = drawn[0] if len(drawn) == 1 else torch.cat(drawn)
        elsewhere = torch.where(forget, begins, -1)
        return elsewhere[self._rows.start : self._rows.stop]

    def _sample_length(self) -> int:
        lengths = self._lengths
        if len(lengths) == 1:
            return lengths[0]
        return lengths[int(torch.randint(len(lengths), (), generator=self._random))]

    # -- the state ----------------------------------------------------------------------------

    def weights(self) -> Tensors:
        return tensors_of(self.model)

    def tensors(self) -> Tensors:
        """All beside the weights that the next step depends on, by dotted names, of all ranks."""
        self.ranks.send_command(GATHER)
        return self._learner.tensors()

    def numbers(self) -> dict[str, int]:
        """The numbers beside these tensors."""
        updates = self.average.updates if self.average else 0
        return {"step": self.steps, "place": self.place, "average_updates": updates}

    def check_shapes(self, tensors: Tensors) -> None:
        """Raises ValueError where these are not the weights and what `tensors` gives."""
        self._learner.check_shapes(tensors)

    def restore(self, tensors: Tensors, numbers: dict[str, int]) -> None:
        """Go on, at all ranks, where a stepper, of whatever number of ranks, had these weights
        (`model.`), `tensors` and `numbers`."""
        self.ranks.send_command(RESTORE)
        tensors = self.ranks.broadcast_tensors(tensors)
        numbers = self.ranks.broadcast(numbers)
        self._learner.restore(tensors, numbers["average_updates"])
        self.steps, self.place = numbers["step"], numbers["place"]
        self._pending = []
        self._recapture()

    def set_dropout(self, dropout: float, weight_dropout: float) -> None:
        """From the next step on, at all ranks, these are the network's."""
        self.ranks.send_command(DROP)
        dropout, weight_dropout = self.ranks.broadcast((dropout, weight_dropout))
        config = self.model.config
        self.model.config = replace(config, dropout=dropout, weight_dropout=weight_dropout)
        self._recapture()

    # -- several ranks ------------------------------------------------------------------------

    def run_follower(self, is_stopped: Callable[[], bool] = lambda: False) -> Any:
        """Do what rank 0 does, until it ends: what it gave to `end`. Reports once where this
        rank `is_stopped`."""
        has_asked = False
        while True:
            command, value = self.ranks.receive_command()
            if command == END:
                return self.ranks.broadcast(None)
            if is_stopped() and not has_asked:
                has_asked = True
                self.ranks.request_stop()
            if command == STEP:
                self.step(value)
            elif command == LOSSES:
                self.losses()
            elif command == GATHER:
                self.tensors()
            elif command == RESTORE:
                self.restore({}, {})
            elif command == DROP:
                self.set_dropout(0, 0)

    def end(self, outcome: Any = None) -> None:
        """Let the others go, with what came of it, JSON-able."""
        self.ranks.send_command(END)
        self.ranks.broadcast(outcome)


@dataclass(frozen=True)
class _Text:
    """A text that is read, by so many of all streams, `rows` of which are this rank's."""

    corpus: Corpus
    name: str
    streams: int
    rows: range


def _texts(corpus: Corpus, replay: Replay | None, batch_size: int, rows: range) -> list[_Text]:
    """What is read, in the order of the streams; `rows` of all are this rank's."""
    read = [("the training text", corpus, batch_size - (replay.streams if replay else 0))]
    if replay is not None:
        read.append(("the text to replay", replay.corpus, replay.streams))
    texts, at = [], 0
    for name, text, streams in read:
        own = range(max(0, rows.start - at), max(0, min(streams, rows.stop - at)))
        texts.append(_Text(text, name, streams, own))
        at += streams
    return texts


def _seed_of(*numbers: int) -> int:
    """A seed that other numbers do not give."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
