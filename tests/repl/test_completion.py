"""Tab, in a real terminal."""

from __future__ import annotations

from pathlib import Path

from tests.support.terminal import talking


def test_tab_completes_commands_settings_and_values(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        for typed, menu, completed in (
            ("/se", "show or change", "> /set"), (" unt", "end after", "> /set until"),
            (" w", "word", "> /set until word"),
        ):  # fmt: skip
            terminal.child.send(typed)
            terminal.see_text(menu)
            terminal.child.send("\t")
            terminal.see_text(completed)
        terminal.say("", "until is word")
        terminal.child.send("/load mi\t")
        terminal.see_text("> /load mine")
        terminal.child.send("\r")
        terminal.see_text("talking to checkpoints/mine")
