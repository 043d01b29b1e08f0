"""A checkpoint in fewer bits: what loads is what was rounded, and nothing else is another."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chargen
from chargen.checkpoint.archive import pack, unpack
from chargen.checkpoint.card import MARK
from chargen.checkpoint.filing import set_sampling
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.metadata import FORMAT, read_metadata
from chargen.checkpoint.metrics import load_metrics
from chargen.config import SamplingDefaults
from chargen.errors import ChargenError, CheckpointError, ConfigError, OutputError
from chargen.export import measurements
from chargen.export.checkpoint import export_checkpoint
from chargen.export.html import EXPORT, page_of
from chargen.export.measurements import Measurements
from chargen.generation.generator import TextGenerator
from chargen.nn.packing import rounded
from chargen.server.page_files import file_sizes, open_file
from tests.support.pages import ParsedPage
from tests.support.samples import SMALL
from tests.support.seals import edit_config, edit_training

fewer = pytest.mark.parametrize("weights", ["float16", "int8"])


def config_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content


def same_weights(one: chargen.TextGenerator, other: chargen.TextGenerator) -> bool:
    left, right = one.weights.arrays, other.weights.arrays
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name])
        for name in left
    )


# -- what is in it ----------------------------------------------------------------------------


@fewer
@pytest.mark.parametrize("source", ["checkpoint", "subword_checkpoint", "word_checkpoint"])
def test_what_loads_is_the_rounded_model(
    request: pytest.FixtureRequest, source: str, tmp_path: Path, weights: Any
) -> None:
    whole = chargen.load(request.getfixturevalue(source))
    few = chargen.load(export_checkpoint(whole, tmp_path / "few", weights=weights))
    expected = TextGenerator(rounded(whole.weights, weights), whole.tokenizer, whole.metadata)
    assert same_weights(few, expected)
    assert few.tokenizer == whole.tokenizer
    one, other = (model.generate("The", max_tokens=30, seed=1) for model in (few, expected))
    assert (one.text, one.tokens) == (other.text, other.tokens)


@fewer
def test_all_else_that_is_said_of_the_model_stays(
    checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    out = export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    assert out == tmp_path / "few"
    assert {path.name for path in out.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "metrics.jsonl",
    }  # fmt: skip
    before, after = config_in(checkpoint), config_in(out)
    assert (after["format"], after["weights"]) == (FORMAT, weights)
    assert before["format"] == FORMAT and "weights" not in before
    differing = {"format", "weights", "sha256", "seal"}
    assert {n: v for n, v in after.items() if n not in differing} == {
        n: v for n, v in before.items() if n not in differing
    }
    assert load_metrics(out)[1] == load_metrics(checkpoint)[1]
    for name in ("metrics.jsonl", "tokenizer.json"):
        assert (out / name).read_bytes() == (checkpoint / name).read_bytes()
    sizes = [(at / "model.safetensors").stat().st_size for at in (checkpoint, out)]
    assert sizes[1] / sizes[0] < {"float16": 0.6, "int8": 0.4}[weights]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"parameters in {weights} |" in card and "# few\n" in card
    assert f"by the weights before they were rounded to {weights}:" in card


def test_without_a_precision_it_is_as_it_was_but_for_the_training(
    checkpoint: Path, tmp_path: Path
) -> None:
    out = export_checkpoint(checkpoint, tmp_path / checkpoint.name)
    names = {path.name for path in checkpoint.iterdir()} - {"training.safetensors"}
    assert {path.name for path in out.iterdir()} == names
    assert all((out / name).read_bytes() == (checkpoint / name).read_bytes() for name in names)


@fewer
def test_what_was_rounded_once_is_copied_to_the_bit(
    checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    one = export_checkpoint(checkpoint, tmp_path / "one" / "few", weights=weights)
    two = export_checkpoint(one, tmp_path / "two" / "few")
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }
    back = export_checkpoint(one, tmp_path / "back", weights="float32")
    assert read_metadata(back).weights == "float32"
    assert same_weights(chargen.load(back), chargen.load(one))


def test_the_card_that_somebody_wrote_comes_along(folder: Path, tmp_path: Path) -> None:
    (folder / "README.md").write_text("Mine alone.", encoding="utf-8")
    out = export_checkpoint(folder, tmp_path / "few", weights="int8")
    assert (out / "README.md").read_text(encoding="utf-8") == "Mine alone."
    (folder / "README.md").unlink()
    out = export_checkpoint(folder, tmp_path / "few", weights="int8", overwrite=True)
    assert MARK in (out / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("has_training", [True, False])
def test_a_model_without_its_evaluations_can_be_written(
    folder: Path, tmp_path: Path, has_training: bool
) -> None:
    expected = load_metrics(folder)[1] if has_training else []
    (folder / "metrics.jsonl").write_bytes(b"cut off")
    if not has_training:
        (folder / "training.safetensors").unlink()
    out = export_checkpoint(folder, tmp_path / "few", weights="float16")
    assert load_metrics(out)[1] == expected


# -- what can be done with it -----------------------------------------------------------------


@fewer
def test_it_has_no_training_to_resume_but_another_can_begin_with_it(
    checkpoint: Path, corpus_file: Path, tmp_path: Path, weights: Any
) -> None:
    few = export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    with pytest.raises(CheckpointError, match=r"has no training\.safetensors.*init_from="):
        chargen.train(corpus_file, out=few, resume=True)
    out = tmp_path / "more"
    options = {name: SMALL[name] for name in SMALL if name in ("batch_size", "bptt", "warmup")}
    chargen.train(corpus_file, out=out, init_from=few, steps=1, learning_rate=1e-9, **options)
    assert config_in(out)["format"] == FORMAT
    found, expected = chargen.load(out).weights.arrays, chargen.load(few).weights.arrays
    assert all(np.allclose(found[name], expected[name], atol=1e-6) for name in expected)
    assert load_snapshot(out).fine_tuned is not None


@fewer
def test_it_is_packed_and_changed_as_any_other(
    checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    few = export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    set_sampling(few, SamplingDefaults(temperature=0.5))
    assert read_metadata(few).weights == weights
    pack(few, tmp_path / "few.zip")
    unpack(tmp_path / "few.zip", tmp_path / "there" / "few")
    there = tmp_path / "there" / "few"
    assert read_metadata(there) == replace(read_metadata(few), folder=there)
    assert same_weights(chargen.load(there), chargen.load(few))


@fewer
def test_what_was_learned_since_is_kept_in_all_its_bits(
    checkpoint: Path, tmp_path: Path, weights: Any
) -> None:
    session = chargen.Session(export_checkpoint(checkpoint, tmp_path / "few", weights=weights))
    session.learn(True)
    for _ in session.answer("The weather is fine. " * 5):
        pass
    assert session.has_learned
    session.save_model(tmp_path / "learned")
    assert read_metadata(tmp_path / "learned").weights == "float32"
    assert same_weights(chargen.load(tmp_path / "learned"), session.generator)


@fewer
def test_a_page_has_the_weights_as_they_are_stored(
    checkpoint: Path, tmp_path: Path, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "MAX_PARAMETERS", 0)
    few = export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    model = chargen.load(few)
    stored = (few / "model.safetensors").read_bytes()
    served = {}
    for name in file_sizes(few):
        with open_file(few, name) as found:
            assert found is not None
            served[name] = found.file.read()
    assert served["model.safetensors"] == stored
    assert json.loads(served["config.json"]) == config_in(few)
    target = chargen.export_html(model, tmp_path / "few.html")
    files = ParsedPage(target.read_text(encoding="utf-8")).files
    assert files["model.safetensors"] == stored
    assert json.loads(files[EXPORT])["weights"] == weights
    whole = page_of(model, read_metadata(few), Measurements([], None), weights="float32")
    files = ParsedPage(whole.decode()).files
    assert json.loads(files["config.json"])["format"] == FORMAT
    assert len(files["model.safetensors"]) > len(stored)


# -- what is refused --------------------------------------------------------------------------


@fewer
@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("float32", "the wrong shape"),
        ("int4", "weights must be one of float32, float16, int8"),
        (None, "config.json is damaged"),
        (16, "config.json is damaged"),
        ("other", "the wrong shape"),
    ],
)
def test_a_config_that_says_another_precision_is_not_believed(
    checkpoint: Path, tmp_path: Path, weights: Any, said: Any, says: str
) -> None:
    few = export_checkpoint(checkpoint, tmp_path / "few", weights=weights)
    other = {"float16": "int8", "int8": "float16"}[weights]
    edit_config(few, lambda config: config.update(weights=other if said == "other" else said))
    with pytest.raises(CheckpointError, match=says):
        load_checkpoint(few)


def test_a_file_larger_than_such_weights_is_not_read(checkpoint: Path, tmp_path: Path) -> None:
    few = export_checkpoint(checkpoint, tmp_path / "few", weights="int8")
    path = few / "model.safetensors"
    os.truncate(path, 20_000_000_000)
    with pytest.raises(CheckpointError, match=r"cannot read .*model\.safetensors"):
        load_checkpoint(few)


def test_a_training_state_is_in_float32_whatever_it_says(folder: Path) -> None:
    edit_training(folder, lambda state: state["config"].update(weights="float16", format=FORMAT))
    with pytest.raises(CheckpointError, match="it says that its weights are float16"):
        load_snapshot(folder)


def test_what_float16_does_not_hold_is_not_written(checkpoint: Path, tmp_path: Path) -> None:
    whole = chargen.load(checkpoint)
    large = {name: array * 1e6 if array.ndim > 1 else array
             for name, array in whole.weights.arrays.items()}  # fmt: skip
    model = TextGenerator(replace(whole.weights, arrays=large), whole.tokenizer, whole.metadata)
    with pytest.raises(CheckpointError, match=r"float16 does not: .*weights='int8'"):
        export_checkpoint(model, tmp_path / "few", weights="float16")
    assert not list(tmp_path.iterdir())


# -- where it is written ----------------------------------------------------------------------


def test_it_is_called_as_the_checkpoint_and_its_precision(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_checkpoint(checkpoint, weights="int8") == Path("checkpoints", "tiny-int8")
    assert export_checkpoint(checkpoint) == Path("checkpoints", "tiny-float32")
    assert chargen.load("tiny-int8").metadata is not None
    assert sorted(os.listdir("checkpoints")) == ["tiny-float32", "tiny-int8"]


def test_nothing_is_replaced_unasked_and_nothing_but_a_checkpoint(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "few"
    export_checkpoint(checkpoint, out, weights="int8")
    with pytest.raises(OutputError, match="few exists; replace it, with overwrite=True"):
        export_checkpoint(checkpoint, out, weights="float16")
    assert read_metadata(out).weights == "int8"
    export_checkpoint(checkpoint, out, weights="float16", overwrite=True)
    assert read_metadata(out).weights == "float16"
    (out / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"also holds notes\.txt"):
        export_checkpoint(checkpoint, out, overwrite=True)
    for name in ("file", "folder"):
        path = tmp_path / name
        path.write_text("mine") if name == "file" else path.mkdir()
        with pytest.raises(OutputError, match=f"{name} exists, and is not a checkpoint"):
            export_checkpoint(checkpoint, path, overwrite=True)
    with pytest.raises(CheckpointError, match="cannot write"):
        export_checkpoint(checkpoint, tmp_path / "file" / "few")
    for inside in (folder, folder / "few"):
        with pytest.raises(OutputError, match="is what is exported, or lies in it"):
            export_checkpoint(folder, inside, overwrite=True)
    with pytest.raises(ConfigError, match="weights must be one of"):
        export_checkpoint(checkpoint, tmp_path / "no", weights="int4")  # type: ignore[arg-type]
    assert sorted(os.listdir(tmp_path)) == ["few", "file", "folder", folder.name]
    assert read_metadata(out).weights == "float16"


def test_where_it_cannot_be_written_what_was_there_stays(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = export_checkpoint(checkpoint, tmp_path / "few", weights="int8")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chargen.export.checkpoint.write_file", full)
    with pytest.raises(ChargenError, match=r"cannot write .*few: No space left"):
        export_checkpoint(checkpoint, out, weights="float16", overwrite=True)
    assert os.listdir(tmp_path) == ["few"]
    assert chargen.load(out).metadata is not None
    shutil.rmtree(out)
