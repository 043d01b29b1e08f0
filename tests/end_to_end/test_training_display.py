"""What a person sees of a training."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.terminal import in_a_shell, talking

SMALL = ["--hidden-size", 32, "--batch-size", 4, "--bptt", 16]
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


def shows_nan(raw: str) -> bool:
    """As a number: the model may write of bananas."""
    return re.search(r"\bnan\b", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", raw)) is not None


def test_the_training_display(corpus_file: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--steps", 150]
    with talking(80, "train", corpus_file, "--out", "run", *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("talk to it: chargen repl run")
        screen = "\n".join(terminal.lines)
    for part in ("training on tiny", "parameters", "100%", "bits/byte", "tokens/s", "validation"):
        assert part in screen
    assert any("\u2800" < letter <= "\u28ff" for letter in screen), "a curve is drawn"


def test_a_run_that_is_stopped_resumed_resized_and_ended(corpus_file: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--minutes", 5, "--learning-rate", 0.01]
    with talking(40, "train", corpus_file, "--out", "run", *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("tokens/s")
        terminal.child.send("\x03")
        assert terminal.end() == 130
    resume = ("train", "--resume", "--out", "run")
    with talking(40, *resume, cwd=tmp_path) as terminal:
        terminal.see_text("resuming")
        terminal.resize(60)
        # One frame alone, that is as wide.
        terminal.see(
            lambda lines: (
                any(len(line) > 40 for line in lines)
                and sum("resuming" in line for line in lines) == 1
            )
        )
        terminal.child.send("\x03")
        assert terminal.end() == 130
        assert not shows_nan(terminal.raw)
    with talking(40, *resume, "--minutes", 0.01, cwd=tmp_path) as terminal:
        assert terminal.end() == 0, "its time is over: nothing is learned any more"
        assert "talk to it" in terminal.text and not shows_nan(terminal.raw)


def test_ctrl_z_gives_the_shell_its_cursor(corpus_file: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--steps", 100_000, "--out", "run"]
    with in_a_shell(80, "train", corpus_file, *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("tokens/s")
        terminal.child.send("\x1a")
        terminal.see_text("Stopped")
        assert terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR)
        terminal.child.send("fg\r")
        terminal.see(lambda lines: lines[0].startswith("training on") and "tokens/s" in str(lines))
        assert terminal.raw.rfind(SHOW_CURSOR) < terminal.raw.rfind(HIDE_CURSOR)
        terminal.child.send("\x03")
        terminal.see_text("stopped at step")
