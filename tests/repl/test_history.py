"""Lines of earlier sessions are kept, searched and suggested."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chargen.repl.history import open_history
from chargen.repl.keys import Pastes
from tests.support.terminal import talking


@pytest.mark.parametrize("flags", [(), ("--keys", "vi")])
def test_history_is_kept_searched_and_suggested(
    checkpoint: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with talking(80, "repl", checkpoint, *flags, cwd=tmp_path, environment=state) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 3", "max_tokens is 3")
        terminal.say("GRANNY remembers", "> GRANNY remembers")
        assert terminal.leave() == 0
    with talking(80, "repl", checkpoint, *flags, cwd=tmp_path, environment=state) as terminal:
        terminal.see_prompt()
        terminal.child.send("GRA")
        terminal.see(lambda lines: terminal.written(lines) == "GRANNY remembers")
        terminal.child.send("\x1b[C")  # takes the suggestion
        terminal.child.send("!")
        terminal.see(lambda lines: terminal.written(lines) == "GRANNY remembers!")
        terminal.child.send("\x03")
        terminal.see_prompt()
        terminal.child.send("\x12max")
        terminal.see_text("/set max_tokens 3")


def test_a_long_paste_is_remembered_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment=state) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        terminal.child.send("\x1b[200~" + "pasted " * 400 + "\x1b[201~")
        terminal.see_text("[pasted text 1: 2,800 characters]")
        terminal.say("", "[2,800 characters] ...")
        assert terminal.leave() == 0
    history = (tmp_path / "state" / "chargen" / "history").read_text()
    assert "pasted " * 400 in history
    assert "characters]" not in history


def test_a_history_that_cannot_be_kept(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "chargen" / "history").mkdir(parents=True)
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        assert terminal.leave() == 0


def test_a_history_is_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    open_history(Pastes()).store_string("a secret")
    file = tmp_path / "chargen" / "history"
    assert "a secret" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
