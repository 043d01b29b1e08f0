"""What a command line points to: prompts, texts, labels, a checkpoint, a file to draw into.

Values in, values out: knows no flags, only what was given with them.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from chargen.config import MAX_PROMPT
from chargen.errors import ConfigError, CorpusError, named
from chargen.options import unescape


def read_prompt(prompt: str | None, path: str | None) -> str:
    """The prompt given on the command line, in a file or on standard input; else none."""
    if prompt is not None:
        return prompt
    if path is None:
        return ""
    try:
        if path == "-":
            content = sys.stdin.buffer.read(MAX_PROMPT + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(MAX_PROMPT + 1)
        if len(content) > MAX_PROMPT:
            raise CorpusError(
                f"the prompt {path} is longer than {MAX_PROMPT:,} bytes",
                hint="give its last part: what is far back is forgotten anyway",
            )
        return content.decode("utf-8").removeprefix("\ufeff")  # the byte order mark
    except OSError as error:
        raise CorpusError(f"cannot read the prompt {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"the prompt {path} is not UTF-8 at byte {error.start}",
            hint="convert it first",
        ) from None


def is_file(text: str) -> bool:
    """Whether a text is not given itself but in a file or on standard input. Raises CorpusError."""
    from chargen.display.console import show_note

    if text == "-" or os.path.isfile(text):
        return True
    if os.path.isdir(text):
        raise CorpusError(f"{text} is a folder", hint="name a file, or give a text")
    if re.fullmatch(r"\S*[./]\S+", text):
        show_note(f"no file {text}; reading it as text")
    return False


def lines_of_stdin() -> Iterator[str]:
    """The texts on standard input, a line each; a line of nothing is none. Raises CorpusError."""
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"line {number} of standard input is not UTF-8 at its byte {error.start}",
                hint="convert it first",
            ) from None
        if text.strip():
            yield text


def split_at_commas(name: str, text: str) -> list[str]:
    """The texts that the flag of this name gives, commas between. Raises ConfigError."""
    try:
        # A line break would end the row; `unescape` brings it back.
        split = next(csv.reader([text.replace("\n", "\\n")], strict=True), [])
    except csv.Error as error:
        raise ConfigError(named(name) + f" cannot be split at its commas: {error}") from None
    return [unescape(part) for part in split]


def checkpoint_or_default(given: str | None) -> Path:
    """The checkpoint that was given, else the one that a bare `chargen` would open."""
    if given is not None:
        return Path(given)
    from chargen.checkpoint.recent import default_checkpoint
    from chargen.display.checkpoints import default_in_words
    from chargen.display.console import show_note

    default = default_checkpoint()
    show_note(default_in_words(default))
    return default.folder


def picture_to_draw(out: str | None, formats: Sequence[str], *, as_json: bool) -> Path | None:
    """The file to draw into, where one is asked for. Raises ConfigError, OutputError."""
    from chargen.display.plots import check_output

    if out is None:
        return None
    if as_json:
        raise ConfigError(named("json", "out") + " cannot be combined", hint="give one")
    path = Path(out)
    check_output(path, formats)
    return path
