"""Models are found by their folders, and listed by their config.json alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED_MODELS, list_checkpoints, require_checkpoint
from chargen.errors import CheckpointError
from tests.support.seals import edit_config


def test_checkpoints_are_listed_newest_first(folder: Path, tmp_path: Path) -> None:
    older = Path(shutil.copytree(folder, tmp_path / "older"))
    edit_config(older, lambda config: config.update(saved_at="2001-01-01T00:00:00Z"))
    (tmp_path / "not one").mkdir()
    assert [metadata.folder for metadata in list_checkpoints(tmp_path)] == [folder, older]


def test_a_name_is_that_of_a_folder_below_checkpoints(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    below = tmp_path / "checkpoints"
    below.mkdir()
    for name in ("tales", "everyday"):
        shutil.copytree(folder, below / name)
    assert require_checkpoint("tales") == Path("checkpoints/tales")
    assert require_checkpoint("everyday").resolve() == below / "everyday", "it comes first"
    (tmp_path / "tales").mkdir()
    assert require_checkpoint("tales") == Path("checkpoints/tales"), "a folder of other things"
    shutil.copytree(folder, tmp_path / "tales", dirs_exist_ok=True)
    assert require_checkpoint("tales") == Path("tales"), "a path comes first of all"
    for no_name in (below / "tales" / "tales", "./tales/tales", "..", "moved"):
        with pytest.raises(CheckpointError):
            require_checkpoint(no_name)


@pytest.mark.parametrize("bundled", BUNDLED_MODELS, ids=lambda folder: folder.name)
def test_a_bundled_model_is_known_by_its_name_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundled: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert require_checkpoint(bundled.name) == bundled
    assert chargen.load(bundled.name).generate("The", max_tokens=1, temperature=0).text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tals", "did you mean tales? checkpoints: tales, "),
        ("checkpoints/taels", "did you mean tales? checkpoints: tales, "),
        ("zz", "zz; checkpoints: "),
    ],
)
def test_a_name_that_nothing_has_is_answered_by_those_that_there_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for other in ("tales", "poems"):
        shutil.copytree(folder, tmp_path / "checkpoints" / other)
    with pytest.raises(CheckpointError) as refused:
        chargen.load(name)
    assert says in str(refused.value)
    assert all(other in str(refused.value) for other in ("tales", "poems", "everyday", "facts"))


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
