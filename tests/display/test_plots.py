"""Pictures of runs: every line that was asked for is in them, with its name and its axes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from chargen.display.plots import Curve, plot
from chargen.errors import ChargenError
from tests.support.command import Chargen

METRICS = [
    {"step": step, "epoch": step / 10, "seconds": 60.0 * step, "train_loss": 3.0 - step,
     "valid_loss": 3.1 - step, "bits_per_byte": 4.0 - step}
    for step in (1, 2)
]  # fmt: skip


def drawn_texts(path: Path) -> str:
    """What is written in an SVG: matplotlib tells each text in a comment beside its glyphs."""
    return path.read_text(encoding="utf-8")


def test_runs_of_one_tokenizer_are_drawn_in_nats(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    plot([Curve(name, METRICS, "char 257") for name in ("one", "other")], path, "epochs")
    texts = drawn_texts(path)
    for text in (
        "one, validation",
        "other, validation",
        "one, training",
        "epoch",
        "loss, nats per token",
    ):
        assert f"<!-- {text} -->" in texts


def test_runs_of_several_tokenizers_are_drawn_in_bits_per_byte(tmp_path: Path) -> None:
    path = tmp_path / "curves.svg"
    plot([Curve("one", METRICS, "char 257"), Curve("two", METRICS, "subword 500")], path, "minutes")
    texts = drawn_texts(path)
    assert "<!-- validation loss, bits per byte -->" in texts
    assert "<!-- minutes -->" in texts
    assert "training" not in texts


def test_the_command_draws_a_picture(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path
) -> None:
    done = run_chargen("plot", checkpoint, checkpoint)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("out", "code", "says"),
    [
        ("curves.txt", 2, "--out must end in .png, .svg, .pdf, not 'curves.txt'"),
        ("nowhere/curves.png", 1, "cannot write nowhere/curves.png"),
    ],
)
def test_a_wrong_file_is_refused(
    run_chargen: Chargen, checkpoint: Path, out: str, code: int, says: str
) -> None:
    done = run_chargen("plot", checkpoint, "--out", out)
    assert done.returncode == code
    assert says in done.stderr


def test_a_run_without_an_evaluation_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ChargenError, match="young: no evaluation to plot yet"):
        plot([Curve("young", [], "char 257")], tmp_path / "curves.png")


def test_damaged_metrics_are_reported(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path
) -> None:
    spoilt = Path(shutil.copytree(checkpoint, tmp_path / "spoilt"))
    (spoilt / "metrics.jsonl").write_text('{"step": "one"}\n', encoding="utf-8")
    assert run_chargen("plot", spoilt).returncode == 0, "the training state holds them, too"
    (spoilt / "training.safetensors").unlink()
    done = run_chargen("plot", spoilt)
    assert done.returncode == 1
    assert "metrics.jsonl is damaged" in done.stderr


def test_without_matplotlib_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ChargenError, match=r"pip install 'chargen\[plot\]'"):
        plot([Curve("one", METRICS, "char 257")], tmp_path / "curves.png")
