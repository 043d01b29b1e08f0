"""Keys and pastes, in a real terminal."""

from __future__ import annotations

from pathlib import Path

from tests.support.terminal import stream_on, talking


def test_alt_enter_begins_a_line_and_enter_ends_them(
    checkpoint: Path, tmp_path: Path, columns: int
) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        terminal.child.send("The sky is blue.\x1b\rThe straw")
        terminal.see(lambda lines: "  The straw" in lines)
        terminal.child.send("\r")
        lines = terminal.see_prompt()
        assert lines[lines.index("> The sky is blue.") + 1].startswith("The straw")


def test_enter_ends_a_text_in_quotes_at_their_end_and_alone_draws_again(
    checkpoint: Path, tmp_path: Path
) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        terminal.child.send('"""\r/quit\r')
        terminal.see(lambda lines: "  /quit" in lines)
        assert "ends with" in terminal.lines[-1]
        terminal.child.send('The straw"""\r')
        terminal.see(lambda lines: "> /quit" in lines)
        terminal.see_prompt()
        terminal.child.send("\r")
        terminal.see(lambda lines: lines.count("> /quit") == 2)
        assert terminal.leave() == 0


def test_what_is_pasted_stays_whole(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("\x1b[200~/quit\r\nGRANN\r\n\x1b[201~ and")
        terminal.see(lambda lines: "  GRANN" in lines and "   and" in lines)
        terminal.child.send("\x03")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_a_paste_that_is_not_marked_stays_whole_too(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.send_much("The sky is blue.\r" * 6_000 + "/quit")
        terminal.see_text("[pasted text 1: 102,005 characters]")
        terminal.child.send("\x7f")
        terminal.see_prompt()
        terminal.child.send("\x1b[31mred")  # colours, which look like a mouse
        terminal.see(lambda lines: (terminal.written(lines) or "").endswith("red"))
        terminal.child.send("\x03")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_a_paste_whose_label_was_changed_is_not_sent(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("\x1b[200~" + "pasted " * 400 + "\x1b[201~")
        terminal.see_text("[pasted text 1: 2,800 characters]")
        terminal.child.send("\x17\r")
        terminal.see_text("the placeholder of a pasted text was edited")
        terminal.see(lambda lines: terminal.written(lines) == "[pasted text 1: 2,800")
        terminal.child.send("\x03")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_what_is_pasted_while_text_comes_stays_whole(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        assert terminal.raw.rfind("\x1b[?2004h") > terminal.raw.rfind("\x1b[?2004l")
        terminal.child.send("\x1b[200~one\r/quit\r\x1b[201~\x03")
        terminal.see(lambda lines: "> one" in lines and "  /quit" in lines)


def test_ctrl_c_clears_a_line_and_twice_leaves(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("half a line")
        terminal.see(lambda lines: terminal.written(lines) == "half a line")
        terminal.child.send("\x03")
        terminal.see_prompt()
        terminal.child.send("\x03")
        terminal.see_text("press Ctrl-C again or Ctrl-D to leave")
        terminal.child.send("x")
        terminal.see(lambda lines: "complete" in lines[-1])
        terminal.child.send("\x7f\x03")
        terminal.see_text("press Ctrl-C again or Ctrl-D to leave")
        terminal.child.send("\x03")
        assert terminal.end() == 0


def test_vi_keys(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/keys vi", "key bindings are those of vi")
        terminal.child.send("GRANNIE")
        terminal.see(lambda lines: terminal.written(lines) == "GRANNIE")
        terminal.child.send("\x1b")
        terminal.child.send("0x")
        terminal.see(lambda lines: terminal.written(lines) == "RANNIE")
