"""A prompt where the terminal moves no cursor: its own line editing is all that there is."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from chargen.display.text import TextPrinter
from chargen.repl.keys import LEAVES, Leaving
from chargen.repl.quotes import is_open


class LinePrompt:
    """Asks for a line, as `KeyPrompt` does; the terminal shows it, or what is before it does."""

    keeps_lines = True

    def __init__(
        self, mark: Callable[[], str], printer: TextPrinter, leaving: Leaving, keys: str
    ) -> None:
        self.keys = keys  # there are none, whatever they are called
        self._mark = mark
        self._printer = printer
        self._leaving = leaving

    def ask(self, draft: str = "") -> str:
        """What the user writes; a `draft` is shown before it, to be written again. Raises
        EOFError."""
        if draft:
            self._printer.say(draft, style="dim")
        while not self._leaving.due:
            if self._leaving.warned:
                self._printer.say(LEAVES)
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                text = _read_line(self._mark())
                while is_open(text):
                    text += "\n" + _read_line("... ")
                self._leaving.stay()
                return text
            except KeyboardInterrupt:
                print(flush=True)
                self._leaving.interrupt()
            finally:
                signal.signal(signal.SIGINT, before)
        raise EOFError

    def redraw(self) -> None:
        """There is nothing to be drawn."""

    def give_up(self) -> None:
        """The line that is being written is the last one."""

    def drop_interrupted(self) -> bool:
        """The terminal drops by itself what Ctrl-C makes void."""
        return False


def _read_line(mark: str) -> str:
    """Raises EOFError, KeyboardInterrupt."""
    sys.stdout.write(mark)
    sys.stdout.flush()
    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")
