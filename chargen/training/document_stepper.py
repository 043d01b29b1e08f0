"""Gradient descent over whole documents, each from a fresh state; over streams stepper.py.

Nothing is remembered between steps: which documents one reads follows from its number. Of several
ranks each reads some documents of every step.

Shapes: B documents of a step, b that go on, T tokens, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from chargen.config import TrainConfig
from chargen.data.batches import IGNORE_INDEX
from chargen.data.corpus import Corpus
from chargen.data.document_batches import DocumentLoader, Places, read_side_by_side
from chargen.nn.model import LanguageModel
from chargen.runtime.device import send
from chargen.runtime.distributed import ALONE, Ranks
from chargen.runtime.precision import autocast
from chargen.training.objective import Objective
from chargen.training.replay import Replay
from chargen.training.stepper import TrainStepper


def make_stepper(
    model: LanguageModel,
    corpus: Corpus,
    config: TrainConfig,
    ranks: Ranks = ALONE,
    replay: Replay | None = None,
) -> TrainStepper:
    """The one that reads as the model wants it: a fresh state for each document, or one that is
    carried through the text."""
    kind = DocumentStepper if model.config.fresh_state else TrainStepper
    return kind(model, corpus, config, ranks, replay)


class _Chunk(NamedTuple):
    """(b, T) tokens that are read at once."""

    inputs: Tensor
    targets: Tensor
    is_first: bool  # of its documents
    is_last: bool  # of the step


class DocumentStepper(TrainStepper):
    """Training, step by step, each over `batch_size` documents. Those that are longer than `bptt`
    are read in pieces, their state carried, in one step. `place` is how many were read."""

    def _open(self, corpus: Corpus, replay: Replay | None) -> Objective:
        assert replay is None, "streams alone can be shared by two texts"
        config, documents = self.config, corpus.train_documents
        self._corpus, self._documents = corpus, documents
        self._loader = DocumentLoader(documents, batch_size=config.batch_size, seed=config.seed)
        self._counts_all = False  # what is padded does not
        counted = corpus.counted / max(1, len(documents)) * config.batch_size
        return Objective(self.model, config, counted=max(counted, 1.0))

    @property
    def epoch(self) -> float:
        return self.place / max(1, len(self._documents))

    @property
    def steps_per_epoch(self) -> float:
        return self._loader.steps_per_epoch

    @property
    def trained_tokens(self) -> int:
        return round(self.place * self._documents.mean)

    @property
    def _can_be_recorded(self) -> bool:
        return False  # no step has the shape of another

    def _read_on(self, rate: float) -> int:
        self._set_learning_rate(rate)
        chosen = self._loader.chosen(self.steps)
        while not self._fits(lambda: self._step_over(chosen)):
            self._read_smaller_parts()
        return len(chosen)

    def _step_over(self, chosen: Places) -> None:
        """The step over these documents, as many of all ranks' as are this one's."""
        self._optimizer.zero_grad()
        losses = []
        for chunk in self._chunks_of(chosen):
            rows = len(chunk.inputs)
            if chunk.is_first:
                state = self.model.initial_state(rows)
            else:
                state = state.select(slice(rows)).detach()
            with nullcontext() if chunk.is_last else self.ranks.no_sync(self._objective):
                with autocast(self.device, self.bfloat16):
                    objective, loss, state = self._objective(chunk.inputs, chunk.targets, state)
                # The mean over the ranks is taken, and the sum is wanted.
                (objective * self.ranks.world_size).backward()
            losses.append(loss.detach())
        self._loss = torch.stack(losses).sum(dim=0)
        self.gradient_norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self._optimizer.step()

    def _chunks_of(self, chosen: Places) -> Iterator[_Chunk]:
        """This rank's part of the (B,) chosen documents, each from beginning to end, in as many
        parts as a step is read in."""
        tokens, answers, end = self._corpus.train, self._corpus.mask("train"), self._end
        own = chosen[self.ranks.rank :: self.ranks.world_size]
        before: _Chunk | None = None
        for part in range(self.parts):
            is_first = True
            pieces = read_side_by_side(
                tokens, self._documents, own[part :: self.parts], end, self.config.bptt
            )
            for piece in pieces:
                if before is not None:
                    yield before
                ignored = piece.beyond
                if answers is not None:
                    ignored = ignored | (answers[np.where(piece.beyond, 0, piece.places)] == 0)
                targets = np.where(ignored, IGNORE_INDEX, piece.targets)
                inputs, wanted = (
                    send(torch.from_numpy(array), self.device) for array in (piece.inputs, targets)
                )
                before = _Chunk(inputs, wanted, is_first, False)
                is_first = False
        if before is None:  # all of the few are other ranks', who wait for a gradient
            nothing = torch.full((1, 1), end, device=self.device)
            before = _Chunk(nothing, nothing.new_full((1, 1), IGNORE_INDEX), True, False)
        yield before._replace(is_last=True)
