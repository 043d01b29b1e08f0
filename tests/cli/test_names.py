"""A checkpoint goes by its name wherever it goes by its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import chargen
from tests.support.command import Chargen


@pytest.fixture
def own(
    checkpoint: Path, corpus_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A model called own, and its text, in the folder that one stands in."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(corpus_file, "text.txt")
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoints" / "own"))


@pytest.mark.parametrize(
    "line",
    [
        "info {}",
        "sample {} --seed 1 --max-tokens 3",
        "generate {} The --temperature 0 --max-tokens 3",
        "eval {} text.txt",
        "score {} The",
        "classify {} The --labels a,b",
        "inspect {} --text The",
        "inspect {} --memory --text text.txt --max-context 8 --max-distance 8",
        "run {} The --json",
        "set {}",
    ],
)
def test_commands_take_a_name_for_its_folder(run_chargen: Chargen, own: Path, line: str) -> None:
    by_folder, by_name = (run_chargen(*line.format(c).split()) for c in ("checkpoints/own", "own"))
    if "run" in line:  # its texts are sampled anew each time
        assert (by_folder.returncode, by_name.returncode) == (0, 0)
        return
    assert by_folder.returncode == 0
    assert by_name.stdout == by_folder.stdout


def test_so_do_plots_fine_tuning_resuming_and_the_repl(run_chargen: Chargen, own: Path) -> None:
    assert run_chargen("plot", "own", "--out", "curves.svg").returncode == 0
    tuned = run_chargen(
        "train", "text.txt", "--init-from", "own", "--steps", 1, "--out", "checkpoints/tuned"
    )
    assert tuned.returncode == 0
    resumed = run_chargen("train", "text.txt", "--resume", "--out", "tuned", "--steps", 2)
    assert resumed.returncode == 0
    assert chargen.load("tuned").metadata.scores.steps == 2  # type: ignore[union-attr]
    told = run_chargen("repl", "own", stdin="/load tuned\nThe\n/compare own\n").stderr
    assert "talking to checkpoints/tuned" in told
    assert "no such checkpoint" not in told


def test_so_does_python(own: Path) -> None:
    assert chargen.classify(chargen.load("own"), "The", ["a", "b"]).label in "ab"
    assert chargen.inspect("own", "The sky").about.folder == Path("checkpoints/own")
    looked = chargen.look_back("own", "text.txt", max_context=8, max_distance=8)
    assert looked.about.folder == Path("checkpoints/own")
    assert chargen.Session("own").folder == Path("checkpoints/own")
    assert chargen.open_copies("own", "text.txt").check("zz").copied_share == 0
    report = chargen.train("text.txt", init_from="own", steps=1, out="checkpoints/more")
    assert chargen.load(report.checkpoint.name).metadata.folder == report.checkpoint  # type: ignore[union-attr]
