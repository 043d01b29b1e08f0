"""Where texts begin: the places of a training text at which a text without a prompt may begin.

Knows nothing of training. Letters: N tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from chargen.data.shards import Ids, Shards
from chargen.tokenizers.base import Tokenizer
from chargen.words import LINE_END, SENTENCE_ENDS, SPACED_ENDS

Places = npt.NDArray[np.int64]

# Of a longer text so many tokens are looked at, in slices all over it.
SCANNED_FOR_DOCUMENTS, DOCUMENTS_SLICE = 1 << 26, 1 << 20
SCANNED_FOR_UNITS, UNITS_SLICE = 1 << 20, 1 << 16
# A text is made of units of which there are so many, and no longer ones than this on average, in
# tokens: beginnings are read once more at each reset, and should be no great part of what is read.
MIN_UNITS = 16
MAX_DOCUMENT = 1 << 13
MAX_UNIT = 1 << 12  # of the others
# Lines of prose that was broken to a width: long, and many go on in the midst of a sentence.
WRAPPED_LENGTH = 40  # bytes, on average
WRAPPED_SHARE = 0.3  # of the lines begin with a small letter

# What ends where a unit begins.
_PARAGRAPH = rf"{LINE_END}(?:[ \t]*{LINE_END})+(?=[ \t]*\S)"
_INDENTED = rf"{LINE_END}(?=[ \t]+\S)"
_LINE = rf"{LINE_END}(?=[ \t]*\S)"
_WORD = r"\s(?=\S)"
_CLOSERS = "(?:[\"')\\]]|»|”|\u2019|」|』)*"
_BETWEEN_DOCUMENTS = b"\n\n"  # as which an end-of-document token is read here


def find_beginnings(tokens: Shards | Ids, tokenizer: Tokenizer) -> Places:
    """Places of the (N,) tokens where texts begin, ascending: those of documents where the text is
    made of many, else of the largest of paragraphs, lines, sentences and words that there are
    enough of; in a text without any of them, of all characters."""
    slices = _slices(tokens, tokenizer.end, SCANNED_FOR_DOCUMENTS, DOCUMENTS_SLICE)
    found = _joined(start + _after_end(row, tokenizer.end) for start, row in slices)
    if _is_made_of(found, min(len(tokens), SCANNED_FOR_DOCUMENTS), MAX_DOCUMENT):
        return found
    scanned = min(len(tokens), SCANNED_FOR_UNITS)
    size = scanned if scanned == len(tokens) else UNITS_SLICE
    rows = list(_slices(tokens, tokenizer.end, SCANNED_FOR_UNITS, size))
    pieces = list(tokenizer.pieces)
    pieces[tokenizer.end] = _BETWEEN_DOCUMENTS
    spelled = [(start, [pieces[token] for token in row.tolist()]) for start, row in rows]
    texts = [(start, b"".join(row), np.cumsum([len(p) for p in row])) for start, row in spelled]
    for unit in _units(texts[0][1]):
        pattern = re.compile(unit.encode())
        found = _joined(start + _after_matches(pattern, data, ends) for start, data, ends in texts)
        if _is_made_of(found, scanned, MAX_UNIT):
            return found
    begins = tokenizer.character_lengths > 0  # a byte within a character begins nothing
    return _joined(start + np.flatnonzero(begins[row]) for start, row in rows)


def _is_made_of(found: Places, scanned: int, longest: int) -> bool:
    """Whether so many units were found in so many tokens that they are no longer than that on
    average."""
    return len(found) >= max(MIN_UNITS, scanned / longest)


def _units(data: bytes) -> tuple[str, ...]:
    """Patterns of what a text may be made of, the largest unit first; `data` is some of it."""
    spaced, others = ("|".join(re.escape(m) for m in marks if m.encode() in data) or r"\Z\Z"
                      for marks in (SPACED_ENDS, SENTENCE_ENDS))  # fmt: skip
    sentence = rf"(?:{spaced}){_CLOSERS}\s+(?=\S)|(?:{others}){_CLOSERS}\s*(?=\S)"
    if _is_wrapped(data):
        return _PARAGRAPH, rf"{_PARAGRAPH}|{_INDENTED}", rf"{sentence}|{_PARAGRAPH}", _WORD
    return _PARAGRAPH, _LINE, rf"{sentence}|{_LINE}", _WORD


def _is_wrapped(data: bytes) -> bool:
    lines = [line for line in data.splitlines() if line.strip()]
    small = sum(line.decode(errors="ignore").lstrip()[:1].islower() for line in lines)
    long = sum(map(len, lines)) >= WRAPPED_LENGTH * len(lines)
    return long and small >= WRAPPED_SHARE * len(lines)


def _slices(tokens: Shards | Ids, end: int, most: int, size: int) -> Iterator[tuple[int, Ids]]:
    """Where each begins, and its tokens, so many and the one before; before the text stands the
    end of a document."""
    count = min(-(-len(tokens) // size), most // size)
    for start in (index * len(tokens) // count for index in range(count)):
        row = tokens[max(0, start - 1) : start + size]
        yield start - 1, row if start else np.insert(row, 0, end)


def _after_end(row: Ids, end: int) -> Places:
    """Where documents begin, but for empty ones."""
    return np.flatnonzero((row[:-1] == end) & (row[1:] != end)) + 1


def _after_matches(pattern: re.Pattern[bytes], data: bytes, ends: Places) -> Places:
    """The tokens, which end so in the data, before which a match ends; of one that ends inside a
    token, none."""
    matched = [match.end() for match in pattern.finditer(data)]
    return np.flatnonzero(np.isin(ends[:-1], matched)) + 1


def _joined(rows: Iterable[Places]) -> Places:
    """Each once, where slices overlap."""
    return np.unique(np.concatenate(list(rows)))
