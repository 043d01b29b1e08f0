"""Texts become the same tokens, however many parts and processes they are encoded in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chargen.config import CorpusConfig
from chargen.data import encoding
from chargen.data.cache import cache_folder
from chargen.data.corpus import open_corpus
from chargen.data.splits import SPLITS
from chargen.runtime import workers as processes


@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
@pytest.mark.parametrize("tokenizer", ["char", "byte", "subword", "word"])
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
    monkeypatch.setattr(encoding, "PART_BYTES", 1 << 30)
    monkeypatch.setenv("XDG_CACHE_HOME", str(many.parent / "whole"))
    whole = open_corpus([many], config)
    assert whole.tokenizer == shared_out.tokenizer
    for split in SPLITS:
        assert np.array_equal(getattr(whole, split)[:], getattr(shared_out, split)[:])
    assert np.array_equal(whole.counts, shared_out.counts)
    assert np.array_equal(
        np.bincount(whole.train[:], minlength=whole.tokenizer.vocab_size), whole.counts
    )


def test_a_text_of_many_parts_has_no_more_shards_than_can_be_held_open(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "MAX_PARTS", 4)
    open_corpus([many], CorpusConfig(tokenizer="byte"))
    assert 4 <= len(list(cache_folder().glob("tokens-*/*.bin"))) <= 4 + 3
