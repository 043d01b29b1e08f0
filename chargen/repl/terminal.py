"""The terminal between two prompts: what is typed then is neither shown nor lost."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager


def is_dumb() -> bool:
    """Whether it moves no cursor and knows no keys but letters."""
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown")


class Terminal:
    """The terminal's own line editing, which is off while texts are written: what is typed then is
    kept for the next prompt and not shown in their midst. Ctrl-C stays a signal."""

    def __init__(self) -> None:
        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        self._unechoed = termios.tcgetattr(self._file)
        self._unechoed[3] &= ~(termios.ICANON | termios.ECHO)
        self._unechoed[3] |= termios.NOFLSH  # Ctrl-C takes nothing of what was typed
        self._unechoed[6][termios.VMIN], self._unechoed[6][termios.VTIME] = 1, 0

    @contextmanager
    def unechoed(self) -> Iterator[None]:
        termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
        try:
            yield
        finally:
            self.mark_pastes(False)
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)

    def mark_pastes(self, on: bool) -> None:
        """Have the terminal say where a paste begins and ends, as it does at a prompt."""
        if not is_dumb():
            sys.stdout.write(f"\x1b[?2004{'h' if on else 'l'}")
            sys.stdout.flush()

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """For another program."""
        self.mark_pastes(False)
        termios.tcsetattr(self._file, termios.TCSANOW, self._before)
        try:
            yield
        finally:
            termios.tcsetattr(self._file, termios.TCSANOW, self._unechoed)
            self.mark_pastes(True)
