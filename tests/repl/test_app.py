"""The REPL in a real terminal, as a person sees it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import pyte
import pytest

from chargen.repl.toolbar import toolbar
from chargen.session.session import Session

NOTHING: Mapping[str, str] = {}


class Terminal:
    """A program in a pseudo-terminal, and the screen that a person would see."""

    def __init__(
        self, columns: int, *arguments: object, cwd: Path, rows: int = 24,
        environment: Mapping[str, str] = NOTHING,
    ) -> None:  # fmt: skip
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            sys.executable, ["-m", "chargen", *map(str, arguments)], dimensions=(rows, columns),
            encoding="utf-8", codec_errors="replace", cwd=cwd, timeout=30,
            env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(cwd), **environment},
        )  # fmt: skip
        self.child.delaybeforesend = None
        self.raw = ""

    def see(self, reached: Callable[[list[str]], bool], patience: float = 30) -> list[str]:
        """The lines of the screen once they are as they should be; fails after a silence."""
        while not reached(self.lines):
            try:
                data = self.child.read_nonblocking(4096, timeout=patience)
            except (pexpect.TIMEOUT, pexpect.EOF) as ended:
                raise AssertionError("never seen; the screen:\n" + "\n".join(self.lines)) from ended
            self.feed(data)
        return self.lines

    def feed(self, data: str) -> None:
        """Put on the screen what the program has written."""
        self.raw += data
        # pyte does not know the sequences that set a cursor's shape or a key protocol.
        self._stream.feed(re.sub(r"\x1b\[[>?=][0-9;]*[a-z]|\x1b\[[0-9]* q", "", data))
        if "\x1b[6n" in data:  # prompt_toolkit asks where the cursor is, as of a terminal
            self.child.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")

    def send_much(self, text: str) -> None:
        """Send a long text as a terminal does, which reads while it writes."""
        for at in range(0, len(text), 1000):
            self.child.send(text[at : at + 1000])
            with suppress(pexpect.TIMEOUT):
                self.feed(self.child.read_nonblocking(65536, timeout=0))

    def see_text(self, text: str) -> list[str]:
        return self.see(lambda lines: any(text in line for line in lines))

    def see_prompt(self, patience: float = 30) -> list[str]:
        """Wait for an empty prompt above the toolbar."""
        return self.see(lambda lines: self.written(lines) == "", patience)

    def see_ready(self) -> list[str]:
        """Wait until the model is loaded."""
        self.see_prompt()
        return self.see(lambda lines: "complete" in lines[-1])

    def written(self, lines: list[str]) -> str | None:
        """What is written at the prompt, None where there is none."""
        above = [line for line in lines[:-1] if line] or [""]
        return above[-1][2:] if re.match("> ?", above[-1]) and lines[-1] else None

    def say(self, line: str, answer: str) -> list[str]:
        """Write a line, and wait for its answer and the next prompt."""
        self.child.send(line + "\r")
        self.see_text(answer)
        return self.see_prompt()

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def styles(self, text: str) -> set[str]:
        """The colours in which this text stands on the screen, where it stands last."""
        for row in reversed(range(self.screen.lines)):
            at = self.screen.display[row].rfind(text)
            if at >= 0:
                line = self.screen.buffer[row]
                return {line[column].fg for column in range(at, at + len(text))}
        raise AssertionError(f"{text!r} is not on the screen")

    def leave(self) -> int:
        """Press Ctrl-D and return the exit code."""
        self.child.send("\x04")
        return self.end()

    def end(self) -> int:
        """The exit code, once the program has ended by itself."""
        try:
            self.see(lambda lines: False)
        except AssertionError as ended:
            if not isinstance(ended.__cause__, pexpect.EOF):
                raise
        self.child.wait()
        assert "Traceback" not in self.raw
        code = self.child.exitstatus
        return -int(self.child.signalstatus) if code is None else int(code)


@contextmanager
def talking(
    columns: int,
    *arguments: object,
    cwd: Path,
    rows: int = 24,
    environment: Mapping[str, str] = NOTHING,
) -> Iterator[Terminal]:
    """A terminal with the REPL in it, ended at last."""
    terminal = Terminal(columns, *arguments, cwd=cwd, rows=rows, environment=environment)
    try:
        yield terminal
        assert "Traceback" not in terminal.raw
    finally:
        terminal.child.close(force=True)


@pytest.fixture(params=[40, 80])
def columns(request: pytest.FixtureRequest) -> int:
    return int(request.param)


# -- talking ----------------------------------------------------------------------------------


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
            ("/continue", "The strawberry"), ("/undo", "its last part is taken back"),
            (f"/compare {checkpoint}", "bits a"), ("/log talk.md", "all is written"),
            ("/learn on", "is learnt"), ("The sky", "> The sky"), ("/save-model kept", "saved;"),
            ("/story", "as it is"), ("/seed 7", "seed is 7"), ("/info", "1 exchange"),
            (f"/load {checkpoint}", "talking to"), ("/reset", "a new text begins"),
            ("/reset settings", "defaults"), ("/help seed", "repeat the same draws"),
        ):  # fmt: skip
            terminal.say(command, told)
        assert terminal.leave() == 0
    assert "The sky" in (tmp_path / "talk.md").read_text()


def test_two_hundred_columns(checkpoint: Path, tmp_path: Path) -> None:
    with talking(200, "repl", checkpoint, cwd=tmp_path, rows=50) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        [line] = [li for li in terminal.say("GRANN", "GRANNY'S KITCHEN") if "GRANNY'S" in li]
        assert line == "> GRANNY'S KITCHEN"
        terminal.say("/set", "repeat the same draws")
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


# -- stopping ---------------------------------------------------------------------------------


def stream_on(terminal: Terminal) -> None:
    """Let the model write a text that has no end."""
    terminal.see_ready()
    terminal.say("/set max_tokens 10000000", "max_tokens is 10000000")
    terminal.child.send("The \r")
    terminal.see(lambda lines: sum("is" in line for line in lines) > 8)


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


def test_ctrl_d_in_the_midst_of_a_text_leaves_after_it(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        stream_on(terminal)
        terminal.child.send("\x04\x03")
        assert terminal.end() == 0


def test_ctrl_c_clears_a_line_and_twice_leaves(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("half a line")
        terminal.see(lambda lines: terminal.written(lines) == "half a line")
        terminal.child.send("\x03")
        terminal.see_prompt()
        terminal.child.send("\x03")
        terminal.see_text("Ctrl-C again, or Ctrl-D, leaves")
        terminal.child.send("x")
        terminal.see(lambda lines: "complete" in lines[-1])
        terminal.child.send("\x7f\x03")
        terminal.see_text("Ctrl-C again, or Ctrl-D, leaves")
        terminal.child.send("\x03")
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


# -- editing ----------------------------------------------------------------------------------


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


def test_a_paste_whose_label_was_changed_is_not_sent(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.child.send("\x1b[200~" + "pasted " * 400 + "\x1b[201~")
        terminal.see_text("[pasted text 1: 2,800 characters]")
        terminal.child.send("\x17\r")
        terminal.see_text("what stands for a pasted text was changed")
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


def test_tab_completes_commands_settings_and_values(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        for typed, menu, completed in (
            ("/se", "show or change", "> /set"), (" unt", "until", "> /set until"),
            (" w", "word", "> /set until word"),
        ):  # fmt: skip
            terminal.child.send(typed)
            terminal.see_text(menu)
            terminal.child.send("\t")
            terminal.see_text(completed)
        terminal.say("", "until is word")
        terminal.child.send("/load mi\t")
        terminal.see_text("> /load checkpoints/mine")
        terminal.child.send("\t\r")
        terminal.see_text("talking to checkpoints/mine")


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


def test_a_history_that_cannot_be_kept(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "chargen" / "history").mkdir(parents=True)
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/set max_tokens 1", "max_tokens is 1")
        assert terminal.leave() == 0


def test_vi_keys(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        terminal.say("/keys vi", "keys are those of vi")
        terminal.child.send("GRANNIE")
        terminal.see(lambda lines: terminal.written(lines) == "GRANNIE")
        terminal.child.send("\x1b")
        terminal.child.send("0x")
        terminal.see(lambda lines: terminal.written(lines) == "RANNIE")


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


# -- the screen -------------------------------------------------------------------------------


def test_no_colour_is_honoured(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment={"NO_COLOR": "1"}) as terminal:
        terminal.see_ready()
        terminal.say("/set temperature 0", "temperature is 0.0")
        terminal.say("GRANN", "GRANNY")
        terminal.say("/why", "under 1")
        assert terminal.leave() == 0
        assert not re.search(r"\x1b\[[0-9;]*\b[349][0-8]\b", terminal.raw)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "vt100"}, {"LC_ALL": "C"}])
def test_any_terminal_will_do(
    checkpoint: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path, environment=environment) as terminal:
        terminal.see(lambda lines: any(line.startswith(">") for line in lines))
        terminal.child.send("/set temperature 0\r")
        terminal.see_text("temperature is 0.0")
        terminal.child.send("GRANN\r")
        terminal.see_text("GRANNY")
        if environment.get("TERM") != "dumb":
            assert terminal.leave() == 0
            return
        terminal.see(lambda lines: [line for line in lines if line][-1] == ">")
        terminal.child.send("\x03")
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


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_toolbar_fits(checkpoint: Path, columns: int) -> None:
    session = Session(checkpoint)
    session.change("seed", 2**63 - 1)
    session.change("top_p", 0.123456789)
    session.learn(True)
    session.tokens_per_second = 123456.7
    assert len(toolbar(session, columns)) < columns
    if columns == 200:
        for part in ("complete", "learning", "temperature 1", "top-p 0.12", "beams off", "seed 9",
                     "123,457 tokens/s", str(checkpoint)):  # fmt: skip
            assert part in toolbar(session, columns)


# -- starting ---------------------------------------------------------------------------------


def test_a_bare_chargen_lists_checkpoints_and_takes_the_newest(
    checkpoint: Path, tmp_path: Path, columns: int
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    with talking(columns, cwd=tmp_path) as terminal:
        lines = terminal.see_text("checkpoints/mine")
        assert any("mine" in line and "20" in line for line in lines)
        assert any("bits/byte" in line for line in lines)
        terminal.see_prompt()
        terminal.child.send("/quit\r")
        assert terminal.end() == 0


def test_without_checkpoints_it_says_how_to_make_one(tmp_path: Path) -> None:
    with talking(80, cwd=tmp_path) as terminal:
        terminal.see_text("chargen train corpus.txt")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_a_line_can_be_written_before_the_model_is_there(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see(lambda lines: "loading" in lines[-1])
        terminal.child.send("/set temperature 0\r")
        terminal.child.send("GRANN\r")
        terminal.see_text("temperature is 0.0")
        terminal.see_text("> GRANNY")


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
        terminal.say("/open talk", "no session file")
        terminal.say("/continue", "/continue")
        assert terminal.leave() == 0


def test_the_training_display(corpus_file: Path, tmp_path: Path) -> None:
    arguments = ["--hidden-size", 32, "--batch-size", 4, "--bptt", 16, "--steps", 150]
    with talking(80, "train", corpus_file, "--out", "run", *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("talk to it: chargen repl run")
        screen = "\n".join(terminal.lines)
    for part in ("training on tiny", "parameters", "100%", "bits/byte", "tokens/s", "validation"):
        assert part in screen
    assert any("\u2800" < letter <= "\u28ff" for letter in screen), "a curve is drawn"
