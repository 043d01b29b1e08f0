"""A line can be written, and the REPL left, while the model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.terminal import talking


def test_a_line_can_be_written_before_the_model_is_there(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see(lambda lines: "loading" in lines[-1])
        terminal.child.send("/set temperature 0\r")
        terminal.child.send("GRANN\r")
        terminal.see_text("temperature is 0.0")
        terminal.see_text("> GRANNY")


def test_a_chat_looks_like_one_before_the_model_is_there(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "chat", checkpoint, cwd=tmp_path) as terminal:
        terminal.see(lambda lines: "loading" in lines[-1] and "You:" in lines)
        terminal.see(lambda lines: "chat" in lines[-1] and "You:" in lines)
        assert terminal.leave() == 0


@pytest.mark.parametrize("after", range(0, 24, 3))
def test_leaving_while_the_model_is_loaded(checkpoint: Path, tmp_path: Path, after: int) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see(lambda lines: "loading" in lines[-1])
        for _ in range(after):  # keys, each of which is shown: some time passes
            terminal.child.send("x\x7f" * 20)
            terminal.see_prompt()
        assert terminal.leave() == 0


def test_a_model_that_is_not_there_or_damaged_ends_it(
    checkpoint: Path, tmp_path: Path, folder: Path
) -> None:
    with talking(80, "repl", "nowhere", cwd=tmp_path) as terminal:
        terminal.see_text("no such checkpoint: nowhere")
        assert terminal.end() == 1
    (folder / "config.json").write_text("damaged")  # the rest can be read all the same
    with talking(80, "repl", folder, cwd=tmp_path) as terminal:
        terminal.see_ready()
        assert terminal.leave() == 0
    for path in folder.glob("*.safetensors"):
        path.write_bytes(b"damaged")
    with talking(80, "repl", folder, cwd=tmp_path) as terminal:
        terminal.see_text("is damaged")
        assert terminal.end() == 1
