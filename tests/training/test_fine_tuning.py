"""A model that learns a second text keeps what it is, shows what it forgets, and never ends worse
than it began."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.checkpoint.folder import load_checkpoint, load_snapshot
from chargen.checkpoint.metadata import read_metadata
from chargen.checkpoint.metrics import load_metrics
from chargen.errors import ChargenError, CheckpointError, ConfigError, CorpusError
from chargen.training.events import EvalReport
from chargen.training.fine_tuning import notes_on_tokens
from chargen.training.replay import replay_streams
from chargen.training.request import RunRequest
from chargen.training.run import Run
from chargen.training.train import prepare

FEW: dict[str, Any] = {"steps": 12, "evaluations": 3, "batch_size": 4, "bptt": 12, "dropout": 0.0}


@pytest.fixture
def new_text(tmp_path: Path) -> Path:
    path = tmp_path / "new.txt"
    path.write_text("Der Bär «brüllt» # laut.\nÖl und Öl.\n" * 60, encoding="utf-8")
    return path


def tune(text: Path, out: Path, origin: Path, **more: Any) -> Run:
    options = FEW | {name: more.pop(name) for name in list(more) if name != "replay"}
    return prepare(RunRequest([text], out=out, init_from=origin, options=options, **more))


def evaluations(run: Run) -> list[EvalReport]:
    return [event for event in run.events() if isinstance(event, EvalReport)]


def same(one: Path, other: Path) -> bool:
    """Whether two checkpoints have the same weights, bit for bit."""
    arrays, others = (load_snapshot(path).weights for path in (one, other))
    return all(np.array_equal(arrays[name], others[name]) for name in arrays)


def test_the_start_is_scored_and_kept_where_nothing_is_better(
    tmp_path: Path, checkpoint: Path, corpus_file: Path
) -> None:
    run = tune(corpus_file, tmp_path / "out", checkpoint, learning_rate=0.2, test_fraction=0.0)
    start, *later = evaluations(run)
    assert start.step == 0 and start.best and start.train_loss is None
    # The text that it knows: nothing is learned from it at such a rate.
    assert not any(report.best for report in later)
    before, after = load_checkpoint(checkpoint).weights, load_checkpoint(tmp_path / "out").weights
    assert all(np.array_equal(before.arrays[name], after.arrays[name]) for name in before.arrays)
    report = run.report()
    assert report.valid_loss == report.start_loss == start.valid_loss
    assert report.forgotten_bits_per_character == 0
    [advice] = run.advice()
    assert "no validation was better than" in str(advice)


def test_new_characters_become_tokens_and_are_told(
    tmp_path: Path, checkpoint: Path, new_text: Path
) -> None:
    run = tune(new_text, tmp_path / "out", checkpoint)
    before = chargen.load(checkpoint).tokenizer
    tokenizer = run.corpus.tokenizer
    assert tokenizer.pieces[: before.vocab_size] == before.pieces
    assert {"Ö", "ä", "ü", "«", "»"} <= {tokenizer.decode([t]) for t in range(258, 263)}
    [said] = [note for note in run.corpus.notes if "new characters" in note]
    assert "Ö" in said and "#" in said and "é" not in said
    start, *later = evaluations(run)
    assert start.valid_loss is not None and later[-1].valid_loss is not None
    assert later[-1].valid_loss < start.valid_loss
    assert chargen.load(tmp_path / "out").generate("Ö", max_tokens=3, seed=1).tokens


def test_what_is_forgotten_is_measured(tmp_path: Path, checkpoint: Path, new_text: Path) -> None:
    run = tune(new_text, tmp_path / "out", checkpoint, learning_rate=0.02)
    start, *later = evaluations(run)
    assert start.forgotten_bits_per_character == 0
    assert start.old_bits_per_character is not None and start.old_bits_per_character < 1
    last = later[-1]
    assert last.old_bits_per_character is not None
    assert last.forgotten_bits_per_character == pytest.approx(
        last.old_bits_per_character - start.old_bits_per_character
    )
    assert (last.forgotten_bits_per_character or 0) > 0.1
    _, lines = load_metrics(tmp_path / "out")
    assert len(lines) == 4
    snapshot = load_snapshot(tmp_path / "out")
    assert snapshot.metrics[-1]["old_bits_per_character"] == last.old_bits_per_character
    scores = read_metadata(tmp_path / "out").scores
    assert scores.forgotten_bits_per_character == last.forgotten_bits_per_character
    assert "of its old text" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_other_runs_have_no_old_text(checkpoint: Path) -> None:
    assert all("old_bits_per_character" not in line for line in load_snapshot(checkpoint).metrics)
    assert load_snapshot(checkpoint).fine_tuned is None


def test_what_is_replayed_is_forgotten_less(
    tmp_path: Path, checkpoint: Path, new_text: Path, corpus_file: Path
) -> None:
    forgotten = []
    for name, replay in (("with", [corpus_file]), ("without", [])):
        run = tune(new_text, tmp_path / name, checkpoint, replay=replay, steps=40)
        forgotten.append(evaluations(run)[-1].forgotten_bits_per_character or 0)
    assert forgotten[0] < 0.5 * forgotten[1]


@pytest.mark.parametrize("replays", [False, True], ids=["alone", "with replay"])
def test_a_fine_tuning_that_is_resumed_equals_one_that_was_not(
    tmp_path: Path, checkpoint: Path, new_text: Path, corpus_file: Path, replays: bool
) -> None:
    replay = [corpus_file] if replays else []
    whole = evaluations(tune(new_text, tmp_path / "whole", checkpoint, replay=replay, steps=12))
    run = tune(new_text, tmp_path / "cut", checkpoint, replay=replay, steps=12)
    run.release()  # killed before its first step
    for stop in (4, 12):
        run = prepare(RunRequest([], out=tmp_path / "cut", resume=True))
        events = run.events()
        for event in events:
            if isinstance(event, EvalReport) and event.step == stop:
                break
        events.close()
    assert same(tmp_path / "whole", tmp_path / "cut")
    found = [report.old_bits_per_character for report in run.trainer.history]
    assert found == [report.old_bits_per_character for report in whole]


def test_a_replayed_text_is_the_same_when_it_is_read_again(
    tmp_path: Path, checkpoint: Path, new_text: Path
) -> None:
    old = tmp_path / "old.txt"
    old.write_text("The sky is blue.\n" * 60, encoding="utf-8")
    tune(new_text, tmp_path / "out", checkpoint, replay=[old]).release()
    moved = old.rename(tmp_path / "moved.txt")
    again: dict[str, Any] = {"out": tmp_path / "out", "resume": True}
    with pytest.raises(CorpusError, match=r"old\.txt.*replay="):
        prepare(RunRequest([], **again))
    prepare(RunRequest([], replay=[moved], **again)).release()
    moved.write_text("The sky is red.\n" * 60, encoding="utf-8")
    with pytest.raises(CorpusError, match="is not the text that"):
        prepare(RunRequest([], replay=[moved], **again))


def test_a_run_that_replays_nothing_does_not_begin_to(
    tmp_path: Path, checkpoint: Path, new_text: Path
) -> None:
    tune(new_text, tmp_path / "out", checkpoint).release()
    with pytest.raises(CheckpointError, match="has no text that it replays"):
        prepare(RunRequest([], out=tmp_path / "out", resume=True, replay=[new_text]))


def test_a_text_that_is_too_short_to_replay_is_named(
    tmp_path: Path, checkpoint: Path, new_text: Path
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("ab", encoding="utf-8")
    with pytest.raises(CorpusError, match="the text to replay holds 1 tokens"):
        tune(new_text, tmp_path / "out", checkpoint, replay=[short])
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="needs two streams"):
        tune(new_text, tmp_path / "out", checkpoint, replay=[new_text], batch_size=1)


def test_some_streams_replay_and_some_do_not() -> None:
    for batch_size in range(2, 70):
        assert 1 <= replay_streams(batch_size) < batch_size


@pytest.mark.parametrize("name", ["path", "name"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_checkpoint_is_no_text(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, resume: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    folder.rename(tmp_path / "checkpoints" / "mine")
    named = "mine" if name == "name" else "checkpoints/mine"
    with pytest.raises(ChargenError) as raised:
        prepare(RunRequest([named], resume=resume))
    assert f"{named} is a checkpoint, not a text" in str(raised.value)
    assert "resume=True and out='checkpoints/mine'" in str(raised.value)


def test_what_says_how_files_are_read_is_not_taken_over(
    tmp_path: Path, new_text: Path, checkpoint: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    read: dict[str, Any] = {"encoding": "utf-8", "skip_bad": True, "include": ("*.txt",)}
    tune(new_text, first, checkpoint, user="A:", **read).release()
    tune(new_text, second, first).release()
    options = asdict(read_metadata(second).corpus_options)
    assert options["user"] == "A:", "it belongs to the model"
    assert {name: options[name] for name in read} == {
        "encoding": None,
        "skip_bad": False,
        "include": (),
    }


def test_what_subwords_cannot_spell_is_told(
    tmp_path: Path, subword_checkpoint: Path, new_text: Path
) -> None:
    run = tune(new_text, tmp_path / "out", subword_checkpoint)
    assert run.corpus.tokenizer == chargen.load(subword_checkpoint).tokenizer
    assert any("spelled in bytes" in note for note in run.corpus.notes)


def test_nothing_is_told_where_all_is_known() -> None:
    tokenizer = chargen.load("facts").tokenizer
    counts = np.ones(tokenizer.vocab_size, dtype=np.int64)
    counts[128:256] = 0
    assert notes_on_tokens(tokenizer, counts, counts > 0) == ()


def test_characters_that_do_not_show_are_told_by_number() -> None:
    tokenizer = chargen.load("facts").tokenizer
    counts = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    counts[[9, 65, 66]] = 1, 5, 2
    notes = notes_on_tokens(tokenizer, counts, torch.zeros(len(counts)).bool().numpy())
    assert notes == ("3 new characters: A B U+0009",)
