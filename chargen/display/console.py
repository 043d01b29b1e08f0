"""Where things are shown: the consoles, errors, notes, JSON lines and progress bars; and text made
harmless for them. Knows nothing of what is shown.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chargen.display.screen import Screen
from chargen.reprs import printable
from chargen.runtime.signals import suspendable
from chargen.words import with_lf

if TYPE_CHECKING:  # types alone: Rich is slow to import, and text needs none of it
    from rich.console import Console

NARROW = 36  # columns in which no table fits


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting, no emoji codes."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def message_console() -> Console:
    """For messages of ours: stdout in a terminal, else stderr, which leaves stdout to texts."""
    out = console()
    return out if out.is_terminal else console(stderr=True)


def show_error(message: str) -> None:
    """One line on stderr; of a list, whose items are indented, each on a line of its own."""
    text = printable(message)
    if "\n  " not in text:
        text = text.replace("\n", " ")
    Screen(stderr=True).say(text, first="chargen: ")


def show_note(message: str) -> None:
    """A line on stderr that is no error."""
    Screen(stderr=True).say(printable(message), "dim")


def print_json(value: object) -> None:
    """One JSON line on stdout; a number that is none becomes null."""
    try:
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # there are such numbers, or paths
        line = json.dumps(_finite(value), ensure_ascii=False)
    print(line, flush=True)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | range):
        return [_finite(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


@contextmanager
def redrawn_in_place(out: Console, on_return: Callable[[], None] = lambda: None) -> Iterator[None]:
    """For a display that hides the cursor: Ctrl-Z gives that back to the shell. `on_return` is
    called once the display has the terminal again, where the shell has written meanwhile."""

    def leave() -> None:
        os.write(out.file.fileno(), b"\x1b[?25h\n")

    def come_back() -> None:
        os.write(out.file.fileno(), b"\x1b[?25l")
        on_return()

    if not out.is_terminal or out.is_dumb_terminal:
        yield
        return
    with suspendable(leave=leave, come_back=come_back):
        yield


class Bar:
    """A progress bar on stderr, for work that reports its share; it may go when that is done."""

    def __init__(self, doing: str, *, stays: bool = True) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        out = console(stderr=True)
        self._shown = ExitStack()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=out,
            disable=not out.is_terminal,
            transient=not stays,
        )
        self._task = self._progress.add_task(doing, total=1.0)

    def update(self, share: float) -> None:
        self._progress.update(self._task, completed=share)

    def show(self, doing: str, share: float) -> None:
        """The same of one of several works, by its name."""
        self._progress.update(self._task, description=doing, completed=share)

    def __enter__(self) -> Self:
        self._shown.enter_context(redrawn_in_place(self._progress.console))
        self._shown.enter_context(self._progress)
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()


# -- harmless text ----------------------------------------------------------------------------


def in_lines(text: str) -> str:
    """The same of a whole text, which may end its lines by CRLF or CR as well."""
    return printable(with_lf(text))


def in_one_line(text: str) -> str:
    """Text made visible as by `printable`, with signs for newlines and tabs."""
    return printable(text).replace("\n", "\u21b5").replace("\t", "\u21e5")
