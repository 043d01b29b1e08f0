"""What goes after a command: numbers, names of files and checkpoints, words in quotes; and what
may be completed there.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chargen.checkpoint.locate import BUNDLED_MODELS, CHECKPOINTS, is_checkpoint, list_checkpoints
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


class Word(NamedTuple):
    """What may be typed next, how it stands now, and what it means."""

    text: str
    value: str = ""
    meaning: str = ""


Settings = Mapping[str, Any]
Words = Callable[[str, Settings], list[Word]]  # for what is written so far, under the settings


def nothing(written: str, settings: Settings) -> list[Word]:
    return []


def checkpoint_names(written: str, settings: Settings) -> list[Word]:
    meanings = {
        found.folder.name: f"{found.model.cell} on {found.corpus.name}"
        for found in list_checkpoints(CHECKPOINTS)
    }
    for folder, purpose in BUNDLED_MODELS.items():
        if is_checkpoint(folder):
            meanings.setdefault(folder.name, f"bundled: {purpose}")
    return [Word(name, meaning=meaning) for name, meaning in meanings.items()]


def one_of(meanings: Mapping[str, str]) -> Words:
    """The first word after a command, and what each means."""
    words = [Word(text, meaning=meaning) for text, meaning in meanings.items()]
    return lambda written, settings: words if " " not in written else []
