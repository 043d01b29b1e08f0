"""Stdout or stderr as a place for text: in styles on a terminal, as it is anywhere else.

What is a terminal, how wide it is and whether it shows colours is decided as Rich does. Text alone
needs no more of that, which takes longer to import than a short text to be written.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from chargen.display.wrapping import folded

# By SGR codes, attributes before colours.
STYLES = {
    "": ([], []),
    "bold": ([1], []),
    "dim": ([2], []),
    "green": ([], [32]),
    "bold red": ([1], [31]),
}
WIDTH = 80  # of what has none


class Screen:
    """Where text is written."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr
        self.is_terminal = _is_terminal(self.file)
        is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
        self.is_dumb_terminal = self.is_terminal and is_dumb
        self._has_colours = not os.environ.get("NO_COLOR")

    @property
    def file(self) -> TextIO:
        return sys.stderr if self._stderr else sys.stdout

    @property
    def width(self) -> int:
        """Columns, of a terminal as it is now."""
        if self.is_dumb_terminal:
            return WIDTH
        columns = os.environ.get("COLUMNS", "")
        if columns.isdigit() and int(columns):
            return int(columns)
        for descriptor in range(3):
            with suppress(OSError):
                return os.get_terminal_size(descriptor).columns or WIDTH
        return WIDTH

    def write(self, text: str, style: str = "") -> None:
        """Some text as it is."""
        self.file.write(self._styled(text, style))
        self.file.flush()

    def say(self, text: str, style: str = "", *, first: str = "") -> None:
        """A message on lines of its own, which a terminal ends between words; it may have a `first`
        word that catches the eye."""
        message = first + text
        rows = folded(message, self.width) if self.is_terminal else [message]
        rows[0] = rows[0][len(first) :]
        self.write(first, "bold red")
        self.write("".join(f"{row}\n" for row in rows), style)

    def _styled(self, text: str, style: str) -> str:
        attributes, colours = STYLES[style]
        codes = [*attributes, *(colours if self._has_colours else ())]
        if not codes or not self.is_terminal or self.is_dumb_terminal:
            return text
        begin = f"\x1b[{';'.join(map(str, codes))}m"
        return "\n".join(f"{begin}{row}\x1b[0m" if row else "" for row in text.split("\n"))


def _is_terminal(file: TextIO) -> bool:
    compatible, forced = (os.environ.get(name) for name in ("TTY_COMPATIBLE", "FORCE_COLOR"))
    if compatible in ("0", "1"):
        return compatible == "1"
    return file.isatty() if forced is None else bool(forced)
