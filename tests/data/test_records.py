"""Documents that a reader finds are split, shuffled and encoded whole, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.config import CorpusConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.data.reading import read_beginning, read_documents
from chargen.formats import kinds
from chargen.formats.content import Content
from chargen.formats.documents import Dialogue, Document, Remark
from chargen.formats.kinds import Kind
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.texts import WHOLE, spell, write

BETWEEN = "\x1f"


def read_pieces(content: Content, config: CorpusConfig) -> Iterator[Document]:
    with content.text() as text:
        yield from text.read().removeprefix("pieces:").split(BETWEEN)
    yield Remark("said last")


def read_turns(content: Content, config: CorpusConfig) -> Iterator[Document]:
    yield Dialogue((("system", "Be kind."), ("user", "a\n\nb"), ("bot", "c"), ("bot", "d")))
    yield Dialogue((("user", "e"), ("bot", "f")))


@pytest.fixture(autouse=True)
def readers(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = Kind("csv", "Pieces", lambda head: head.text.startswith("pieces:"), read_pieces, "bit")
    turns = Kind("jsonl", "Turns", lambda head: head.text.startswith("turns:"), read_turns)
    monkeypatch.setattr(kinds, "KINDS", (pieces, turns))


def found(corpus: Corpus) -> list[list[str]]:
    return [spell(corpus, split) for split in (corpus.train, corpus.valid, corpus.test)]


@pytest.mark.parametrize("newlines", ["keep", "lf"])
@settings(max_examples=15)
@given(records=st.lists(st.text("ab \n\ré漢🍓").filter(str.strip), min_size=1, max_size=40))
def test_records_stay_whole(
    newlines: str, records: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("records"), "a.x", "pieces:" + BETWEEN.join(records))
    corpus = open_corpus([path], CorpusConfig(newlines=newlines))
    lf = [text.replace("\r\n", "\n").replace("\r", "\n") for text in records]
    splits = found(corpus)
    spelled = sorted(document for split in splits for document in split)
    # Where there are too few, they are cut by position.
    assert sorted("".join(spelled)) == sorted("".join(lf if newlines == "lf" else records))
    count = f"{len(records)} bits, " if len(records) > 1 else ""
    assert corpus.notes == (f"a.x: Pieces, {count}said last",)


@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword"])
def test_many_records_and_a_file_beside_them(tmp_path: Path, tokenizer: str) -> None:
    records = [f"record {n}\nof é 漢 {n % 7}\r" + "\n" * (n % 3) for n in range(200)]
    paths = [write(tmp_path, "a.x", "pieces:" + BETWEEN.join(records))]
    paths.append(write(tmp_path, "b.txt", "a text beside them\n" * 30))
    once, again, other = (
        open_corpus(paths, CorpusConfig(tokenizer=tokenizer, vocab_size=300), seed=seed)
        for seed in (1, 1, 2)
    )
    splits = found(once)
    assert splits == found(again) != found(other)
    spelled = [document for split in splits for document in split]
    assert sorted(d for d in spelled if d.startswith("record")) == sorted(records)
    text = "".join(document for document in spelled if not document.startswith("record"))
    assert text == "a text beside them\n" * 30
    assert [len(split) for split in splits] == pytest.approx([180, 11, 11], abs=3)


def test_records_are_lines_where_lines_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "a.x", "pieces:" + BETWEEN.join(["a\nb", "c", "d"]))
    corpus = open_corpus([path], CorpusConfig(documents="line", valid_fraction=0, test_fraction=0))
    assert sorted(spell(corpus, corpus.train)) == ["a", "b", "c", "d"]


def test_a_dialogue_is_written_as_in_a_chat(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", "turns:")
    config = CorpusConfig(user="Q:", valid_fraction=0, test_fraction=0)
    corpus = open_corpus([path], config)
    assert sorted(spell(corpus, corpus.train)) == [
        "Be kind.\nQ: a\nb\nBot: c\nd", "Q: e\nBot: f",
    ]  # fmt: skip
    assert corpus.config == replace(config, loss="turns")


def test_each_record_is_read_by_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "a.x", "pieces:" + BETWEEN.join(["one", "two\n", "three"]))
    tokenizer = ByteTokenizer()
    texts = [
        tokenizer.decode(token for part in parts for token in part.tokens.tolist())
        for parts in read_documents([path], tokenizer, WHOLE)
    ]
    assert texts == ["one", "two\n", "three"]
    assert read_beginning(path, 6, WHOLE) == "one\ntw"


def test_a_half_character_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
        yield "a\ud83c\udf53b\ud800"

    monkeypatch.setattr(kinds, "KINDS", (Kind("json", "Halves", lambda head: True, read),))
    corpus = open_corpus([write(tmp_path, "a.json", "{}")], WHOLE)
    assert spell(corpus, corpus.train) == ["a🍓b\ufffd"]
