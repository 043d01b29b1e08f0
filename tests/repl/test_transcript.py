"""A whole talk as Markdown."""

from __future__ import annotations

from pathlib import Path

from tests.repl.conftest import GREEDY, Piped


def test_all_is_written_into_a_log(say: Piped, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine")
    start = (GREEDY, "/set max_tokens 4")
    say(*start, "before ```", "/log talk.md", "The strawberry is", "/retry", "GRAN", "/undo",
        "/log off", "unlogged")  # fmt: skip
    log = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert log.index("before ```") < log.index("The strawberry is") < log.rindex(" red")
    assert "````text\nbefore ```\n````" in log
    assert "GRAN\n" not in log
    assert "unlogged" not in log
    assert "mine.md exists" in say("/log mine.md", code=1).stderr
    assert (tmp_path / "mine.md").read_text() == "mine"
