"""The text of a model as people see it: streaming after its prompt, or coloured by surprisal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.cells import cell_len

from chargen.display.console import console, in_lines, in_one_line, show_error
from chargen.display.numbers import percent
from chargen.display.screen import Screen
from chargen.display.wrapping import WordWrap
from chargen.reprs import printable
from chargen.scoring.units import NATS_PER_BIT
from chargen.words import with_lf

if TYPE_CHECKING:  # types alone: an error message waits for nothing that computes
    from chargen.evaluation.surprisal import Surprisal
    from chargen.generation.completion import Completion, Piece

PROMPT_STYLE = "dim"
TEXT_STYLE = "green"
SPACE = "\u2423"  # where a space by itself must be seen
# The style of a text by the bits that it costs, up to each; attributes for where no colours are.
SURPRISAL_STYLES = (
    (1, "green"),
    (3, "yellow"),
    (6, "red underline"),
    (math.inf, "bold red reverse"),
)


class TextPrinter:
    """Prints a prompt and what the model adds to it, told apart by colour.

    In a terminal rows end between words. Where stdout is none it prints the text as it is, without
    the prompt unless that is to be echoed, and messages go to stderr.
    """

    def __init__(self, *, echo: bool = False) -> None:
        self._out = Screen()
        self._messages = self._out if self._out.is_terminal else Screen(stderr=True)
        self._shows_prompt = self._out.is_terminal or echo
        self._line_is_open = False
        self._wrap = WordWrap()
        self._after_cr = False
        self._last_is_long: bool | None = None  # of several texts, the last; None before any
        self._status = ""

    @property
    def is_terminal(self) -> bool:
        return self._out.is_terminal

    def say(self, message: str, style: str = "") -> None:
        """A message of ours, on lines of its own."""
        self._messages.say(printable(message), style)

    def error(self, message: str) -> None:
        """What went wrong, on stderr."""
        self.status("")
        show_error(message)

    def status(self, message: str) -> None:
        """What is being done, in a terminal's last line; an empty one takes it away."""
        if self._out.is_terminal and not self._out.is_dumb_terminal and message != self._status:
            self._out.write("\r\x1b[2K")
            self._out.write(message[: self._out.width - 1], "dim")
            self._status = message

    def prompt(self, text: str, mark: str = "") -> None:
        """The beginning of a text, after the mark that the user wrote it at."""
        if self._shows_prompt:
            self._print(mark, "bold")
            self._print(text, PROMPT_STYLE)

    def recall(self, text: str, mark: str = "") -> None:
        """A text that was there before, on lines of its own; where there is a terminal."""
        if self._out.is_terminal:
            self.prompt(text, mark)
            self.close()

    def echo(self, line: str, mark: str) -> None:
        """A line that the user wrote, after its mark."""
        self._print(mark, "bold")
        self._print(line, "")
        self.close()

    def piece(self, piece: Piece) -> None:
        self._print(piece.text, TEXT_STYLE)

    def sample(self, completion: Completion) -> None:
        """One of several texts, from a line of its own on. Those of one line stand one a line,
        longer ones are set apart."""
        shown = (completion.prompt if self._shows_prompt else "") + completion.text
        is_long = "\n" in with_lf(shown).removesuffix("\n") or (
            self.is_terminal and cell_len(shown) > self._out.width
        )
        if self._last_is_long is not None and (is_long or self._last_is_long):
            self._out.write("---\n")
        self._last_is_long = is_long
        self.prompt(completion.prompt)
        self._print(completion.text, TEXT_STYLE)
        self.close()

    def close(self) -> None:
        """End the line that the text has left open."""
        if self._line_is_open or not self._out.is_terminal:
            self._out.file.write("\n")
        self._out.file.flush()
        self.begin_row()

    def begin_row(self) -> None:
        """Somebody else has written, and ended the line."""
        self._line_is_open = False
        self._after_cr = False
        self._wrap.begin_row()

    def _print(self, text: str, style: str) -> None:
        if not text:
            return
        self.status("")
        shown = text.removeprefix("\n") if self._after_cr else text  # a CRLF may come in two pieces
        if not self._out.is_terminal:
            self._out.write(text)
        elif self._out.is_dumb_terminal:
            self._out.write(in_lines(shown))
        else:
            self._print_wrapped(in_lines(shown), style)
        self._after_cr = text.endswith("\r")
        self._line_is_open = not text.endswith(("\n", "\r"))

    def _print_wrapped(self, text: str, style: str) -> None:
        written = self._wrap.wrap(text, style, self._out.width)
        for shown, run in groupby(written, itemgetter(1)):
            part = "".join(text for text, _ in run)
            self._out.write(part, shown or "")


# -- surprisal --------------------------------------------------------------------------------


def show_surprisals(surprisals: Sequence[Surprisal]) -> None:
    """A text, each part of it coloured by what it cost."""
    from rich.text import Text

    out = console()
    parts = [(_marked(s.text, _style(s.nats)), _style(s.nats)) for s in surprisals]
    out.print(Text.assemble(*parts), soft_wrap=not out.is_terminal)
    if not out.is_terminal:
        return
    legend: list[tuple[str, str] | str] = []
    low = "under"
    for bits, style in SURPRISAL_STYLES:
        words = f"over {low}" if bits == math.inf else f"{low} {bits:g}"
        legend += [(words, style), "  "]
        low = f"{bits:g} to" if bits < 6 else f"{bits:g}"
    out.print(Text.assemble(("bits  ", "dim"), *legend[:-1]))


def show_alternatives(surprisals: Sequence[Surprisal]) -> None:
    """The same a line each, with the most likely at each place."""
    from rich.text import Text

    out = console()
    out.print(Text("   bits  text          most likely there", "dim"), soft_wrap=True)
    for surprisal in surprisals:
        line = Text(f"{surprisal.nats / NATS_PER_BIT:7.2f}  ")
        text = as_label(surprisal.text)
        line.append(text, _style(surprisal.nats)).append(" " * (12 - cell_len(text)))
        for chance in surprisal.most_likely:
            line.append(f"  {as_label(chance.text)}", TEXT_STYLE)
            line.append(f" {percent(chance.probability)}", "dim")
        # What is less likely has no room in a narrow terminal; elsewhere nothing is cut off.
        if out.is_terminal:
            line.truncate(out.width)
        out.print(line, soft_wrap=True)


def _style(nats: float) -> str:
    bits = nats / NATS_PER_BIT
    return next(style for most, style in SURPRISAL_STYLES if bits <= most)


def _marked(text: str, style: str) -> str:
    """The text as it is shown in a style: where a space surprises, it must be seen."""
    text = printable(text) if style == SURPRISAL_STYLES[0][1] else as_label(text)
    return text.replace("\u21b5", "\u21b5\n")


def as_label(text: str) -> str:
    """Some text in one line; a character that would not be seen by a sign for it."""
    return in_one_line(text).replace(" ", SPACE) if text else "(end)"
