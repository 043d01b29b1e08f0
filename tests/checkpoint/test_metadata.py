"""What lies in folders is listed by its config.json alone."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from chargen.checkpoint.metadata import list_checkpoints, newest_checkpoint, read_about
from tests.support.seals import edit_config


def test_the_hashes_are_those_of_the_files(checkpoint: Path) -> None:
    hashes = read_about(checkpoint).sha256
    assert hashes.keys() == {"model.safetensors", "tokenizer.json", "metrics.jsonl"}
    for name, sha256 in hashes.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == sha256


def test_checkpoints_are_listed_newest_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    edit_config(older, lambda config: config.update(saved_at="2001-01-01T00:00:00Z"))
    (tmp_path / "not one").mkdir()
    assert [about.folder for about in list_checkpoints(tmp_path)] == [folder, older]
    assert newest_checkpoint(tmp_path) == folder
    with monkeypatch.context() as patch:
        patch.setattr("chargen.checkpoint.metadata.COMES_WITH_CHARGEN", folder.resolve())
        assert newest_checkpoint(tmp_path) == older, "what came along is no newer than one's own"


def test_a_damaged_checkpoint_is_told_and_not_passed_over(folder: Path) -> None:
    (folder / "config.json").write_text("nonsense", encoding="utf-8")
    assert newest_checkpoint(folder.parent) == folder
