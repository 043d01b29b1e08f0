"""Which cells of a network follow something of a text that people can read.

Shapes: N characters, P parts of a text, T tokens, K features, U cells of all layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from chargen.errors import CorpusError
from chargen.generation.generator import TextGenerator
from chargen.insight.reading import (
    CHUNK_TOKENS,
    Floats,
    memory_of,
    parts_of,
    read_traces,
    tokens_of,
)
from chargen.progress import OnShare, no_progress
from chargen.words import SENTENCE_ENDS, SPACED_ENDS, begins_word, in_word

MIN_TO_SEARCH = 1000  # characters from which cells are looked for
FOLLOWS = 0.3  # the correlation from which a cell is said to follow something


@dataclass(frozen=True)
class Follower:
    """The cell that follows a feature of the text most closely, by Pearson's correlation.

    It is chosen on the first half of a text, where its correlation is `chosen_by`, and
    `correlation` is that on the second.
    """

    feature: str
    layer: int
    unit: int
    correlation: float
    chosen_by: float

    @property
    def follows(self) -> bool:
        """Whether closely enough to be called so."""
        return abs(self.correlation) >= FOLLOWS and self.correlation * self.chosen_by > 0


def features(text: str) -> dict[str, Floats]:
    """What is so after each character of a text, (N,) by name: counts of characters, or 1 and 0."""
    rows = []
    line = word = sentence = capitals = depth = 0
    quoted, before = False, ""
    for letter in text:
        line = 0 if letter in "\n\r" else line + 1
        word = word + 1 if (in_word(letter) if word else begins_word(letter)) else 0
        sentence = 0 if letter in SPACED_ENDS + SENTENCE_ENDS else sentence + 1
        capitals = capitals + 1 if letter.isupper() else 0
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth = max(0, depth - 1)
        if letter == '"':
            quoted = not quoted
        elif letter in "\u201c\u201d":  # the curly ones say which they are
            quoted = letter == "\u201c"
        if before + letter == "\n\n":  # what was left open ends with the paragraph
            quoted, depth = False, 0
        before = letter
        rows.append((line, word, sentence, quoted, depth > 0, capitals > 0, capitals > 1))
    return dict(zip(FEATURES, np.array(rows, dtype=np.float64).T, strict=True))


FEATURES = (
    "position in line",
    "position in word",
    "position in sentence",
    "inside quotes",
    "inside brackets",
    "after a capital",
    "inside capitals",
)


@torch.inference_mode()
def find_followers(
    generator: TextGenerator, text: str, on_progress: OnShare = no_progress
) -> list[Follower]:
    """For each feature that the text has, the cell that follows it most closely, the closest
    first: what Karpathy, Johnson and Fei-Fei (2015) found by eye. Raises CorpusError where the text
    is too short."""
    if len(text) < MIN_TO_SEARCH:
        raise CorpusError(
            f"the text holds {len(text):,} characters, too few to search for cells",
            hint=f"it must be {MIN_TO_SEARCH:,} long at least",
        )
    model, tokenizer = generator.model, generator.tokenizer
    tokens = tokens_of(generator, text)
    spans = parts_of(tokenizer, tokens)
    ends = np.array([end for _, end, _ in spans])
    last = np.cumsum([len(part) for *_, part in spans]) - 1  # the last character of each part
    # Of the text as it is read: between documents it may be shorter than as it was given.
    read = "".join(part for *_, part in spans)
    there = np.stack(list(features(read).values()), 1)[last]  # (P, K)
    size, layers = model.config.hidden_size, model.config.num_layers
    halves = [CorrelationSums(there.shape[1], layers * size) for _ in range(2)]
    middle = len(tokens) // 2
    at = 0
    for chunk, _, found in read_traces(generator, tokens, CHUNK_TOKENS, on_progress):
        memory = np.concatenate([memory_of(values)[0] for values in found.layers], 1)  # (T, U)
        places = np.arange(at, at + len(chunk))
        for half, sums in enumerate(halves):
            rows = np.isin(places + 1, ends) & ((places < middle) == (half == 0))
            sums.add(there[np.searchsorted(ends, places[rows] + 1)], memory[rows])
        at += len(chunk)
    first, second = (sums.correlations() for sums in halves)  # (K, U)
    followers = []
    for row, name in enumerate(FEATURES):
        if np.isfinite(first[row] + second[row]).all():
            unit = int(np.abs(first[row]).argmax())
            found_there, chosen_by = float(second[row, unit]), float(first[row, unit])
            followers.append(Follower(name, *divmod(unit, size), found_there, chosen_by))
    return sorted(followers, key=lambda follower: -abs(follower.correlation))


class CorrelationSums:
    """Of what correlations are made, between K features and U cells, in one pass."""

    def __init__(self, features: int, cells: int) -> None:
        self._count = 0
        self._x, self._xx = np.zeros(features), np.zeros(features)
        self._y, self._yy = np.zeros(cells), np.zeros(cells)
        self._xy = np.zeros((features, cells))

    def add(self, x: Floats, y: npt.NDArray[np.float32]) -> None:
        """Take in (N, K) features and the (N, U) cells beside them."""
        y = y.astype(np.float64)  # in float32 the squares of a saturated cell lose its variance
        self._count += len(x)
        self._x += x.sum(0)
        self._xx += (x * x).sum(0)
        self._y += y.sum(0)
        self._yy += (y * y).sum(0)
        self._xy += x.T @ y

    def correlations(self) -> Floats:
        """Pearson's, (K, U); 0 for a cell that never moves, nan for a feature that never does."""
        count = max(1, self._count)
        covariance = self._xy / count - np.outer(self._x, self._y) / count**2
        x = np.sqrt(np.maximum(self._xx / count - (self._x / count) ** 2, 0))
        y = np.sqrt(np.maximum(self._yy / count - (self._y / count) ** 2, 0))
        x[x < 1e-9] = np.nan
        found: Floats = np.where(y > 1e-9, covariance / (x[:, None] * np.maximum(y, 1e-9)), 0.0)
        found[np.isnan(x)] = np.nan
        return found
