"""The REPL: its session as plain values, and the whole in a real terminal as a person sees it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pexpect
import pyte
import pytest

from chargen.config import SampleConfig, names
from chargen.errors import ChargenError
from chargen.repl import COMMANDS, Quit, Session
from tests.conftest import Chargen

# -- the session ------------------------------------------------------------------------------


@pytest.fixture
def session(checkpoint: Path) -> Session:
    return Session(checkpoint)


def test_a_prompt_is_answered(session: Session) -> None:
    session.command("/set temperature 0")
    session.command("/set max_tokens 1")
    assert "".join(piece.text for piece in session.stream("GRANN")) == "Y"


@pytest.mark.parametrize("name", names(SampleConfig))
def test_every_setting_can_be_set_and_shown(session: Session, name: str) -> None:
    values = {
        "stop": "x", "ban": "x", "charset": "a-z", "regex": "[a-z]+", "until": "word",
        "top_p": "0.5", "min_p": "0.5", "typical_p": "0.5", "heal": "off", "early_stopping": "on",
    }  # fmt: skip
    assert name in session.command("/set")
    said = session.command(f"/set {name} {values.get(name, '3')}")
    assert said == session.command(f"/set {name}")
    assert session.command(f"/set {name.replace('_', '-')}") == said


def test_settings_change_what_is_drawn(session: Session) -> None:
    session.command("/set stop \\n")
    assert session.config.stop == ("\n",)
    session.command("/set stop off")
    assert not session.config.stop


def test_beams_put_the_other_settings_aside(session: Session) -> None:
    session.command("/set temperature 0.7")
    session.command("/beams 3")
    assert not session.streams
    found = session.complete("The strawberry is")
    assert len(found) == 3
    assert found[0].logprob >= found[1].logprob >= found[2].logprob
    session.command("/beams off")
    assert session.streams
    assert session.config.temperature == 0.7


def test_several_samples(session: Session) -> None:
    session.command("/set num_samples 2")
    assert len(session.complete("The ")) == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/tempo", "there is no command /tempo"),
        ("/hepl", "did you mean /help"),
        ("/set warmth 1", "there is no option 'warmth'"),
        ("/set warmth", "there is no setting warmth"),
        ("/set temperature hot", "must be a number"),
        ("/set temperature -1", "must be at least 0"),
        ("/set temperature nan", "must be a number"),
        ("/beams 0", "must be at least 1"),
        ("/load", "needs a checkpoint folder"),
        ("/load nowhere", "no such checkpoint"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(session: Session, line: str, says: str) -> None:
    before = (session.settings, session.folder)
    with pytest.raises(ChargenError, match=says):
        session.command(line)
    assert (session.settings, session.folder) == before


def test_help_tells_every_command(session: Session) -> None:
    said = session.command("/help")
    assert all(command.usage in said for command in COMMANDS.values())
    with pytest.raises(Quit):
        session.command("/quit")


def test_another_checkpoint_is_loaded(session: Session, checkpoint: Path) -> None:
    before = session.generator
    assert str(checkpoint) in session.command(f"/load {checkpoint}")
    assert session.generator is not before


# -- from a pipe ------------------------------------------------------------------------------


def test_a_pipe_is_answered_a_line_a_prompt(run_chargen: Chargen, checkpoint: Path) -> None:
    prompts = (
        "/set temperature 0\n/set max_tokens 1\nGRANN\n\nThe strawberry is r\n/nonsense\nGRAN\n"
    )
    done = run_chargen("repl", checkpoint, stdin=prompts)
    assert done.returncode == 1  # for the command that there is not
    assert done.stdout == "Y\ne\nN\n"
    assert "temperature is 0.0" in done.stderr
    assert "there is no command /nonsense" in done.stderr


def test_two_slashes_begin_a_prompt(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("repl", checkpoint, stdin="/set num_samples 2\n/set max_tokens 1\n//\n")
    assert done.returncode == 0
    assert len(done.stdout.split("---")) == 2


def test_a_pipe_can_quit(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen("repl", checkpoint, stdin="/quit\nGRANN\n")
    assert (done.returncode, done.stdout) == (0, "")


# -- in a terminal ----------------------------------------------------------------------------


class Terminal:
    """A program in a pseudo-terminal, and the screen that a person would see."""

    def __init__(self, columns: int, *arguments: object, cwd: Path, **environment: str) -> None:
        self.screen = pyte.Screen(columns, 24)
        self._stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            sys.executable, ["-m", "chargen", *map(str, arguments)], dimensions=(24, columns),
            encoding="utf-8", cwd=cwd, timeout=60,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        self.raw = ""

    def see(self, reached: Callable[[list[str]], bool], patience: float = 60) -> list[str]:
        """The lines of the screen once they are as they should be; fails after a silence."""
        while not reached(self.lines):
            try:
                data = self.child.read_nonblocking(4096, timeout=patience)
            except (pexpect.TIMEOUT, pexpect.EOF) as ended:
                raise AssertionError("never seen; the screen:\n" + "\n".join(self.lines)) from ended
            self.raw += data
            self._stream.feed(data)
            if "\x1b[6n" in data:  # prompt_toolkit asks where the cursor is, as of a terminal
                self.child.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")
        return self.lines

    def see_text(self, text: str) -> list[str]:
        return self.see(lambda lines: any(text in line for line in lines))

    def see_prompt(self, patience: float = 60) -> list[str]:
        """Wait for an empty prompt on the last line that has anything."""
        return self.see(lambda lines: [line for line in lines if line][-1:] == [">"], patience)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def leave(self) -> int:
        """Send Ctrl-D and return the exit code."""
        for _ in range(20):
            # A key that falls between two prompts, where no one reads, is lost: press again.
            self.child.sendeof()
            if self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=3) == 0:
                break
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


@contextmanager
def talking(columns: int, *arguments: object, cwd: Path, **environment: str) -> Iterator[Terminal]:
    terminal = Terminal(columns, *arguments, cwd=cwd, **environment)
    try:
        yield terminal
    finally:
        terminal.child.close(force=True)


@pytest.mark.parametrize("columns", [40, 80])
def test_talking_in_a_terminal(checkpoint: Path, tmp_path: Path, columns: int) -> None:
    with talking(columns, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_prompt()
        terminal.child.sendline("/set temperature 0")
        terminal.see_text("temperature is 0.0")
        terminal.child.sendline("/set max_tokens 5")
        terminal.see_text("max_tokens is 5")
        terminal.child.sendline("The strawberry is")
        terminal.see_text("The strawberry is red.")
        terminal.child.sendline("/nonsense")
        terminal.see_text("there is no command")
        terminal.child.sendline("/beams 2")
        terminal.child.sendline("The sky is")
        terminal.see_text("nats")
        terminal.see_text("% ")
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_ctrl_c_stops_the_text_and_keeps_the_session(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_prompt()
        terminal.child.sendline("/set max_tokens 1000000")
        terminal.see_text("max_tokens is 1000000")
        terminal.child.sendline("The ")
        terminal.see(lambda lines: sum("is" in line for line in lines) > 4)
        terminal.child.sendintr()
        terminal.see_prompt()
        terminal.child.send("half a line")
        terminal.see_text("half a line")
        terminal.child.sendintr()
        terminal.see_prompt()
        terminal.child.sendline("/set max_tokens")
        terminal.see_text("max_tokens is 1000000")
        assert terminal.leave() == 0


def test_tab_completes_commands_and_settings(checkpoint: Path, tmp_path: Path) -> None:
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_prompt()
        for typed, completed in (("/se", "> /set"), (" max", "> /set max_tokens")):
            terminal.child.send(typed)
            terminal.see_text(completed.split()[-1])  # in the menu
            terminal.child.send("\t")
            terminal.see_text(completed)
        terminal.child.send(" 7\r")
        terminal.see_text("max_tokens is 7")


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN])
def test_ctrl_c_ends_a_long_search(
    checkpoint: Path, tmp_path: Path, inherited: signal.Handlers
) -> None:
    before = signal.signal(signal.SIGINT, inherited)
    try:
        terminal = Terminal(80, "repl", checkpoint, cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    with closing(terminal.child):
        terminal.see_prompt()
        terminal.child.sendline("/set max_tokens 1000000")
        terminal.child.sendline("/beams 8")
        terminal.see_text("beams is 8")
        terminal.child.sendline("The ")
        terminal.see_text("> The")
        for _ in range(20):
            # A signal that falls between two prompts is lost in asyncio; a person presses again.
            terminal.child.sendintr()
            with suppress(AssertionError):
                terminal.see_prompt(patience=3)
                break
        terminal.see_prompt()
        assert terminal.leave() == 0


def test_history_is_kept_and_no_color_is_honoured(checkpoint: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "NO_COLOR": "1"}
    with talking(80, "repl", checkpoint, cwd=tmp_path, **state) as terminal:
        terminal.see_prompt()
        terminal.child.sendline("/set max_tokens 3")
        terminal.see_text("max_tokens is 3")
        terminal.child.sendline("GRANNY remembers")
        terminal.see(lambda lines: sum("GRANNY remembers" in line for line in lines) == 2)
        terminal.see_prompt()
        assert terminal.leave() == 0
        assert "\x1b[32m" not in terminal.raw
    with talking(80, "repl", checkpoint, cwd=tmp_path, **state) as terminal:
        terminal.see_prompt()
        terminal.child.send("\x1b[A")
        terminal.see_text("> GRANNY remembers")


def test_a_bare_chargen_talks_to_the_newest_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    with talking(80, cwd=tmp_path) as terminal:
        terminal.see_text("checkpoints/mine")
        terminal.see_prompt()
        terminal.child.sendline("/quit")
        terminal.child.expect(pexpect.EOF)


def test_the_training_display(corpus_file: Path, tmp_path: Path) -> None:
    arguments = ["--hidden-size", 32, "--batch-size", 4, "--bptt", 16, "--steps", 150]
    with talking(80, "train", corpus_file, "--out", "run", *arguments, cwd=tmp_path) as terminal:
        terminal.see_text("talk to it: chargen repl run")
        screen = "\n".join(terminal.lines)
    for part in ("training on tiny", "parameters", "100%", "bits/byte", "tokens/s", "validation"):
        assert part in screen
    assert any("\u2800" < letter <= "\u28ff" for letter in screen), "a curve is drawn"
