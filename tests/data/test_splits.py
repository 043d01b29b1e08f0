"""Splits hold all of the texts, each byte in one of them, however they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data import intake, sources, splits
from chargen.data.corpus import open_corpus
from chargen.data.intake import read_sources
from chargen.data.splits import DocumentSplit, FileSplit, JointSplit, Span, Split, split_texts
from tests.support.texts import spell, write


@pytest.mark.parametrize("chunk_bytes", [5, 6, 1 << 20])
@given(text=st.text(alphabet="ab \n\ré漢🍓", min_size=1))
def test_chunks_do_not_show(
    chunk_bytes: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever reading is cut, the tokens are those of the text as a whole."""
    path = write(tmp_path_factory.getbasetemp(), f"chunks{chunk_bytes}.txt", text)
    with pytest.MonkeyPatch.context() as patch:
        for module in (intake, sources, splits):
            patch.setattr(module, "CHUNK_BYTES", chunk_bytes)
        found = read_sources([path], CorpusConfig(), path.parent.resolve).sources
        spans = [Span(0, 0, found[0].size, ends=True)]
        chunks = list(FileSplit(found, spans))
        lf = "".join(chunk for chunk, *_ in FileSplit(found, spans, lf=True))
    assert "".join(chunk for chunk, *_ in chunks) == text
    assert [ends for _, ends, _ in chunks] == [False] * (len(chunks) - 1) + [True]
    assert lf == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
@given(
    contents=st.lists(st.text(alphabet="ab \n\ré漢🍓", min_size=1), min_size=1, max_size=4),
    size=st.integers(5, 40),
    newlines=st.sampled_from(["keep", "lf"]),
)
def test_parts_do_not_show(
    documents: str,
    contents: list[str],
    size: int,
    newlines: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Part after part, each split is spelled as it is as a whole."""

    def spelled(split: Split) -> str:
        assert not isinstance(split, JointSplit)
        parts = [text + ("\0" if ends else "") for text, ends, _ in split]
        return "".join(parts).replace(split.between or "\0", "\0")

    folder = tmp_path_factory.mktemp("parts")
    paths = [write(folder, str(index), text) for index, text in enumerate(contents)]
    sources = read_sources(paths, CorpusConfig(), folder.resolve).sources
    config = CorpusConfig(documents=documents, valid_fraction=0.3, newlines=newlines)
    for split in split_texts(sources, config, seed=0).values():
        parts = split.parts(size)
        assert "".join(map(spelled, parts)) == spelled(split)
        assert sum(part.size for part in parts) == split.size
        assert all(part.size for part in parts)
        if isinstance(split, FileSplit):
            assert all(part.size <= size for part in parts)


@given(
    contents=st.lists(st.text(alphabet="ab \né漢🍓"), min_size=1, max_size=4),
    valid=st.floats(0, 0.5),
    test=st.floats(0, 0.49),
)
def test_the_splits_of_files_joined_are_the_text(
    contents: list[str], valid: float, test: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not any(contents):
        return
    folder = tmp_path_factory.mktemp("splits")
    paths = [write(folder, f"{index}.txt", text) for index, text in enumerate(contents)]
    config = CorpusConfig(valid_fraction=valid, test_fraction=test)
    corpus = open_corpus(paths, config)
    tokens = np.concatenate([corpus.train[:], corpus.valid[:], corpus.test[:]])
    assert spell(corpus, tokens) == [text for text in contents if text]
    size = len("".join(contents).encode())
    lengths = corpus.tokenizer.byte_lengths
    # A cut moves on to where a character begins, so by three bytes at most.
    assert 0 <= lengths[corpus.train[:]].sum() - int(size * (1 - valid - test)) <= 3


def test_lines_are_shuffled_whole_and_the_same_for_one_seed(tmp_path: Path) -> None:
    lines = [f"line {number} 漢" for number in range(100)]
    path = write(tmp_path, "lines.txt", "\r\n".join(lines[:50]) + "\n\n" + "\n".join(lines[50:]))
    config = CorpusConfig(documents="line", valid_fraction=0.2, test_fraction=0.1)
    once, again, other = (open_corpus([path], config, seed=seed) for seed in (1, 1, 2))
    found = [spell(once, split) for split in (once.train, once.valid, once.test)]
    assert sorted(line for part in found for line in part) == sorted(lines)
    assert [len(part) for part in found] == pytest.approx([70, 20, 10], abs=2)
    assert spell(once, once.train) != sorted(found[0])
    assert np.array_equal(once.train[:], again.train[:])
    assert not np.array_equal(once.train[:], other.train[:])


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword", "word"])
def test_lines_of_several_files_long_and_short(
    tmp_path: Path, chunk_bytes: int, tokenizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (intake, sources, splits):
        monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    lines = ["short", "é" * 100, "a line of words " * 9, "x", "漢字"]
    paths = [
        write(tmp_path, f"{chunk_bytes}{tokenizer}{index}.txt", "\n".join(lines[index:]))
        for index in range(3)
    ]
    config = CorpusConfig(
        documents="line", valid_fraction=0, test_fraction=0, tokenizer=tokenizer, vocab_size=300
    )
    corpus = open_corpus(paths, config, seed=5)
    assert sorted(spell(corpus, corpus.train)) == sorted(lines + lines[1:] + lines[2:])


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword", "word"])
def test_paragraphs_are_shuffled_whole_with_their_exact_bytes(
    tmp_path: Path, chunk_bytes: int, tokenizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (intake, sources, splits):
        monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    tunes = [f"X:{n}\r\nT: tune {n}\r\n|:ab c2 | \u00e9:|" for n in range(40)]
    tunes += ["  indented\n\ttwice ", "one line", "long \u6f22" * 40 + "\n" + "x" * 99, "a\rb"]
    ends = ["\n\n", "\r\n\r\n", "\r\r", "\n \t\n\r\n", "\n\n\n"]
    text = "".join(tune + ends[n % len(ends)] for n, tune in enumerate(tunes))
    path = write(tmp_path, f"{chunk_bytes}{tokenizer}.txt", "\n \n" + text)
    config = CorpusConfig(
        documents="paragraph", valid_fraction=0.2, tokenizer=tokenizer, vocab_size=300
    )
    once, again, other = (open_corpus([path], config, seed=seed) for seed in (1, 1, 2))
    found = [spell(once, split) for split in (once.train, once.valid, once.test)]
    assert sorted(tune for part in found for tune in part) == sorted(tunes)
    assert all(found)
    assert found[0] != tunes[: len(found[0])]
    assert spell(again, again.train) == found[0] != spell(other, other.train)


@pytest.mark.parametrize("documents", ["line", "paragraph"])
def test_a_cr_ends_lines_where_it_becomes_lf(tmp_path: Path, documents: str) -> None:
    items = [f"item {n}\rof two lines" if n % 2 else f"item {n}" for n in range(60)]
    path = write(tmp_path, "cr.txt", "\r\r".join(items) + "\r")
    expected = [item.replace("\r", "\n") for item in items]
    if documents == "line":
        expected = [line for item in expected for line in item.split("\n")]
    corpus = open_corpus([path], CorpusConfig(documents=documents, newlines="lf"))
    found = [spell(corpus, split) for split in (corpus.train, corpus.valid, corpus.test)]
    assert all(found)
    assert sorted(document for part in found for document in part) == sorted(expected)


def test_documents_may_be_longer_than_four_gigabytes() -> None:
    lengths = np.array([1, (1 << 32) + 7, 3], dtype=np.int64)
    starts = np.array([0, 2, (1 << 32) + 10], dtype=np.int64)
    order = np.arange(3, dtype=np.uint32)
    split = DocumentSplit([], order, starts, lengths, np.zeros(1, np.int64), between="\n")
    assert split.size == (1 << 32) + 11
    assert [part.size for part in split.parts(1 << 20)] == [1, (1 << 32) + 10]


def test_every_tokenizer_validates_on_the_same_text(corpus_file: Path) -> None:
    found = []
    for kind in ("char", "byte", "subword", "word"):
        corpus = open_corpus([corpus_file], CorpusConfig(tokenizer=kind, vocab_size=320))
        found.append("".join(spell(corpus, corpus.valid)))
    assert found[0] and all(text == found[0] for text in found)
