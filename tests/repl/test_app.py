"""The REPL in a real terminal, as a person sees it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, in_a_shell, stream_on, talking


def test_talking_in_a_terminal(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        terminal.say("/set max_tokens 5", "max_tokens is 5")
        lines = terminal.say("The strawberry is", "> The strawberry is red.")
        assert sum("strawberry" in line for line in lines) == 1, "the prompt is shown once"
        assert terminal.styles("red.") == {"green"}
        assert terminal.styles("The strawberry is") == {"default"}
        terminal.say("/nonsense", "there is no command /nonsense")
        terminal.say("/beams 2", "beams is 2")
        terminal.say("The sky is", "nats")
        terminal.say("/beams off", "beams is off")
        terminal.say("/why", "under 1")
        terminal.say("/top", "%")
        terminal.say("/variants 2", "2")
        assert terminal.leave() == 0


def test_all_that_can_be_said(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 3", "max_tokens is 3")
        terminal.say("The strawberry", "> The strawberry")
        for command, told in (
            ("/retry", "> The strawberry"), ("/undo", "is back"),
            ("/continue", "The strawberry"), ("/undo", "its last part was undone"),
            (f"/compare {checkpoint}", "bits per"), ("/log talk.md", "logging to"),
            ("/learn on", "model learns"), ("The sky", "> The sky"), ("/save-model kept", "saved;"),
            ("/story", "as it is"), ("/seed 7", "seed is 7"), ("/info", "1 exchange"),
            (f"/load {checkpoint}", "talking to"), ("/reset", "a new text begins"),
            ("/reset settings", "defaults"), ("/help seed", "repeat the same"),
            ("/list", "no checkpoint in"), ("help", "/help lists"),
        ):  # fmt: skip
            terminal.say(command, told)
        assert terminal.leave() == 0
    assert "The sky" in (tmp_path / "talk.md").read_text()


def test_two_hundred_columns(checkpoint: Path, tmp_path: Path) -> None:
    with talking(200, "repl", checkpoint, cwd=tmp_path, rows=50) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        assert "> GRANNY'S KITCHEN" in terminal.say("GRANN", "GRANNY'S KITCHEN")
        terminal.say("/set", "seed for repeatable samples (default: a new one each time)")
        assert terminal.leave() == 0


def test_a_talk_in_turns(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("/chat The: Bot:\r")
        terminal.see(lambda lines: any(line.startswith("The:") for line in lines[1:]))
        terminal.child.send("hello\r")
        terminal.see_text("The: hello")
        terminal.see_text("Bot:")
        terminal.see(lambda lines: "chat" in lines[-1])


def test_ctrl_c_stops_the_text_and_keeps_the_session(
    checkpoint: Path, tmp_path: Path, columns: int
) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        terminal.child.send("\x03")
        lines = terminal.see_prompt()
        last = [line for line in lines[:-2] if line and line != ">"][-1]
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        terminal.child.send("/continue\r")
        lines = terminal.see(lambda lines: terminal.written(lines) == "" and "/s" in lines[-1])
        assert any(line.startswith(last[:20]) for line in lines)
        assert terminal.leave() == 0


def test_ctrl_c_right_after_enter_gives_the_line_back(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 10000000", "max_tokens is 10000000")
        terminal.child.send("The \r\x03")
        terminal.see(lambda lines: terminal.written(lines) == "The")
        terminal.child.send("\x03")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_what_is_typed_while_text_comes_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        terminal.child.send("typed ahead")
        terminal.child.send("\x03")
        lines = terminal.see(lambda lines: terminal.written(lines) == "typed ahead")
        assert sum("typed" in line for line in lines) == 1


def test_ctrl_z_gives_the_shell_its_terminal_and_takes_it_back(
    checkpoint: Path, tmp_path: Path
) -> None:
    with in_a_shell(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        assert not terminal.echoes
        terminal.child.send("\x1a")
        terminal.see_text("Stopped")
        terminal.see(lambda lines: [line for line in lines if line][-1] == "$")
        terminal.child.send("fg\r")
        terminal.see(lambda lines: "Stopped" not in terminal.text)  # it goes up and away
        assert not terminal.echoes
        terminal.child.send("typed ahead\x03")
        lines = terminal.see(lambda lines: terminal.written(lines) == "typed ahead")
        assert sum("typed" in line for line in lines) == 1
        terminal.child.send("\x03\x1a")
        terminal.see_text("$")
        terminal.child.send("fg\r")
        terminal.say("/set max_tokens 10000000", "max_tokens is 10000000")
        terminal.child.send("The \r")
        terminal.see(lambda lines: sum("is" in line for line in lines) > 8)
        assert not terminal.echoes, "nor after a prompt that was left for the shell"


def test_ctrl_d_in_the_midst_of_a_text_leaves_after_it(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        terminal.child.send("\x04\x03")
        assert terminal.end() == 0


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN])
def test_ctrl_c_ends_a_long_search(
    checkpoint: Path, tmp_path: Path, inherited: signal.Handlers
) -> None:
    before = signal.signal(signal.SIGINT, inherited)
    try:
        terminal = Terminal(80, "repl", checkpoint, cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    terminal.see_ready()
    terminal.say("/set max_tokens 1000000", "max_tokens is 1000000")
    terminal.say("/beams 8", "beams is 8")
    terminal.child.send("The \r")
    terminal.see_text("> The")
    terminal.child.send("\x03")
    # Where it came while the prompt was read, that is given back.
    lines = terminal.see(lambda lines: terminal.written(lines) in ("", "The"))
    if terminal.written(lines):
        terminal.child.send("\x03")
        terminal.see_prompt()
    assert terminal.leave() == 0


def test_sigterm_ends_a_text_and_the_program(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        terminal.child.kill(signal.SIGTERM)
        assert terminal.end() == 143


def test_ctrl_c_while_a_long_prompt_is_read_gives_it_back(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.send_much("\x1b[200~" + "The sky is blue. " * 60_000 + "\x1b[201~")
        terminal.see_text("[pasted text 1: 1,020,000 characters]")
        terminal.child.send("\r")
        terminal.see_text("reading the prompt")
        terminal.child.send("\x03")
        terminal.see(lambda lines: "pasted text" in (terminal.written(lines) or ""))
        terminal.child.send("\x03")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_the_next_prompt_in_an_editor(checkpoint: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "GRANN" > "$1"\n')
    editor.chmod(0o755)
    with talking(
        80, "repl", checkpoint, cwd=tmp_path, environment={"EDITOR": str(editor)}
    ) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        terminal.child.send("/edit\r")
        terminal.see(lambda lines: terminal.written(lines) == "GRANN")
        terminal.child.send("\r")
        terminal.see_text("> GRANNY")


def test_an_editor_that_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    with talking(
        80, "repl", checkpoint, cwd=tmp_path, environment={"EDITOR": "no-such-editor"}
    ) as terminal:
        terminal.see_ready()
        terminal.say("/edit", "cannot edit with no-such-editor")
        assert terminal.leave() == 0


def test_no_colour_is_honoured(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment={"NO_COLOR": "1"}) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        terminal.say("GRANN", "GRANNY")
        terminal.say("/why", "under 1")
        assert terminal.leave() == 0
        assert not re.search(r"\x1b\[[0-9;]*\b[349][0-8]\b", terminal.raw)


@pytest.mark.parametrize("environment", [{"TERM": "vt100"}, {"LC_ALL": "C"}])
def test_any_terminal_will_do(
    checkpoint: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment=environment) as terminal:
        terminal.see(lambda lines: any(line.startswith(">") for line in lines))
        terminal.child.send("/set temperature 0\r")
        terminal.see_text("temperature is 0.0")
        terminal.child.send("GRANN\r")
        terminal.see_text("GRANNY")
        assert terminal.leave() == 0


def test_a_dumb_terminal_shows_each_line_once(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment={"TERM": "dumb"}) as terminal:
        terminal.see(lambda lines: ">" in lines)
        for line, answer, then in (
            ("/set temperature 0", "temperature is 0.0", ">"), ("/set until line", "is line", ">"),
            ("GRANN", "Y'S KITCHEN", ">"), ('"""GRA', "...", "..."), ('NN"""', 'NN"""', ">"),
            ("exit", "Ctrl-D leaves;", ">"),
        ):  # fmt: skip
            terminal.child.send(f"{line}\r")
            terminal.see_text(answer)
            terminal.see(lambda lines, then=then: [li for li in lines if li][-1] == then)  # type: ignore[misc]
        shown = [line for line in terminal.lines if line][2:]
        assert shown[:5] == [
            "> /set temperature 0", "temperature is 0.0", "> /set until line", "until is line",
            "> GRANN",
        ]  # fmt: skip
        assert shown[5].startswith("Y")
        assert shown[6:8] == ['> """GRA', '... NN"""']
        assert sum("exit" in line for line in shown) == 2, "as it was typed, and what is said of it"
        terminal.child.send("half a line\x03")
        terminal.see_text("Ctrl-C again")
        terminal.child.send("\x03")
        assert terminal.end() == 0


def test_twenty_columns(checkpoint: Path, tmp_path: Path) -> None:
    with talking(20, "repl", checkpoint, cwd=tmp_path, rows=10) as terminal:
        terminal.see_prompt()
        terminal.child.send("/set max_tokens 12\r")
        terminal.see_text("max_tokens is 12")
        terminal.child.send("The strawberry is\r")
        terminal.see_text("> The strawberry is")
        for command in ("/why", "/why 4", "/top", "/set", "/help", "/info", "/variants 3"):
            before = len(terminal.raw)
            terminal.child.send(f"{command}\r")
            terminal.see(
                lambda lines, shown=command, before=before: (  # type: ignore[misc]
                    shown in terminal.raw[before:] and terminal.written(lines) == ""
                )
            )
        assert terminal.leave() == 0


def test_wide_and_strange_characters(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        terminal.say("\u4e2d\u6587 \u0645\u0631\u062d\u0628\u0627", "\u4e2d")
        terminal.child.send("\x1b[200~a\x07\x1b\x00b\x1b[201~\r")
        terminal.see_text("> a")
        terminal.see_prompt()
        os.write(terminal.child.child_fd, b"half \xff a character\r")
        terminal.see_text("UTF-8")
        terminal.see_prompt()
        terminal.say("/info", "text so far")
        assert terminal.leave() == 0


def test_a_bare_chargen_says_what_it_opens_and_remembers_what_was_talked_to(
    checkpoint: Path, tmp_path: Path, columns: int
) -> None:
    shutil.copytree(checkpoint, tmp_path / "checkpoints" / "b")
    shutil.copytree(checkpoint, tmp_path / "checkpoints" / "a")
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    for arguments, opened, reason in (
        ((), "b", "finished training"),
        (("repl", "a"), "a", "write the beginning"),
        ((), "a", "talked to just now"),
    ):
        with talking(columns, *arguments, cwd=tmp_path, environment=state) as terminal:
            terminal.see_text(f"checkpoints/{opened}")
            lines = terminal.see_prompt()
            assert reason in " ".join(line.strip() for line in lines)
            assert not any("bits/byte" in line for line in lines), "the table is for /list"
            terminal.child.send("/quit\r")
            assert terminal.end() == 0


def test_without_checkpoints_it_says_how_to_make_one(tmp_path: Path) -> None:
    with talking(80, cwd=tmp_path) as terminal:
        terminal.see_text("chargen train corpus.txt")
        terminal.see_text("say something")
        terminal.see(lambda lines: "chat" in lines[-1])
        assert terminal.leave() == 0


def test_a_session_lives_on_in_a_file(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 9", "max_tokens is 9")
        terminal.say("/story", "begin")
        terminal.say("The straw", "> The straw")
        terminal.say("/save talk", "saved in talk")
        assert terminal.leave() == 0
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_prompt()
        terminal.say("/open talk", "1 exchange")
        terminal.see_text("The straw")
        (tmp_path / "talk").write_text("damaged")
        terminal.say("/open talk", "not a session file")
        terminal.say("/continue", "/continue")
        assert terminal.leave() == 0
