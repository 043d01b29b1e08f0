"""Whole texts from their files, as documents of tokens or as text: nothing is kept in the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain

import numpy as np

from chargen.config import CorpusConfig
from chargen.data.cache import open_sources
from chargen.data.documents import EncodedText, encode_text
from chargen.data.finding import Paths
from chargen.data.sources import check_unchanged
from chargen.data.splits import whole_texts
from chargen.tokenizers.base import Tokenizer, Tokens


def read_documents(
    paths: Paths, tokenizer: Tokenizer, config: CorpusConfig
) -> Iterator[Iterator[EncodedText]]:
    """Each document in parts that are small whatever the text. Raises CorpusError."""
    with open_sources(paths, config) as texts:
        for text in whole_texts(texts.sources):
            yield encode_text(text, tokenizer, config)
        check_unchanged(texts.sources)


def read_beginning(path: str | os.PathLike[str], most: int, config: CorpusConfig) -> str:
    """The first `most` characters of a text, of its documents one after the other. Raises
    CorpusError."""
    with open_sources([path], config) as texts:
        parts: list[str] = []
        for text in whole_texts(texts.sources):
            for chunk in chain(["\n"] if parts else [], text):
                parts.append(chunk[:most])
                most -= len(parts[-1])
                if not most:
                    return "".join(parts)
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
