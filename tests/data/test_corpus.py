"""A corpus is found again in the cache, and made again where its files are damaged."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chargen.data import corpus as corpus_module
from chargen.data.cache import cache_folder
from chargen.data.corpus import open_corpus
from tests.support.texts import BYTES, WHOLE, write


def test_a_second_run_reads_what_the_first_one_wrote(
    corpus_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_corpus([corpus_file], WHOLE)
    monkeypatch.setattr(corpus_module, "write_tokens", None)  # calling it would fail
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
