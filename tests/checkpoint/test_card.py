"""A checkpoint describes itself to people; nothing that reads it depends on that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.checkpoint.archive import pack, unpack
from chargen.checkpoint.card import MARK, card_of, refresh_card
from chargen.checkpoint.filing import copy, move, remove, set_sampling
from chargen.checkpoint.folder import is_complete, load_checkpoint
from chargen.checkpoint.locate import BUNDLED_MODELS
from chargen.checkpoint.metadata import CorpusFacts, Scores, read_metadata
from chargen.config import SamplingDefaults
from chargen.training.request import RunRequest
from chargen.training.train import prepare
from tests.support.command import Chargen


def card(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def title(folder: Path) -> str:
    return next(
        line for line in card(folder).splitlines() if line.startswith("# ") and line != MARK
    )


def resume(folder: Path) -> None:
    steps = read_metadata(folder).scores.steps + 1
    list(prepare(RunRequest([], out=folder, resume=True, options={"steps": steps})).events())


def test_a_card_says_what_the_model_is_and_how_good(checkpoint: Path) -> None:
    metadata, text = read_metadata(checkpoint), card(checkpoint)
    assert text == card_of(metadata, "tiny")
    assert title(checkpoint) == "# tiny"
    parameters = load_checkpoint(checkpoint).weights.num_parameters
    for fact in (
        f"{parameters:,} parameters",
        "tiny.txt (",
        "300 steps",
        f"| bits per byte | {metadata.scores.bits_per_byte:.4f} |",
        "$ chargen repl tiny\n",
        'chargen.load("tiny")',
    ):
        assert fact in text
    assert str(checkpoint.parent) not in text, "no paths: the folder is given to others"


def test_hubs_read_its_header(checkpoint: Path) -> None:
    yaml: Any = pytest.importorskip("yaml")
    _, header, _ = card(checkpoint).split("---\n", 2)
    assert yaml.safe_load(header) == {
        "library_name": "chargen",
        "pipeline_tag": "text-generation",
        "tags": ["chargen", "lstm", "recurrent-neural-network", "character-level"],
        "metrics": ["perplexity", "bits_per_byte"],
    }


def test_names_do_nothing_in_a_card(checkpoint: Path) -> None:
    corpus = CorpusFacts("x", [("a|b`\n# <b>\x1b[2J", 5, "")] * 12)
    metadata = replace(read_metadata(checkpoint), corpus=corpus, scores=Scores(1, 1.0, 1.0))
    text = card_of(metadata, "it's\n---\n<script>")
    assert "# it's --- \\<script\\>" in text
    assert r"a\|b\` \# \<b\>␛\[2J (5 bytes)" in text and ", 4 more |" in text
    assert "It was not validated." in text and "metrics" not in text


@pytest.mark.parametrize(("share", "shown"), [(0.05, "5%"), (0.07, "7%"), (0.001, "0.1%")])
def test_a_small_held_out_part_is_not_none(checkpoint: Path, share: float, shown: str) -> None:
    metadata = read_metadata(checkpoint)
    options = replace(metadata.corpus_options, valid_fraction=share)
    assert f"On the {shown} of" in card_of(replace(metadata, corpus_options=options), "tiny")


def test_a_model_of_dialogues_is_opened_for_talking(folder: Path) -> None:
    assert "chat mode" not in card(folder)
    set_sampling(folder, SamplingDefaults(mode="chat"))
    assert "chat mode" in card(folder)


def test_a_card_bears_the_name_of_its_folder(folder: Path, tmp_path: Path) -> None:
    copy(folder, tmp_path / "copied")
    move(folder, tmp_path / "moved")
    pack(tmp_path / "moved", tmp_path / "packed.zip")
    unpack(tmp_path / "packed.zip", tmp_path / "unpacked")
    for name in ("copied", "moved", "unpacked"):
        assert title(tmp_path / name) == f"# {name}"
    model = chargen.load(tmp_path / "moved")
    assert model.generate(max_tokens=3).tokens
    remove(tmp_path / "moved")
    assert not (tmp_path / "moved").exists()


def test_a_text_of_ones_own_stays_wherever_the_folder_goes(folder: Path, tmp_path: Path) -> None:
    own = card(folder).replace(MARK + "\n", "license: mit\n") + "\nMore about it.\n"
    (folder / "README.md").write_text(own, encoding="utf-8")
    set_sampling(folder, SamplingDefaults(mode="chat"))
    resume(folder)
    pack(folder, tmp_path / "packed.zip")
    unpack(tmp_path / "packed.zip", tmp_path / "unpacked")
    move(folder, tmp_path / "moved")
    assert card(tmp_path / "unpacked") == card(tmp_path / "moved") == own


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(b"\xff\0"),
        lambda path: path.write_text(MARK),
        _become_a_folder,
        _become_a_pipe,
    ],
)
def test_a_model_needs_no_card(folder: Path, spoil: Callable[[Path], object]) -> None:
    before = load_checkpoint(folder)
    spoil(folder / "README.md")
    assert is_complete(folder)
    after = load_checkpoint(folder)
    assert (after.metadata.sha256, after.metadata.scores) == (
        before.metadata.sha256,
        before.metadata.scores,
    )
    refresh_card(folder)
    resume(folder)
    assert is_complete(folder)


def test_a_missing_card_is_written_at_the_next_save(folder: Path) -> None:
    (folder / "README.md").unlink()
    resume(folder)
    assert "301 steps" in card(folder)


@pytest.mark.parametrize("bundled", BUNDLED_MODELS, ids=lambda folder: folder.name)
def test_a_bundled_models_card_is_true(bundled: Path) -> None:
    assert card(bundled) == card_of(read_metadata(bundled), bundled.name)


def test_a_model_saved_in_a_talk_has_one(
    run_chargen: Chargen, folder: Path, tmp_path: Path
) -> None:
    shutil.move(folder, tmp_path / "own")
    done = run_chargen("repl", "own", stdin="/save-model learned\n")
    assert done.returncode == 0, done.stderr
    assert title(tmp_path / "learned") == "# learned"
