"""Batches of token ids out of a corpus, on the device that trains.

Letters: B parallel streams, T tokens a step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chargen.data.shards import Ids, Shards
from chargen.errors import CorpusError, Wording, setting
from chargen.runtime.device import send
from chargen.runtime.memory import free_memory

CPU = torch.device("cpu")
RESIDENT_SHARE = 0.25  # of a GPU's free memory that a text may take there
IGNORE_INDEX = -100  # a target that does not count: torch's own default in cross_entropy


class BatchLoader:
    """Batches of parallel streams: each row goes on where it ended in the batch before.

    The streams start evenly spread over the text, and each reads on through it, round and round,
    so its state is always the true one and one number, how far each has read, says where all are.
    For a batch a stream can be sent elsewhere; after it, it goes on as if it had not been.
    `bptt` is the longest step that will be asked for; `rows`, of all `batch_size` streams, those
    that are read here. Where there are `answers`, masks of the tokens, a target outside them is
    IGNORE_INDEX. On a GPU the text lies there as a whole where it takes no more than a share of the
    memory.
    """

    def __init__(
        self,
        tokens: Shards | Ids,
        *,
        batch_size: int,
        bptt: int,
        end: int,
        answers: Shards | None = None,
        rows: range | None = None,
        device: torch.device = CPU,
        name: str = "the training text",
    ) -> None:
        needed = batch_size * (bptt + 1)
        if len(tokens) < needed:
            raise CorpusError(
                f"{name} holds {len(tokens):,} tokens, too few for batch size "
                f"{batch_size} and bptt {bptt}, which need {needed:,}",
                hint=_fitting(len(tokens)),
            )
        if not isinstance(tokens, Shards):
            tokens = Shards([tokens], tokens.dtype.type)
        self._tokens = tokens
        self._answers = answers
        self._end = end
        self._device = device
        rows = range(batch_size) if rows is None else rows
        self._starts = np.array(rows) * (len(tokens) // batch_size)
        self._resident: Tensor | None = None
        if device.type != "cpu":
            free = free_memory(device)
            room = 0.0 if free is None else RESIDENT_SHARE * free
            size = len(tokens) * (tokens.dtype.itemsize + (answers is not None))
            if tokens.is_on(device) or size <= room:
                self.make_resident()

    @property
    def is_resident(self) -> bool:
        """Whether the text lies on the device."""
        return self._resident is not None

    def make_resident(self) -> None:
        """Have the text on the device."""
        self._resident = self._tokens.on(self._device)
        if self._answers is not None:
            self._resident_answers = self._answers.on(self._device)
        self._resident_starts = torch.from_numpy(self._starts).to(self._device)

    def batch(
        self, place: int | Tensor, length: int, elsewhere: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (B, T) int64, T the `length`, after each stream has read `place`
        tokens: the targets are the inputs one token on, where they count. A stream for which the
        (B,) int64 `elsewhere` has a place, no negative number, reads a document that begins there.
        On the device, which is not waited for; where the text is resident, both may be tensors on
        it."""
        if elsewhere is None:
            elsewhere = torch.full((len(self._starts),), -1)
        if self._resident is None:
            assert isinstance(place, int)
            sent = elsewhere.numpy()
            places = np.where(sent < 0, self._starts + place, sent)[:, None] + np.arange(-1, length)
            window = self._tokens[places % len(self._tokens)].astype(np.int64)  # (B, T + 1)
            window[(sent >= 0) | (places[:, 0] < 0), 0] = self._end
            rows = send(torch.from_numpy(window), self._device)
            if self._answers is not None:
                counts = self._answers[places[:, 1:] % len(self._tokens)] > 0
                ignored = send(torch.from_numpy(~counts), self._device)
        else:
            sent_to = send(elsewhere, self._device)
            begins = torch.where(sent_to < 0, self._resident_starts + place, sent_to)
            where = begins[:, None] + torch.arange(-1, length, device=self._device)
            # The bits of unsigned numbers, as Shards.on has them.
            mask = 0xFFFF if self._resident.dtype == torch.int16 else 0xFFFFFFFF
            rows = self._resident[where % len(self._resident)].long() & mask
            rows[:, 0].masked_fill_((sent_to >= 0) | (where[:, 0] < 0), self._end)
            if self._answers is not None:
                ignored = self._resident_answers[where[:, 1:] % len(self._resident)] == 0
        targets = rows[:, 1:]
        if self._answers is not None:
            targets = targets.masked_fill(ignored, IGNORE_INDEX)
        return rows[:, :-1], targets


def _fitting(count: int) -> str | Wording:
    """Which batch and bptt a text of `count` tokens has room for."""
    for batch_size, bptt in ((16, 64), (8, 64), (8, 32), (4, 32), (4, 16), (2, 8), (1, 4), (1, 1)):
        if batch_size * (bptt + 1) <= count:
            return setting("batch_size", batch_size) + " with " + setting("bptt", bptt) + " fits"
    return "give a longer text"
