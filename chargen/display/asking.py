"""Asks who sits at the terminal: one of a few names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 9  # names that have a number; any other can be written


def ask_who(out: Console, names: Sequence[str], suggested: str) -> str:
    """Who of these the user is: one of the names, or what he wrote instead; Enter takes the one
    that is suggested. Raises KeyboardInterrupt."""
    names = [suggested, *(name for name in names if name != suggested)]
    out.print("Who are you? The model answers as the other.")
    for number, name in enumerate(names[:SHOWN], start=1):
        out.print(Text.assemble((f"  {number} ", "bold"), name))
    if len(names) > SHOWN:
        out.print(Text(f"  or any of {len(names) - SHOWN:,} others, by name", "dim"))
    while True:
        try:
            written = input(f"[{suggested}] ").strip()
        except EOFError:
            out.print()
            return suggested
        if written.isdecimal() and 1 <= int(written) <= min(SHOWN, len(names)):
            return names[int(written) - 1]
        if not written:
            return suggested
        if _is_among(written, names):
            return written
        out.print(Text(f"nobody is called {written!r}, or more than one", "yellow"))


def _is_among(written: str, names: Sequence[str]) -> bool:
    """Whether it is a name, or the beginning of a single one."""
    fitting = [name for name in names if name.casefold().startswith(written.casefold())]
    return len(fitting) == 1 or written.casefold() in map(str.casefold, names)
