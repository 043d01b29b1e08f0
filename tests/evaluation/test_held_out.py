"""A checkpoint's own text is found where it was or by its name, and known by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.folder import load_checkpoint
from chargen.checkpoint.metadata import read_metadata
from chargen.errors import CorpusError
from chargen.evaluation.held_out import check_same_text, find_origin, held_out_text, held_out_tokens
from tests.support.samples import TEXT


def test_a_text_is_found_where_the_run_read_it(checkpoint: Path, corpus_file: Path) -> None:
    assert find_origin(read_metadata(checkpoint)) == [corpus_file]


def test_else_by_its_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "training.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match=r"the training text was not found: tiny.txt.*text=..."):
        find_origin(read_metadata(folder))
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "tiny.txt").write_text(TEXT, encoding="utf-8")
    assert find_origin(read_metadata(folder)) == [Path("corpora/tiny.txt")]
    (tmp_path / "tiny.txt").mkdir()  # no text
    assert find_origin(read_metadata(folder)) == [Path("corpora/tiny.txt")]


def test_another_text_of_that_name_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "training.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.txt").write_text(TEXT + "more", encoding="utf-8")
    loaded = load_checkpoint(folder)
    with pytest.raises(CorpusError, match=r"tiny.txt is not the text that .* was trained on"):
        held_out_text(loaded.metadata, 1, 10)
    about = loaded.metadata
    check_same_text(about, [("renamed", size, sha256) for _, size, sha256 in about.corpus.files])


def test_lines_that_are_documents_stay_lines(corpus_file: Path, tmp_path: Path) -> None:
    chargen.train(
        corpus_file, out=tmp_path / "lines", documents="line", steps=1, hidden_size=8, batch_size=2
    )
    text, _ = held_out_text(read_metadata(tmp_path / "lines"), 1, 100_000)
    assert len(text.splitlines()) > 3
    assert set(text.splitlines()) <= set(TEXT.splitlines())


def test_what_it_did_not_train_on_is_taken_first(checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    about, tokenizer = loaded.metadata, loaded.tokenizer
    tokens, name = held_out_tokens(about, tokenizer, 1, 10_000)
    text, name_of_text = held_out_text(about, 1, 10_000)
    assert name == name_of_text == "valid"  # nothing of it was kept for a test
    assert TEXT.endswith(text) and tokenizer.decode(tokens.tolist()) == text
    assert held_out_text(about, 1, 7) == (text[:7], "valid")
    tokens, name = held_out_tokens(about, tokenizer, 2 * len(tokens), 10_000)
    assert name == held_out_text(about, 2 * len(text), 10_000)[1] == "train"
    assert tokenizer.decode(tokens.tolist()).startswith(TEXT[:100])
    with pytest.raises(CorpusError, match=r"more than [\d,]+ tokens, and 1,000,000 are needed"):
        held_out_tokens(about, tokenizer, 1_000_000, 10_000)
    with pytest.raises(CorpusError, match=r"more than [\d,]+ characters, and 1,000,000 are needed"):
        held_out_text(about, 1_000_000, 1_000_000)
