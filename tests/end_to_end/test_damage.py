"""No damaged checkpoint is believed: it is reported, or mended from its training state,
unchanged."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.locate import list_checkpoints
from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.checkpoint.metrics import load_metrics
from chargen.checkpoint.recent import default_checkpoint
from chargen.errors import ChargenError
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.mutations import damage, forge, weights_say_else
from tests.support.samples import SMALL
from tests.support.seals import edit_config, edit_training
from tests.training.test_trainer import equal

MUTATIONS = 300  # for each of eight seeds


@pytest.fixture(params=["checkpoint", "subword_checkpoint"])
def source(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


def copied(source: Path, folder: Path, draw: random.Random) -> Path:
    """A copy in place of the last one, every other time without its training state."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    if draw.random() < 0.5:
        (folder / "training.safetensors").unlink()
    return folder


def said(about: CheckpointMetadata) -> CheckpointMetadata:
    """What it says, wherever it lies and however much beside it."""
    return replace(about, folder=Path(), bytes=0)


@pytest.mark.parametrize("seed", range(4))
def test_what_an_accident_changed_is_not_believed(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(f"{seed} {source.name}")
    whole, lines = load_checkpoint(source), load_metrics(source)[1]
    run = load_snapshot(source)
    told = 0
    for _ in range(MUTATIONS):
        folder = copied(source, tmp_path / "checkpoints" / "one", draw)
        what = damage(folder, draw)
        try:
            found = load_checkpoint(folder)
        except ChargenError as error:
            told += 1
            assert "\n" not in str(error), what
        else:
            assert said(found.metadata) == said(whole.metadata), what
            assert equal(found.weights.arrays, whole.weights.arrays), what
            assert found.tokenizer == whole.tokenizer, what
        with suppress(ChargenError):
            snapshot = load_snapshot(folder)
            assert equal(snapshot.weights, run.weights), what
            assert equal(snapshot.learner, run.learner), what
            assert snapshot.progress == run.progress, what
        with suppress(ChargenError):
            assert load_metrics(folder)[1] == lines, what
        assert [said(about) for about in list_checkpoints()] in ([], [said(whole.metadata)])
        with suppress(ChargenError):
            default_checkpoint()
    assert MUTATIONS / 4 < told < MUTATIONS


@pytest.mark.parametrize("seed", range(4))
def test_what_was_forged_is_told_or_works(source: Path, tmp_path: Path, seed: int) -> None:
    """The seals are right, so what cannot be must be seen in itself."""
    draw = random.Random(f"{seed} {source.name}")
    told = 0
    for _ in range(MUTATIONS // 2):
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        folder = Path(shutil.copytree(source, tmp_path / "one"))
        forge(folder, draw)
        try:
            model = chargen.load(folder)
            model.generate("The caf\u00e9 \u6f22", max_tokens=3, seed=1)
            model.generate("The", max_tokens=3, beams=2)
            model.choose("The", [" sky", " caf\u00e9"])
        except ChargenError as error:
            told += 1
            assert "\n" not in str(error)
        with suppress(ChargenError):
            load_metrics(folder)
        list_checkpoints(tmp_path)
        if draw.random() < 0.2:
            with suppress(ChargenError):
                list(
                    prepare(
                        RunRequest([], out=folder, resume=True, options={"steps": 301})
                    ).events()
                )
    assert MUTATIONS / 8 < told < MUTATIONS // 2


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_no_packed_model_is_believed_more(checkpoint: Path, tmp_path: Path, weights: Any) -> None:
    """The same of matrices in fewer bits, which have no training state to be mended from."""
    draw = random.Random(weights)
    source = chargen.export_checkpoint(checkpoint, tmp_path / "source", weights=weights)
    whole = load_checkpoint(source)
    told = 0
    for turn in range(MUTATIONS):
        shutil.rmtree(tmp_path / "one", ignore_errors=True)
        folder = Path(shutil.copytree(source, tmp_path / "one"))
        is_forged = turn % 2 == 0
        what = (weights_say_else if is_forged else damage)(folder, draw)
        try:
            found = chargen.load(folder)
            found.generate("The", max_tokens=3, seed=1)
        except ChargenError as error:
            told += 1
            assert "\n" not in str(error), what
        else:
            assert is_forged or equal(found.weights.arrays, whole.weights.arrays), what
    assert MUTATIONS / 4 < told < MUTATIONS


def test_a_folder_that_is_all_links_is_one(source: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for path in source.iterdir():
        (tmp_path / "one" / path.name).symlink_to(path)
    assert chargen.load(tmp_path / "one")


@pytest.mark.parametrize("place", ["/dev/zero", "pipe", ".", "pip[e]", "/dev/zer[o]", "/**", "-"])
def test_a_state_cannot_make_us_read_what_is_no_file(
    tmp_path: Path, corpus_file: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    options: dict[str, Any] = SMALL | {"steps": 2}
    list(prepare(RunRequest([corpus_file], out="run", options=options)).events())
    edit_training(Path("run"), lambda state: state.update(paths=[place]))
    with pytest.raises(ChargenError, match=r"cannot be read again: .*; name it"):
        prepare(RunRequest([], out="run", resume=True, options={"steps": 3}))


def test_memory_is_not_taken_on_a_files_word(tmp_path: Path, source: Path) -> None:
    """A shape of terabytes in config.json, its seal and hashes right."""
    folder = Path(shutil.copytree(source, tmp_path / "one"))
    (folder / "training.safetensors").unlink()
    edit_config(folder, lambda config: config["model"].update(hidden_size=65536, num_layers=64))
    with pytest.raises(ChargenError, match="the wrong shape"):
        chargen.load(folder)
