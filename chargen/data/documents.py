"""Texts that are read once, as a model reads them: as the tokens of documents, as in its training.

Nothing of them is kept. Letters: N tokens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.boundaries import BLANK_LINES, SEPARATORS
from chargen.data.cache import open_sources
from chargen.data.sources import Paths, check_unchanged
from chargen.data.splits import whole_text
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


def read_documents(
    paths: Paths, tokenizer: Tokenizer, config: CorpusConfig
) -> Iterator[Iterator[EncodedText]]:
    """Each text in parts that are small whatever the text. Raises CorpusError.

    Nothing is kept in the cache.
    """
    with open_sources(paths) as sources:
        for index in range(len(sources)):
            yield encode_text(whole_text(sources, index), tokenizer, config)
        check_unchanged(sources)


def read_beginning(path: str | os.PathLike[str], most: int) -> str:
    """The first `most` characters of a text. Raises CorpusError."""
    with open_sources([path]) as sources:
        parts: list[str] = []
        for text in whole_text(sources, 0) if sources else ():
            parts.append(text[:most])
            most -= len(parts[-1])
            if not most:
                break
        return "".join(parts)


def read_tokens(paths: Paths, tokenizer: Tokenizer, config: CorpusConfig, most: int) -> Tokens:
    """Token ids of all texts in one array, an end-of-document token after each; at most `most`.
    Raises CorpusError."""
    rows: list[Tokens] = []
    for parts in read_documents(paths, tokenizer, config):
        for row in chain((part.tokens for part in parts), [np.array([tokenizer.end])]):
            rows.append(row[:most])
            most -= len(rows[-1])
            if not most:
                return np.concatenate(rows)
    return np.concatenate(rows)
