"""Texts that are read once, as tokens, no further than is asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data.boundaries import find_documents
from chargen.data.documents import (
    EncodedText,
    encode_text,
    read_beginning,
    read_documents,
    read_tokens,
)
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
    assert read_beginning(paths[0], 3) == "a t"

    def parts() -> Iterator[EncodedText]:
        yield EncodedText.spelled(np.arange(5), tokenizer)
        raise AssertionError("more was read than is wanted")

    monkeypatch.setattr("chargen.data.documents.read_documents", lambda *_: iter([parts()]))
    assert read_tokens(paths, tokenizer, FILES, 5).tolist() == [0, 1, 2, 3, 4]


@given(
    st.text(st.sampled_from("ab é\t\r\n\u2028"), max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
    st.sampled_from(["file", "line", "paragraph"]),
    st.sampled_from(["keep", "lf"]),
)
def test_however_a_text_is_cut_it_is_the_documents_of_training(
    text: str, cuts: list[int], documents: str, newlines: str
) -> None:
    """The same tokens, and every byte of it stands for one."""
    tokenizer = ByteTokenizer()
    config = CorpusConfig(documents=documents, newlines=newlines)
    bounds = [0, *sorted(cuts), len(text)]
    chunks = [text[a:b] for a, b in pairwise(bounds)]
    found = EncodedText.joined(encode_text(chunks, tokenizer, config))
    if newlines == "lf":
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    assert found.bytes.sum() == len(text.encode())
    assert found.characters.sum() == len(text)
    if documents == "file":
        assert bytes(found.tokens.tolist()) == text.encode()
        return
    ends = np.flatnonzero(found.tokens == tokenizer.end)
    read = [bytes(row[row != tokenizer.end].tolist()) for row in np.split(found.tokens, ends)]
    starts, stops = find_documents([text.encode()], documents)
    learned = [text.encode()[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
    assert [document for document in read if document] == learned
