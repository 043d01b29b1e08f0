"""What stands behind a command: numbers, names of files and checkpoints, words in quotes; and what
may be completed there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from chargen.checkpoint.locate import CHECKPOINTS, list_checkpoints
from chargen.errors import ConfigError


def words_in(text: str) -> list[str]:
    """The words, those in quotes with their spaces. Raises ConfigError."""
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="")
        lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
        return list(lexer)
    except ValueError:
        raise ConfigError("a quote is not closed") from None


def number_from(text: str, least: int, most: int, example: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
        raise ConfigError(
            f"{example.split()[0]} takes a number from {least} to {most}, not {text[:20]!r}",
            hint=f"as in: {example}",
        )
    return int(text)


def path_from(text: str, example: str) -> Path:
    if not text:
        raise ConfigError(f"{example.split()[0]} needs a name", hint=f"as in: {example}")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if "\0" in text:
        raise ConfigError("a name cannot have a NUL in it")
    return Path(os.path.expanduser(text))


# -- completions ------------------------------------------------------------------------------


def checkpoint_names(written: str) -> list[str]:
    return [str(found.folder) for found in list_checkpoints(CHECKPOINTS)]


def one_of(*words: str) -> Callable[[str], list[str]]:
    return lambda written: list(words) if " " not in written else []
