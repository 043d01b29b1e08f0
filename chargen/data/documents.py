"""A text as a model reads it: as the tokens of documents, as in its training.

Letters: N tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.boundaries import BLANK_LINES, SEPARATORS
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.words import with_lf


@dataclass(frozen=True)
class EncodedText:
    """Tokens of a text, (N,), and how many bytes (UTF-8) and characters of it each stands for: the
    end-of-document token for what separates documents there."""

    tokens: Tokens
    bytes: Tokens
    characters: Tokens

    @classmethod
    def spelled(cls, tokens: Tokens, tokenizer: Tokenizer) -> Self:
        """That which the tokens spell."""
        return cls(tokens, tokenizer.byte_lengths[tokens], tokenizer.character_lengths[tokens])

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """One text after the other."""
        nothing = np.empty(0, np.int64)
        rows = [(part.tokens, part.bytes, part.characters) for part in parts]
        columns = zip((nothing, nothing, nothing), *rows, strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, places: slice) -> Self:
        return type(self)(self.tokens[places], self.bytes[places], self.characters[places])


def encode_text(
    chunks: Iterable[str], tokenizer: Tokenizer, config: CorpusConfig
) -> Iterator[EncodedText]:
    """A text, given in chunks, as a model that was trained on texts so read knows it: where a
    document ends within it, or blank lines stand before the first, stands the end-of-document
    token. Raises TokenizerError."""
    separator, lf = SEPARATORS.get(config.documents), config.newlines == "lf"
    if separator or lf:
        chunks = _uncut_blanks(chunks)
    first = True
    for chunk in chunks:
        text = with_lf(chunk) if lf else chunk
        if text:
            before = BLANK_LINES.match(text) if separator and first else None
            yield _encode(text, tokenizer, separator, before)
            first = False


def _uncut_blanks(chunks: Iterable[str]) -> Iterator[str]:
    """The chunks cut anew, none of them at a blank: line ends and blank lines are whole."""
    blanks: list[str] = []
    for chunk in chunks:
        size = len(chunk.rstrip())
        if size:
            yield "".join([*blanks, chunk[:size]])
            blanks.clear()
        blanks.append(chunk[size:])
    yield "".join(blanks)


def _encode(
    text: str,
    tokenizer: Tokenizer,
    separator: re.Pattern[str] | None,
    before: re.Match[str] | None,
) -> EncodedText:
    """A text with `separator`s between its documents, and perhaps something `before` the first."""

    def encode(start: int, stop: int) -> EncodedText:
        return EncodedText.spelled(tokenizer.encode_array(text[start:stop]), tokenizer)

    if separator is None:
        return encode(0, len(text))
    parts, at = [], 0
    matches = separator.finditer(text, before.end() if before else 0)
    for match in chain([before] if before else [], matches):
        parts.append(encode(at, match.start()))
        size = len(match.group())  # characters, all of them ASCII
        parts.append(EncodedText(np.array([tokenizer.end]), np.array([size]), np.array([size])))
        at = match.end()
    return EncodedText.joined([*parts, encode(at, len(text))])
