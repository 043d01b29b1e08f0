"""A folder gives back what was put into it, or says what is wrong with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.checkpoint.folder import Checkpoint, load_checkpoint, load_snapshot, save, save_model
from chargen.checkpoint.locate import is_checkpoint, list_checkpoints
from chargen.checkpoint.metadata import FORMAT
from chargen.checkpoint.metrics import load_metrics
from chargen.errors import ChargenError, CheckpointError
from chargen.nn.engine import initial_state
from chargen.nn.numpy_engine import NumpyEngine
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.networks import CELL_NAMES
from tests.support.samples import SMALL
from tests.support.seals import edit_config, edit_training


def without_training(folder: Path) -> Path:
    (folder / "training.safetensors").unlink()
    return folder


def test_the_folder_holds_what_design_promises(checkpoint: Path) -> None:
    assert {path.name for path in checkpoint.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "metrics.jsonl",
        "training.safetensors",
    }
    lines = (checkpoint / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [*range(30, 301, 30)]


def test_a_copied_folder_without_training_state_loads(folder: Path) -> None:
    whole, copy = load_checkpoint(folder), load_checkpoint(without_training(folder))
    one, other = whole.weights.arrays, copy.weights.arrays
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert copy.tokenizer == whole.tokenizer
    assert copy.metadata.corpus.files[0][0] == "tiny.txt"
    with pytest.raises(CheckpointError, match=r"has no training.safetensors.*init_from="):
        load_snapshot(folder)


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_shape_comes_back(tmp_path: Path, corpus_file: Path, cell: str) -> None:
    options = SMALL | {"embedding_size": 48, "tie_weights": True, "num_layers": 2}
    out = tmp_path / cell
    chargen.train(corpus_file, out=out, steps=2, **options | {"cell": cell})
    snapshot, loaded = load_snapshot(out), load_checkpoint(out)
    weights = loaded.weights.arrays
    assert all(np.array_equal(weights[name], snapshot.best[name]) for name in snapshot.best)
    assert "embedding.weight" not in weights, "a tied matrix is written once"
    engine = NumpyEngine(loaded.weights)
    outputs, _ = engine.read(np.array([[1, 2, 3]]), initial_state(engine.config))
    assert np.isfinite(engine.output_logits(outputs[0])).all()


def test_subwords_come_back(tmp_path: Path, corpus_file: Path) -> None:
    chargen.train(
        corpus_file, out=tmp_path / "sub", steps=2, tokenizer="subword", vocab_size=320, **SMALL
    )
    model = chargen.load(tmp_path / "sub")
    assert model.tokenizer.decode(model.tokenizer.encode("The caf\u00e9")) == "The caf\u00e9"
    assert (tmp_path / "sub" / "tokenizer.model").is_file()


def test_the_words_that_open_turns_are_kept(folder: Path, corpus_file: Path) -> None:
    out = folder / "of its own"
    chargen.train(corpus_file, out=out, steps=1, user="Q:", bot="A:", **SMALL)
    options = load_checkpoint(out).metadata.corpus_options
    assert (options.user, options.bot) == ("Q:", "A:")
    with pytest.raises(CheckpointError, match="`user` is Q: in this run and cannot become You:"):
        chargen.train(corpus_file, out=out, resume=True, user="You:")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_folder_of_an_older_format_loads_and_goes_on(folder: Path, number: int) -> None:
    """The same run, as it was written before there was what later formats added."""
    whole = load_checkpoint(folder).metadata
    lines = load_metrics(folder)[1]
    added = [
        (
            2,
            "model",
            (
                "layer_dropout",
                "embedding_dropout",
                "token_dropout",
                "weight_dropout",
                "layer_norm",
                "residual",
            ),
        ),
        (
            2,
            "training",
            (
                "random_bptt",
                "activation_penalty",
                "temporal_penalty",
                "average",
                "precision",
                "patience",
            ),
        ),
        (3, "corpus_options", ("user", "bot")),
    ]

    def as_it_was(config: dict[str, Any]) -> None:
        config["format"] = number
        del config["seal"], config["sha256"]["metrics.jsonl"]
        for since, group, names in added:
            for name in names if since > number else ():
                del config[group][name]

    def training_as_it_was(state: dict[str, Any]) -> None:
        as_it_was(state["config"])
        del state["seal"]
        names = ["norm", "reserve", "evaluation_seconds", "planned_dropout"]
        if number == 1:
            names += [
                "place",
                "check_sum",
                "check_steps",
                "ceiling",
                "rollbacks",
                "good",
                "average_updates",
                "patience_from",
            ]
        for name in names:
            del state["progress"][name]

    def without_a_guard(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if number == 1 and ".good." in name]:
            del tensors[name]

    edit_training(folder, training_as_it_was, without_a_guard)
    edit_config(folder, as_it_was)
    old = load_checkpoint(folder).metadata
    assert old.model == whole.model
    assert old.training == replace(whole.training, precision="float32")
    assert (old.corpus_options.user, old.corpus_options.bot) == ("You:", "Bot:")
    assert load_metrics(folder)[1] == lines

    run = prepare(RunRequest([], out=folder, resume=True, options={"steps": 310}))
    assert run.trainer.epoch == load_snapshot(folder).scores.epochs
    list(run.events())
    assert load_checkpoint(folder).metadata.scores.steps == 310
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["format"] == FORMAT


# -- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped"])
def test_damage_is_told_or_mended_from_the_training_state(
    folder: Path, name: str, damage: str
) -> None:
    expected = load_checkpoint(folder).weights.arrays
    content = (folder / name).read_bytes()
    middle = len(content) // 2
    (folder / name).unlink()
    if damage != "missing":
        flipped = bytes([content[middle] ^ 0x40])
        (folder / name).write_bytes(
            {
                "empty": b"",
                "cut": content[:middle],
                "flipped": content[:middle] + flipped + content[middle + 1 :],
            }[damage]
        )
    if name != "config.json" or damage != "flipped":  # a flip there may hit free text
        mended = load_checkpoint(folder).weights.arrays
        assert all(np.array_equal(mended[name], expected[name]) for name in expected)
        with pytest.raises(CheckpointError):
            load_checkpoint(without_training(folder))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda config: config.update(extra=1), "extra"),
        (lambda config: config.pop("scores"), "scores"),
        (lambda config: config.update(format=99), "a newer version of chargen"),
        (lambda config: config["model"].update(colour="red"), "colour"),
        (lambda config: config["model"].pop("cell"), "cell missing"),
        (lambda config: config["model"].update(hidden_size=-1), "hidden_size must be at least 1"),
        (lambda config: config["model"].update(hidden_size=50), "the wrong shape"),
        (lambda config: config["model"].update(hidden_size="48"), "must be a whole number"),
        (lambda config: config.update(tokenizer="morse"), "unknown tokenizer"),
        (lambda config: config.update(vocab_size=5), "vocab_size"),
        (lambda config: config["sha256"].clear(), "sha256"),
    ],
)
def test_a_wrong_config_names_what_is_wrong(
    folder: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    edit_config(without_training(folder), change)
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(folder)


@pytest.mark.parametrize("damage", ["empty", "cut", "noise"])
def test_a_damaged_training_state_is_reported(folder: Path, damage: str) -> None:
    path = folder / "training.safetensors"
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[:5000], "noise": content[::-1]}[damage])
    with pytest.raises(ChargenError, match=r"training\.safetensors is damaged"):
        load_snapshot(folder)


# -- writing ----------------------------------------------------------------------------------


def test_saving_where_nothing_can_be_written_says_so(folder: Path, tmp_path: Path) -> None:
    snapshot = load_snapshot(folder)
    with pytest.raises(CheckpointError, match="cannot save"):
        save(tmp_path / "not there", snapshot)


def test_saving_what_was_read_changes_nothing(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    save(again, load_snapshot(folder))
    for name in ("model.safetensors", "tokenizer.json", "metrics.jsonl"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


# -- a model that was changed in memory -------------------------------------------------------


def saved(folder: Path, changed: Checkpoint) -> Path:
    save_model(folder, changed.metadata, changed.weights, changed.tokenizer)
    return folder


@pytest.fixture
def changed(request: pytest.FixtureRequest) -> Checkpoint:
    """A model whose weights are no longer those of its folder."""
    source: Path = request.getfixturevalue(getattr(request, "param", "checkpoint"))
    checkpoint = load_checkpoint(source)
    weights = checkpoint.weights
    arrays = {name: array * array.dtype.type(0.9) for name, array in weights.arrays.items()}
    return replace(checkpoint, weights=replace(weights, arrays=arrays))


@pytest.mark.parametrize("changed", ["checkpoint", "subword_checkpoint"], indirect=True)
def test_a_changed_model_comes_back_from_a_new_folder(changed: Checkpoint, tmp_path: Path) -> None:
    out = saved(tmp_path / "checkpoints" / "new", changed)
    loaded = load_checkpoint(out)
    found, expected = loaded.weights.arrays, changed.weights.arrays
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert loaded.tokenizer == changed.tokenizer
    [about] = list_checkpoints(out.parent)
    assert about == loaded.metadata
    assert about.sha256 != changed.metadata.sha256
    before, after = changed.metadata.facts(), about.facts()
    for name in ("model", "corpus_options", "training", "corpus"):
        assert after[name] == before[name]
    for name in ("steps", "epochs", "seconds"):
        assert after["scores"][name] == before["scores"][name]
    assert about.scores.valid_loss is about.scores.bits_per_byte is None
    with pytest.raises(CheckpointError, match=r"has no training\.safetensors"):
        load_snapshot(out)
    again = tmp_path / "again"
    save_model(again, about, loaded.weights, loaded.tokenizer, changed.metadata.scores)
    assert load_checkpoint(again).metadata.scores == changed.metadata.scores


def test_a_changed_model_is_not_written_over_another(changed: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(CheckpointError, match=f"{name} exists; name a new folder"):
            saved(tmp_path / name, changed)
    assert (tmp_path / "file").read_text() == "mine"
    assert not list((tmp_path / "folder").iterdir())
    with pytest.raises(CheckpointError, match="cannot create the folder"):
        saved(tmp_path / "file" / "new", changed)


def test_half_a_model_is_no_checkpoint(
    changed: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, moves = tmp_path / "new", []

    def full(source: Path, target: Path) -> None:
        assert not is_checkpoint(out)
        moves.append(target.name)
        if target.name == "config.json":
            raise OSError(28, "No space left on device")
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CheckpointError, match=r"cannot save to .*: No space"):
        saved(out, changed)
    assert moves == ["model.safetensors", "tokenizer.json", "metrics.jsonl", "config.json"]
    assert not list(tmp_path.iterdir())
