"""The terminal between two prompts: what is typed then is neither shown nor lost."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chargen.runtime.signals import suspendable


def is_dumb() -> bool:
    """Whether it moves no cursor and knows no keys but letters."""
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown")


class Terminal:
    """The terminal's own line editing, which is off while texts are written: what is typed then is
    kept for the next prompt and not shown in their midst. Ctrl-C and Ctrl-Z stay signals. A dumb
    terminal is left as it is: its own editing is all that it has."""

    def __init__(self, on_return: Callable[[], None] = lambda: None) -> None:
        """`on_return` is called once the shell has given the terminal back, after Ctrl-Z."""
        self._file = sys.stdin.fileno()
        self._on_return = on_return
        self._before = termios.tcgetattr(self._file)
        self._unechoed = termios.tcgetattr(self._file)
        self._lent = False
        if not is_dumb():
            self._unechoed[3] &= ~(termios.ICANON | termios.ECHO)
            self._unechoed[3] |= termios.NOFLSH  # Ctrl-C takes nothing of what was typed
            self._unechoed[6][termios.VMIN], self._unechoed[6][termios.VTIME] = 1, 0

    @contextmanager
    def unechoed(self) -> Iterator[None]:
        """Without it, also after the shell had the terminal for a while."""
        termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
        try:
            with suspendable(leave=self._give, come_back=self._take):
                yield
        finally:
            self._give()

    def mark_pastes(self, on: bool) -> None:
        """Have the terminal say where a paste begins and ends, as it does at a prompt."""
        if not is_dumb():
            # Not by `sys.stdout`, which a signal may find in the midst of a write.
            os.write(sys.stdout.fileno(), b"\x1b[?2004h" if on else b"\x1b[?2004l")

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """For another program, which may be stopped and go on itself."""
        self._give()
        self._lent = True
        try:
            yield
        finally:
            self._lent = False
            self._take()

    def _give(self) -> None:
        if not self._lent:
            self.mark_pastes(False)
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)

    def _take(self) -> None:
        if not self._lent:
            termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
            self.mark_pastes(True)
            self._on_return()
