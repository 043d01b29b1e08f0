"""The tokens of texts that are read once: document by document, nothing of them kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain

import numpy as np

from chargen.data.cache import open_sources
from chargen.data.shards import Ids
from chargen.data.sources import Paths, check_unchanged
from chargen.data.splits import whole_text
from chargen.tokenizers.base import Tokenizer, Tokens


def read_documents(paths: Paths, tokenizer: Tokenizer) -> Iterator[Iterator[Ids]]:
    """The token ids of each text, in pieces that are small whatever the text. Raises CorpusError.

    Nothing is kept in the cache.
    """
    with open_sources(paths) as sources:
        for index in range(len(sources)):
            yield (tokenizer.encode_array(text) for text in whole_text(sources, index))
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


def read_tokens(paths: Paths, tokenizer: Tokenizer, most: int) -> Tokens:
    """Token ids of all texts in one array, an end-of-document token after each; at most `most`.
    Raises CorpusError."""
    rows: list[Tokens] = []
    for pieces in read_documents(paths, tokenizer):
        for row in chain(pieces, [np.array([tokenizer.end])]):
            rows.append(row[:most].astype(np.int64))
            most -= len(rows[-1])
            if not most:
                return np.concatenate(rows)
    return np.concatenate(rows)
