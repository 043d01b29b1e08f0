"""Texts that are read once, as tokens, no further than is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chargen.config import CorpusConfig
from chargen.data.documents import EncodedText
from chargen.data.reading import read_beginning, read_documents, read_tokens
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.texts import write

FILES = CorpusConfig()


def test_documents_are_read_one_by_one(tmp_path: Path) -> None:
    paths = [write(tmp_path, "a.txt", "é1"), write(tmp_path, "b.txt", "2")]
    tokenizer = ByteTokenizer()
    found = [
        tokenizer.decode(EncodedText.joined(parts).tokens.tolist())
        for parts in read_documents(paths, tokenizer, FILES)
    ]
    assert found == ["é1", "2"]


def test_no_more_of_a_text_is_read_than_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = ByteTokenizer()
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / name)
        paths[-1].write_text(f"{name} text", encoding="utf-8")
    whole = read_tokens(paths, tokenizer, FILES, 100).tolist()
    end = tokenizer.end
    assert whole == [*tokenizer.encode("a text"), end, *tokenizer.encode("b text"), end]
    assert read_tokens(paths, tokenizer, FILES, 9).tolist() == whole[:9]
    assert read_beginning(paths[0], 3, FILES) == "a t"

    def parts() -> Iterator[EncodedText]:
        yield EncodedText.spelled(np.arange(5), tokenizer)
        raise AssertionError("more was read than is wanted")

    monkeypatch.setattr("chargen.data.reading.read_documents", lambda *_: iter([parts()]))
    assert read_tokens(paths, tokenizer, FILES, 5).tolist() == [0, 1, 2, 3, 4]
