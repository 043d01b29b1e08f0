"""Where texts begin: the places of a training text at which a text without a prompt may begin.

Knows nothing of training. Letters: N tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from chargen.data.shards import Ids, Shards
from chargen.tokenizers.base import Tokenizer

SCANNED_TOKENS = 1 << 20  # of a longer text, slices that are spread over it
NUM_SLICES = 16
MIN_BEGINNINGS = 16  # fewer would be learnt by heart
# Longer units than this on average, in tokens, are not what a text is made of: the books of a
# library, or the few paragraphs above a long list.
MAX_DOCUMENT = 1 << 16
MAX_UNIT = 1 << 12

# What ends where a unit begins, the largest unit first.
_NEWLINE = r"(?>\r\n|\n|\r)"
_LINE = rf"{_NEWLINE}(?=[ \t]*\S)"
_UNITS = (
    rf"{_NEWLINE}(?:[ \t]*{_NEWLINE})+(?=[ \t]*\S)",  # a paragraph
    _LINE,
    r"(?:[.!?]|…|।|؟|۔|။|።)(?:[\"')\]»]|”|’)*\s+(?=\S)|(?:。|！|？)(?:」|』|”|’)*\s*(?=\S)"  # noqa: RUF001
    rf"|{_LINE}",  # a sentence
    r"\s(?=\S)",  # a word
)
_BETWEEN_DOCUMENTS = b"\n\n"  # as which an end-of-document token is read here


def find_beginnings(tokens: Shards | Ids, tokenizer: Tokenizer) -> npt.NDArray[np.int64]:
    """Places of the (N,) tokens where texts begin, ascending: those of documents where the text is
    made of many, else of the largest of paragraphs, lines, sentences and words that there are
    enough of; in a text without any of them, of all characters."""
    slices = _slices(tokens, tokenizer.end)
    scanned = sum(len(row) for _, row in slices)
    found = _joined(start + _after_end(row, tokenizer.end) for start, row in slices)
    if len(found) >= max(MIN_BEGINNINGS, scanned / MAX_DOCUMENT):
        return found
    pieces = list(tokenizer.pieces)
    pieces[tokenizer.end] = _BETWEEN_DOCUMENTS
    for unit in _UNITS:
        pattern = re.compile(unit.encode())
        found = _joined(start + _after_matches(pattern, row, pieces) for start, row in slices)
        if len(found) >= max(MIN_BEGINNINGS, scanned / MAX_UNIT):
            return found
    begins = tokenizer.character_lengths > 0  # a byte within a character begins nothing
    return _joined(start + np.flatnonzero(begins[row]) for start, row in slices)


def _slices(tokens: Shards | Ids, end: int) -> list[tuple[int, Ids]]:
    """Where each begins, and its tokens; before the first stands the end of a document."""
    if len(tokens) <= SCANNED_TOKENS:
        return [(-1, np.insert(tokens[:], 0, end))]
    starts = [index * len(tokens) // NUM_SLICES for index in range(NUM_SLICES)]
    rows = [tokens[start : start + SCANNED_TOKENS // NUM_SLICES] for start in starts]
    return [(-1, np.insert(rows[0], 0, end)), *zip(starts[1:], rows[1:], strict=True)]


def _after_end(row: Ids, end: int) -> npt.NDArray[np.int64]:
    """Where documents begin, but for empty ones."""
    return np.flatnonzero((row[:-1] == end) & (row[1:] != end)) + 1


def _after_matches(
    pattern: re.Pattern[bytes], row: Ids, pieces: list[bytes]
) -> npt.NDArray[np.int64]:
    """The tokens before which a match ends; of one that ends inside a token, none."""
    spelled = [pieces[token] for token in row.tolist()]
    ends = np.cumsum([len(piece) for piece in spelled])  # of each token, in bytes
    matched = [match.end() for match in pattern.finditer(b"".join(spelled))]
    return np.flatnonzero(np.isin(ends[:-1], matched)) + 1


def _joined(rows: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate(list(rows))
