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
