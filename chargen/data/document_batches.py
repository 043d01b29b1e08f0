"""Batches of whole documents, each from its beginning: for texts whose documents are short and have
nothing to do with each other.

Letters: D documents, B documents of a batch, b those of them that go on, T tokens, N of a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chargen.data.shards import Ids, Shards
from chargen.errors import CorpusError
from chargen.tokenizers.base import Tokens

Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SCANNED_AT_ONCE = 1 << 22  # tokens
# So many batches are made of documents that are drawn together, each of those of similar length: so
# little is padded, and still every epoch puts others side by side.
SORTED_BATCHES = 32


@dataclass(frozen=True)
class Documents:
    """Where the (D,) documents of a text begin, and how many tokens each has, with its end."""

    starts: Places
    lengths: Places

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def longest(self) -> int:
        """Tokens; 0 where there are no documents."""
        return int(self.lengths.max(initial=0))

    @cached_property
    def mean(self) -> float:
        """Tokens of a document, on average; 0 where there are none."""
        return float(self.lengths.mean()) if len(self) else 0.0


class Piece(NamedTuple):
    """Some tokens of documents side by side, which all of the pieces before them had, too.

    (b, T) `inputs`, before a document its end token, and (b, T) `targets`, the inputs one token on,
    which stand at (b, T) `places` of the text; `beyond` are those that do not: a document has ended
    before them. Documents are rows in the order of their lengths, the longest first: those that
    have all ended are missing.
    """

    inputs: Tokens
    targets: Tokens
    places: Places
    beyond: Bools


def find_documents(tokens: Shards | Ids, end: int) -> Documents:
    """The documents of (N,) tokens: each goes on up to an `end` token, the last one perhaps to the
    end of the text. Every token is of one of them."""
    found = [
        at + np.flatnonzero(tokens[at : at + SCANNED_AT_ONCE] == end) + 1
        for at in range(0, len(tokens), SCANNED_AT_ONCE)
    ]
    stops = np.concatenate([np.empty(0, np.int64), *found])
    if len(tokens) > (stops[-1] if len(stops) else 0):
        stops = np.append(stops, len(tokens))
    lengths = np.diff(stops, prepend=0)
    return Documents(stops - lengths, lengths)


def read_side_by_side(
    tokens: Shards | Ids, documents: Documents, chosen: Places, end: int, length: int
) -> Iterator[Piece]:
    """The (B,) `chosen` documents from their beginnings to their ends, so many tokens of each at
    once: one piece, where none is longer."""
    chosen = chosen[np.argsort(-documents.lengths[chosen], kind="stable")]
    starts, lengths = documents.starts[chosen, None], documents.lengths[chosen, None]
    for at in range(0, int(lengths.max(initial=0)), length):
        alive = int((lengths > at).sum())
        columns = np.arange(at - 1, min(at + length, int(lengths[0, 0])))  # one more: the inputs
        places = starts[:alive] + columns
        beyond = columns >= lengths[:alive]
        rows = tokens[np.clip(places, 0, len(tokens) - 1)].astype(np.int64)  # (b, T + 1)
        rows[beyond] = end
        if at == 0:
            rows[:, 0] = end
        yield Piece(rows[:, :-1], rows[:, 1:], places[:, 1:], beyond[:, 1:])


class DocumentLoader:
    """Which documents the steps of a training read, `batch_size` of them each: in an epoch each
    once, in an order that the `seed` and the epoch decide. So what a step reads follows from its
    number alone. The last documents of an epoch, where they are fewer, are a step like the others,
    which may stand before them."""

    def __init__(self, documents: Documents, *, batch_size: int, seed: int) -> None:
        if not len(documents):
            raise CorpusError("the training text is empty", hint="give a longer text")
        self._documents = documents
        self._batch_size = batch_size
        self._seed = seed
        self._epoch, self._batches = -1, list[Places]()

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self._documents) // self._batch_size)

    def chosen(self, step: int) -> Places:
        """(B,) the documents, counted from 0, that this step reads, the shortest first."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self._epoch != epoch:
            self._epoch, self._batches = epoch, list(self._shuffled(epoch))
        return self._batches[index]

    def _shuffled(self, epoch: int) -> Iterator[Places]:
        count, size = len(self._documents), self._batch_size
        random = np.random.default_rng([self._seed, epoch])
        order = random.permutation(count)
        drawn = np.arange(count) // (SORTED_BATCHES * size)
        order = order[np.lexsort((self._documents.lengths[order], drawn))]
        for index in random.permutation(self.steps_per_epoch):
            yield order[index * size : (index + 1) * size]
