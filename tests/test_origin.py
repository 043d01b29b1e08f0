"""A checkpoint's own text is found where it was or by its name, and known by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.about import read_about
from chargen.checkpoint import load_checkpoint
from chargen.errors import CorpusError
from chargen.origin import find_origin, held_out, refuse_others
from tests.conftest import TEXT


def test_a_text_is_found_where_the_run_read_it(checkpoint: Path, corpus_file: Path) -> None:
    assert find_origin(read_about(checkpoint)) == [corpus_file]


def test_else_by_its_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "training.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match=r"the training text is not here: tiny.txt.*--text"):
        find_origin(read_about(folder))
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "tiny.txt").write_text(TEXT, encoding="utf-8")
    assert find_origin(read_about(folder)) == [Path("corpora/tiny.txt")]
    (tmp_path / "tiny.txt").mkdir()  # no text
    assert find_origin(read_about(folder)) == [Path("corpora/tiny.txt")]


def test_another_text_of_that_name_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "training.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.txt").write_text(TEXT + "more", encoding="utf-8")
    loaded = load_checkpoint(folder)
    with pytest.raises(CorpusError, match=r"tiny.txt is not the text that .* was trained on"):
        held_out(loaded.about, loaded.tokenizer, 1)
    about = loaded.about
    refuse_others(about, [("renamed", size, sha256) for _, size, sha256 in about.corpus.files])


def test_what_it_did_not_train_on_is_taken_first(checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    about, tokenizer = loaded.about, loaded.tokenizer
    found = held_out(about, tokenizer, 1)
    assert found.name == "valid"  # nothing of it was kept for a test
    seen = held_out(about, tokenizer, 2 * len(found.tokens))
    assert seen.name == "train"
    assert tokenizer.decode(seen.tokens.tolist()).startswith(TEXT[:100])
    assert TEXT.endswith(tokenizer.decode(found.tokens.tolist()))
    with pytest.raises(CorpusError, match=r"holds [\d,]+ tokens, and 1,000,000 are needed"):
        held_out(about, tokenizer, 1_000_000)
