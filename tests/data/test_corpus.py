"""Text files become the right tokens, splits and batches, and bad ones are told apart."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data import corpus as corpus_module
from chargen.data import texts
from chargen.data.corpus import (
    BatchLoader,
    Corpus,
    cache_folder,
    open_corpus,
    read_beginning,
    read_documents,
    read_tokens,
)
from chargen.data.shards import Ids, Shards
from chargen.errors import CorpusError
from chargen.runtime import workers as processes
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.subword import SubwordTokenizer

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


# -- finding and reading ----------------------------------------------------------------------


def test_files_folders_globs_and_gzip(tmp_path: Path) -> None:
    write(tmp_path, "books/b.txt", "bee")
    write(tmp_path, "books/deep/a.txt", "ay")
    write(tmp_path, "books/z.txt.gz", gzip.compress(b"zip", mtime=0))
    write(tmp_path, "books/notes.md", "no")
    write(tmp_path, "x1.text", "one")
    write(tmp_path, "x2.text", "two")
    packed = write(tmp_path, "z.txt.gz", gzip.compress(b"zed", mtime=0))
    corpus = open_corpus([tmp_path / "books", str(tmp_path / "x*.text"), packed], WHOLE)
    assert spell(corpus, corpus.train) == ["bee", "ay", "zip", "one", "two", "zed"]
    assert [name for name, *_ in corpus.sources] == [
        "b.txt", "a.txt", "z.txt.gz", "x1.text", "x2.text", "z.txt.gz",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"piped text", gzip.compress(b"piped text", mtime=0)])
def test_standard_input(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content)))
    monkeypatch.setattr("sys.stdin", stdin)
    corpus = open_corpus(["-"], WHOLE)
    assert spell(corpus, corpus.train) == ["piped text"]
    assert corpus.name == "stdin"


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
@pytest.mark.parametrize(("newlines", "expected"), [("keep", "a\r\nb\rc\n"), ("lf", "a\nb\nc\n")])
def test_byte_order_mark_goes_and_newlines_stay_unless_told(
    tmp_path: Path, tokenizer: str, newlines: str, expected: str
) -> None:
    path = write(tmp_path, "a.txt", b"\xef\xbb\xbfa\r\nb\rc\n")
    config = CorpusConfig(valid_fraction=0, test_fraction=0, newlines=newlines, tokenizer=tokenizer)
    corpus = open_corpus([path], config)
    assert spell(corpus, corpus.train) == [expected]


@pytest.mark.parametrize("chunk_bytes", [5, 6, 1 << 20])
@given(text=st.text(alphabet="ab \n\ré漢🍓", min_size=1))
def test_chunks_do_not_show(
    chunk_bytes: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Wherever reading is cut, the tokens are those of the text as a whole."""
    path = write(tmp_path_factory.getbasetemp(), f"chunks{chunk_bytes}.txt", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "CHUNK_BYTES", chunk_bytes)
        sources = texts.read_sources([path], path)
        spans = [texts.Span(0, 0, sources[0].size, ends=True)]
        chunks = list(texts.FileSplit(sources, spans))
        lf = "".join(chunk for chunk, _ in texts.FileSplit(sources, spans, lf=True))
    assert "".join(chunk for chunk, _ in chunks) == text
    assert [ends for _, ends in chunks] == [False] * (len(chunks) - 1) + [True]
    assert lf == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("documents", ["file", "line"])
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

    def spelled(split: texts.Split, line_end: str) -> str:
        parts = [text + ("\0" if ends else "") for text, ends in split]
        return "".join(parts).replace("\n", line_end)

    folder = tmp_path_factory.mktemp("parts")
    paths = [write(folder, str(index), text) for index, text in enumerate(contents)]
    sources = texts.read_sources(paths, folder)
    config = CorpusConfig(documents=documents, valid_fraction=0.3, newlines=newlines)
    line_end = "\0" if documents == "line" else "\n"
    for split in texts.split_texts(sources, config, seed=0).values():
        parts = split.parts(size)
        assert "".join(spelled(part, line_end) for part in parts) == spelled(split, line_end)
        assert sum(part.size for part in parts) == split.size
        assert all(part.size for part in parts)
        if isinstance(split, texts.FileSplit):
            assert all(part.size <= size for part in parts)


@pytest.mark.parametrize(
    ("content", "byte"),
    [
        (b"\xffabc", 0),
        (b"abc\xc3\x28", 3),
        (b"caf\xe9", 3),
        (b"abc\xe6\xbc", 3),
        (b"x" * (texts.CHUNK_BYTES - 1) + b"\xe6\xbc!", texts.CHUNK_BYTES - 1),
        ("héllo".encode("utf-16"), 0),
    ],
)
def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path, content: bytes, byte: int) -> None:
    path = write(tmp_path, "bad.txt", content)
    with pytest.raises(CorpusError, match=rf"bad.txt is not UTF-8: byte {byte} .*iconv"):
        open_corpus([path], WHOLE)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nowhere.txt", None, "no such text"),
        ("empty.txt", b"", "the text is empty"),
        ("bom.txt", b"\xef\xbb\xbf", "the text is empty"),
        ("folder/readme.md", b"x", "has no text"),
        ("torn.txt.gz", gzip.compress(b"hello" * 99, mtime=0)[:-9], "not a whole gzip file"),
        ("false.txt.gz", b"hello", "not a whole gzip file"),
    ],
)
def test_useless_texts_are_refused(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        write(tmp_path, name, content)
    with pytest.raises(CorpusError, match=says):
        open_corpus([path.parent if "/" in name else path], WHOLE)


def test_an_unwritable_cache_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(write(tmp_path, "a file", "x")))
    with pytest.raises(CorpusError, match="set XDG_CACHE_HOME"):
        cache_folder()


# -- splits and the cache ---------------------------------------------------------------------


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
@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword"])
def test_lines_of_several_files_long_and_short(
    tmp_path: Path, chunk_bytes: int, tokenizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "CHUNK_BYTES", chunk_bytes)
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


def test_every_tokenizer_validates_on_the_same_text(corpus_file: Path) -> None:
    found = []
    for kind in ("char", "byte", "subword"):
        corpus = open_corpus([corpus_file], CorpusConfig(tokenizer=kind, vocab_size=320))
        found.append("".join(spell(corpus, corpus.valid)))
    assert found[0] and found[0] == found[1] == found[2]


def test_the_vocabulary_knows_the_training_split_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "éé" * 50 + "漢漢" * 10)
    corpus = open_corpus([path], CorpusConfig(valid_fraction=0.3, test_fraction=0))
    assert corpus.tokenizer.decode([257]) == "é"
    assert corpus.tokenizer.vocab_size == 258


def test_a_second_run_reads_what_the_first_one_wrote(
    corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_corpus([corpus_file], WHOLE)
    monkeypatch.setattr(corpus_module, "_build", None)  # calling it would fail
    again = open_corpus([corpus_file], WHOLE)
    with_other_speakers = open_corpus([corpus_file], replace(WHOLE, user="Q:", bot="A:"))
    with_its_tokenizer = open_corpus([corpus_file], WHOLE, tokenizer=first.tokenizer)
    assert np.array_equal(first.train[:], again.train[:])
    assert np.array_equal(first.train[:], with_other_speakers.train[:])
    assert np.array_equal(first.train[:], with_its_tokenizer.train[:])


@pytest.mark.parametrize("name", ["train-00000.bin", "corpus.json", "tokenizer.json"])
def test_damaged_cache_files_are_made_again(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = write(tmp_path, "a.txt", f"some text for {name}")
    first = open_corpus([path], WHOLE)
    expected = first.train[:].copy()
    [folder] = cache_folder().glob("tokens-*")
    (folder / name).write_bytes(b"?")
    assert np.array_equal(open_corpus([path], WHOLE).train[:], expected)


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text of many parts, in a cache of its own."""
    monkeypatch.setattr(corpus_module, "PART_BYTES", 1000)
    monkeypatch.setattr(processes, "cores", lambda: 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return write(tmp_path, "many.txt", "".join(f"{n} is é, 漢 or 🍓\r\n" for n in range(700)))


@pytest.mark.parametrize("documents", ["file", "line"])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword"])
def test_neither_shards_nor_processes_show(
    many: Path, tokenizer: str, documents: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CorpusConfig(tokenizer=tokenizer, vocab_size=300, documents=documents)
    told: list[float] = []
    shared_out = open_corpus([many], config, on_progress=lambda doing, share: told.append(share))
    written = {path.name: path.read_bytes() for path in cache_folder().glob("tokens-*/*")}
    assert len(written) > 10
    assert max(told) == 1
    monkeypatch.setattr(processes, "cores", lambda: 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(many.parent / "alone"))
    open_corpus([many], config)
    assert {p.name: p.read_bytes() for p in cache_folder().glob("tokens-*/*")} == written
    monkeypatch.setattr(corpus_module, "PART_BYTES", 1 << 30)
    monkeypatch.setenv("XDG_CACHE_HOME", str(many.parent / "whole"))
    whole = open_corpus([many], config)
    assert whole.tokenizer == shared_out.tokenizer
    for split in texts.SPLITS:
        assert np.array_equal(getattr(whole, split)[:], getattr(shared_out, split)[:])
    assert np.array_equal(whole.counts, shared_out.counts)
    assert np.array_equal(
        np.bincount(whole.train[:], minlength=whole.tokenizer.vocab_size), whole.counts
    )


def test_a_text_of_many_parts_has_no_more_shards_than_can_be_held_open(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "MAX_PARTS", 4)
    open_corpus([many], CorpusConfig(tokenizer="byte"))
    assert 4 <= len(list(cache_folder().glob("tokens-*/*.bin"))) <= 4 + 3


@pytest.mark.parametrize("damage", ["missing", "short", "another tokenizer's", "not counted"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_shard_that_is_not_the_right_one_is_made_again(
    many: Path, damage: str, verify: bool
) -> None:
    expected = open_corpus([many], WHOLE).train[:].copy()
    [folder] = cache_folder().glob("tokens-*")
    if damage == "missing":
        (folder / "train-00003.bin").unlink()
    elif damage == "short":
        os.truncate(folder / "train-00003.bin", 10)
    elif damage == "not counted":
        facts = json.loads((folder / "corpus.json").read_bytes())
        facts["counts"][97] += 1
        (folder / "corpus.json").write_text(json.dumps(facts))
    else:
        open_corpus([many], BYTES)
        [other] = set(cache_folder().glob("tokens-*")) - {folder}
        (other / "train-00003.bin").replace(folder / "train-00003.bin")
    again = open_corpus([many], WHOLE, verify=verify)
    assert np.array_equal(again.train[:], expected)


def test_only_who_verifies_reads_the_shards(many: Path) -> None:
    first = open_corpus([many], WHOLE).train[:].copy()
    [path] = cache_folder().glob("tokens-*/train-00003.bin")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not np.array_equal(open_corpus([many], WHOLE, verify=False).train[:], first)
    assert np.array_equal(open_corpus([many], WHOLE).train[:], first)


def test_subwords_say_how_much_they_are_learnt_from(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(WHOLE, tokenizer="subword", vocab_size=300)
    told: dict[str, None] = {}
    open_corpus([many], config, on_progress=lambda doing, share: told.update({doing: None}))
    assert list(told) == ["reading", "learning the vocabulary", "encoding"]
    learnt_from: list[int] = []
    train = SubwordTokenizer.train

    def watched(sample: Iterator[str], **options: Any) -> SubwordTokenizer:
        sentences = list(sample)
        learnt_from.append(len("".join(sentences).encode()))
        return train(sentences, **options)

    monkeypatch.setattr(SubwordTokenizer, "train", watched)
    monkeypatch.setattr(texts, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(corpus_module, "SAMPLE_BYTES", 6_000)
    monkeypatch.setattr(corpus_module, "_bytes", lambda number: f"{number:.0f} B")
    size = many.stat().st_size
    told.clear()
    again = replace(config, vocab_size=310)
    open_corpus([many], again, on_progress=lambda doing, share: told.update({doing: None}))
    every = -(-size // 6_000)
    assert list(told)[1] == f"learning the vocabulary from {size / every:.0f} B of {size} B"
    assert learnt_from == [pytest.approx(size / every, rel=0.02)]


def test_documents_are_read_one_by_one(tmp_path: Path) -> None:
    paths = [write(tmp_path, "a.txt", "é1"), write(tmp_path, "b.txt", "2")]
    tokenizer = ByteTokenizer()
    found = [
        tokenizer.decode(np.concatenate(list(pieces)).tolist())
        for pieces in read_documents(paths, tokenizer)
    ]
    assert found == ["é1", "2"]


# -- batches ----------------------------------------------------------------------------------


def test_streams_go_on_where_they_ended_and_cover_the_text() -> None:
    tokens = np.arange(60)
    streams = BatchLoader(tokens, batch_size=3, bptt=4, end=99)
    batches = [streams.batch(place, 4) for place in range(0, 40, 4)]
    for (inputs, targets), (later, _) in pairwise(batches):
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(later[:, 0], targets[:, -1])
    assert batches[0][0][:, 0].tolist() == [99, 99, 99]
    rows = torch.cat([targets for _, targets in batches[:5]], dim=1)
    assert sorted(rows.flatten().tolist()) == list(range(60))
    # Each stream reads on into the next one's text.
    assert batches[5][1][0].tolist() == batches[0][1][1].tolist()
    # However it is cut, it is the same text.
    cut = [streams.batch(place, length) for place, length in ((0, 1), (1, 5), (6, 2))]
    for index in (0, 1):
        joined = torch.cat([batch[index] for batch in batches[:2]], dim=1)
        assert torch.equal(torch.cat([batch[index] for batch in cut], dim=1), joined)


def test_too_short_a_text_says_what_would_fit() -> None:
    with pytest.raises(CorpusError, match=r"300 tokens.*need 1,040; --batch-size 8 --bptt 32"):
        BatchLoader(np.arange(300), batch_size=16, bptt=64, end=0)
    BatchLoader(np.arange(300), batch_size=8, bptt=32, end=0)


def test_a_corpus_takes_its_name_from_its_first_text() -> None:
    names = {"a/b.txt": "b", "b.md.gz": "b", "-": "stdin", "a/": "a", "texts/*.txt": "corpus"}
    for path, name in names.items():
        assert texts.name_of([path]) == name


def test_no_more_of_a_text_is_read_than_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = ByteTokenizer()
    paths = []
    for name in ("a", "b"):
        paths.append(tmp_path / name)
        paths[-1].write_text(f"{name} text", encoding="utf-8")
    whole = read_tokens(paths, tokenizer, 100).tolist()
    end = tokenizer.end
    assert whole == [*tokenizer.encode("a text"), end, *tokenizer.encode("b text"), end]
    assert read_tokens(paths, tokenizer, 9).tolist() == whole[:9]
    assert read_beginning(paths[0], 3) == "a t"

    def pieces() -> Iterator[Ids]:
        yield np.arange(5)
        raise AssertionError("more was read than is wanted")

    monkeypatch.setattr("chargen.data.corpus.read_documents", lambda *_: iter([pieces()]))
    assert read_tokens(paths, tokenizer, 5).tolist() == [0, 1, 2, 3, 4]
