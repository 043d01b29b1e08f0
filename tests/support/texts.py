"""Small texts in files, and the documents that tokens spell."""

from __future__ import annotations

from pathlib import Path

from chargen.config import CorpusConfig
from chargen.data.corpus import Corpus
from chargen.data.shards import Ids, Shards

WHOLE = CorpusConfig(valid_fraction=0, test_fraction=0)
BYTES = CorpusConfig(valid_fraction=0, test_fraction=0, tokenizer="byte")


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def spell(corpus: Corpus, tokens: Shards | Ids) -> list[str]:
    """The documents that the tokens spell."""
    documents: list[str] = []
    current: list[int] = []
    for token in tokens[:].tolist():
        if token == corpus.tokenizer.end:
            documents.append(corpus.tokenizer.decode(current))
            current = []
        else:
            current.append(token)
    return [*documents, corpus.tokenizer.decode(current)] if current else documents
