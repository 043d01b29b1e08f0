"""Rows that end between words: of a text that comes a piece at a time, of a whole, and of chunks.

A word of such a text is shown as it is written. Where it turns out not to fit, it is taken off the
end of its row and written again on the next one. Knows the width of characters; prints nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from rich.text import Text

Styled = tuple[str, str | None]  # some text and its style; None: it is for the terminal, as it is
TAB = 8  # columns
ZERO_WIDTH_JOINER = "\u200d"
_OPENS, _CLOSES = ("Ps", "Pi"), ("Pe", "Pf", "Po")  # punctuation, by Unicode's categories


class WordWrap:
    """Where the cursor is and what word it is in, from the beginning of a row on."""

    def __init__(self) -> None:
        self._column = 0
        self._word: list[tuple[str, str]] = []  # its characters so far, with their styles
        self._word_column = 0  # where it begins
        self._last = ""  # character

    def begin_row(self) -> None:
        """Whatever was before, the cursor is at the beginning of a row."""
        self._column = 0
        self._begin_word()

    def wrap(self, text: str, style: str, width: int) -> Iterator[Styled]:
        """What to write for some more text, in a terminal of so many columns."""
        for parts in (self._write(character, style, width) for character in text):
            yield from parts

    def _begin_word(self) -> None:
        self._word, self._word_column, self._last = [], self._column, ""

    def _write(self, character: str, style: str, width: int) -> Iterator[Styled]:
        if character == "\n":
            yield character, style
            self.begin_row()
        elif character in " \t":
            columns = 1 if character == " " else TAB - self._column % TAB
            columns = min(columns, max(0, width - self._column))  # the row's end is a space, too
            if columns:
                yield " " * columns, style
            self._column += columns
            self._begin_word()
        else:
            columns = cell_len(character)
            if _may_break(self._last, character):
                self._begin_word()
            if self._column + columns > width:
                yield from self._move_word()
            if self._column + columns > width:  # a full row the terminal breaks by itself
                if self._column < width:
                    yield "\n", None
                self._column = 0
                self._begin_word()
            yield character, style
            self._column += columns
            self._word.append((character, style))
            self._last = character

    def _move_word(self) -> Iterator[Styled]:
        """To the next row, unless it has this one for itself."""
        if not self._word_column:
            return
        if self._word:
            yield f"\r\x1b[{self._word_column}C\x1b[K", None
        yield "\n", None
        yield from self._word
        self._column -= self._word_column
        self._word_column = 0


def _may_break(before: str, after: str) -> bool:
    """Whether a row may end between two characters without a space: those of Chinese or Japanese,
    but not before what ends a sentence."""
    if not before or before == ZERO_WIDTH_JOINER or 2 not in (cell_len(before), cell_len(after)):
        return False
    if not cell_len(after):
        return False
    return unicodedata.category(before) not in _OPENS and unicodedata.category(after) not in _CLOSES


def folded(text: str, width: int) -> list[str]:
    """The rows of a text in so many columns; a word that is longer is cut."""
    rows = []
    for line in text.expandtabs(TAB).split("\n"):
        row = ""
        for word, space in re.findall(r"(\s*\S+)(\s*)", line):
            if row and cell_len(row + word) > width:
                rows.append(row.rstrip())
                row = ""
            for character in word:
                if cell_len(row + character) > width:
                    rows.append(row.rstrip())
                    row = ""
                row += character
            row += space
        rows.append(row.rstrip())
    return rows


def flow(chunks: Sequence[Text], gap: str, width: int) -> Text:
    """The chunks in lines of at most `width` columns, none of them broken."""
    from rich.text import Text  # with the rest of Rich, whose texts these are

    flown = Text()
    room = width
    for chunk in chunks:
        needed = len(gap) + chunk.cell_len
        if flown and needed > room:
            flown.append("\n")
            room = width - chunk.cell_len
        elif flown:
            flown.append(gap, "dim")
            room -= needed
        else:
            room -= chunk.cell_len
        flown.append_text(chunk)
    return flown
