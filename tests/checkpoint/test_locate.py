"""Models are found by their folders, and listed by their config.json alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.locate import list_checkpoints, newest_checkpoint
from chargen.errors import CheckpointError
from tests.support.seals import edit_config


def test_checkpoints_are_listed_newest_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    edit_config(older, lambda config: config.update(saved_at="2001-01-01T00:00:00Z"))
    (tmp_path / "not one").mkdir()
    assert [metadata.folder for metadata in list_checkpoints(tmp_path)] == [folder, older]
    assert newest_checkpoint(tmp_path) == folder
    with monkeypatch.context() as patch:
        patch.setattr("chargen.checkpoint.locate.BUNDLED", folder.resolve())
        assert newest_checkpoint(tmp_path) == older, "what came along is no newer than one's own"


def test_a_damaged_checkpoint_is_told_and_not_passed_over(folder: Path) -> None:
    (folder / "config.json").write_text("nonsense", encoding="utf-8")
    assert newest_checkpoint(folder.parent) == folder


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such checkpoint"),
        (lambda path: path.write_text("x"), "is a file, not a checkpoint"),
        (lambda path: path.mkdir(), "has no config.json"),
    ],
)
def test_what_is_no_checkpoint_is_refused(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / "it")
    with pytest.raises(CheckpointError, match=says):
        chargen.load(tmp_path / "it")
