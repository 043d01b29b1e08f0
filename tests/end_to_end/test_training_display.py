"""What a person sees of a training."""

from __future__ import annotations

from pathlib import Path

from tests.support.terminal import talking


def test_the_training_display(corpus_file: Path, tmp_path: Path) -> None:
    arguments = ["--hidden-size", 32, "--batch-size", 4, "--bptt", 16, "--steps", 150]
    with talking(80, "train", corpus_file, "--out", "run", *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("talk to it: chargen repl run")
        screen = "\n".join(terminal.lines)
    for part in ("training on tiny", "parameters", "100%", "bits/byte", "tokens/s", "validation"):
        assert part in screen
    assert any("\u2800" < letter <= "\u28ff" for letter in screen), "a curve is drawn"
