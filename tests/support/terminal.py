"""A program in a real terminal, as a person sees it."""

from __future__ import annotations

import os
import re
import shlex
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import pyte

NOTHING: Mapping[str, str] = {}
CHARGEN = (sys.executable, "-m", "chargen")
SHELL = ("bash", "--norc", "--noprofile", "-i")
# What a read may end with: the beginning of a sequence, whose rest comes with the next read.
UNFINISHED = re.compile(r"\x1b(\[[0-9;>?=]* ?)?\Z")


class Terminal:
    """A program in a pseudo-terminal, and the screen that a person would see."""

    def __init__(
        self, columns: int, *arguments: object, cwd: Path, rows: int = 24,
        environment: Mapping[str, str] = NOTHING, program: Sequence[str] = CHARGEN,
    ) -> None:  # fmt: skip
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            program[0], [*program[1:], *map(str, arguments)], dimensions=(rows, columns),
            encoding="utf-8", codec_errors="replace", cwd=cwd, timeout=30,
            env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(cwd), **environment},
        )  # fmt: skip
        self.child.delaybeforesend = None
        self.raw = ""
        self._begun = ""

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
        data = self._begun + data
        unfinished = UNFINISHED.search(data)
        self._begun = unfinished[0] if unfinished else ""
        data = data.removesuffix(self._begun)
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

    def resize(self, columns: int) -> None:
        """Make the terminal narrower or wider, as with a mouse."""
        self.screen.resize(columns=columns)
        self.child.setwinsize(self.screen.lines, columns)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows by itself what is typed."""
        return bool(termios.tcgetattr(self.child.child_fd)[3] & termios.ECHO)

    @property
    def text(self) -> str:
        """All that is on the screen, in one line."""
        return " ".join(" ".join(self.lines).split())

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
    program: Sequence[str] = CHARGEN,
) -> Iterator[Terminal]:
    """A terminal with the REPL in it, ended at last."""
    terminal = Terminal(
        columns, *arguments, cwd=cwd, rows=rows, environment=environment, program=program
    )
    try:
        yield terminal
        assert "Traceback" not in terminal.raw
    finally:
        terminal.child.close(force=True)


@contextmanager
def in_a_shell(columns: int, *arguments: object, cwd: Path) -> Iterator[Terminal]:
    """The same, started by a shell that has job control."""
    environment = {"PS1": "$ ", "HISTFILE": "/dev/null"}
    with talking(columns, cwd=cwd, environment=environment, program=SHELL) as terminal:
        terminal.child.send(shlex.join([*CHARGEN, *map(str, arguments)]) + "\r")
        yield terminal


def stream_on(terminal: Terminal) -> None:
    """Let the model write a text that has no end."""
    terminal.see_ready()
    terminal.say("/set max_tokens 10000000", "max_tokens is 10000000")
    terminal.child.send("The \r")
    terminal.see(lambda lines: sum("is" in line for line in lines) > 8)
