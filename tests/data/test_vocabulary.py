"""A tokenizer is learned from the training split alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chargen.config import CorpusConfig
from chargen.data import sources, splits, vocabulary
from chargen.data.corpus import open_corpus
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from tests.support.texts import WHOLE, write


def test_the_vocabulary_knows_the_training_split_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "éé" * 50 + "漢漢" * 10)
    corpus = open_corpus([path], CorpusConfig(valid_fraction=0.3, test_fraction=0))
    assert corpus.tokenizer.decode([257]) == "é"
    assert corpus.tokenizer.vocab_size == 258


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
    for module in (sources, splits):
        monkeypatch.setattr(module, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(vocabulary, "SAMPLE_BYTES", 6_000)
    monkeypatch.setattr(vocabulary, "_readable_size", lambda number: f"{number:.0f} B")
    size = many.stat().st_size
    told.clear()
    again = replace(config, vocab_size=310)
    open_corpus([many], again, on_progress=lambda doing, share: told.update({doing: None}))
    every = -(-size // 6_000)
    assert list(told)[1] == f"learning the vocabulary from {size / every:.0f} B of {size} B"
    assert learnt_from == [pytest.approx(size / every, rel=0.02)]


def test_a_tokenizer_is_extended_by_what_stands_twice_in_the_training_split(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "a.txt", "aéé漢漢Ω" * 20 + "ßß" * 10)
    known = CharTokenizer("é")
    config = CorpusConfig(valid_fraction=0.2, test_fraction=0)
    corpus = open_corpus([path], config, tokenizer=known, extend=True)
    assert isinstance(corpus.tokenizer, CharTokenizer)
    assert corpus.tokenizer.characters == "éΩ漢", "those of before first, and none of the held-out"
    assert corpus.tokenizer.encode("aé") == known.encode("aé")
    again = open_corpus([path], config, tokenizer=corpus.tokenizer)
    assert (
        again.tokenizer == corpus.tokenizer and again.train[:].tolist() == corpus.train[:].tolist()
    )


@pytest.mark.parametrize("tokenizer", [CharTokenizer("é漢"), ByteTokenizer()], ids=repr)
def test_a_tokenizer_that_knows_all_or_has_no_room_stays(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    path = write(tmp_path, "a.txt", "aéé漢漢" * 20)
    assert open_corpus([path], WHOLE, tokenizer=tokenizer, extend=True).tokenizer == tokenizer
