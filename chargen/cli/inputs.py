"""What a command line points to: prompts, texts, labels, a checkpoint, a file to draw into.

Values in, values out: knows no flags, only what was given with them.
"""

from __future__ import annotations

import csv
import io
import os
import re
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from chargen.config import MAX_PROMPT
from chargen.data.utf8 import decode_utf8
from chargen.errors import ConfigError, CorpusError, named
from chargen.options import unescape

PIPE_SECONDS = 10.0  # in which the first of a prompt should come: who writes it may load a model


def read_prompt(prompt: str | None, path: str | None) -> str:
    """The prompt given on the command line, in a file, or piped in; else none. Raises
    CorpusError."""
    if prompt is not None:
        return prompt
    if path == "-":
        return _decoded_prompt(sys.stdin.buffer.read(MAX_PROMPT + 1), "on standard input")
    if path is None:
        return _piped_prompt()
    try:
        with open(path, "rb") as file:
            return _decoded_prompt(file.read(MAX_PROMPT + 1), path)
    except OSError as error:
        raise CorpusError(f"cannot read the prompt {path}: {error.strerror}") from error


def _piped_prompt() -> str:
    """What comes on standard input, without its last newline, as from `echo`; else nothing.

    Whoever starts a program may leave it anything there: a terminal or a device, such as /dev/null,
    is not read, and what is empty or closed is no prompt. Who sits at a terminal has piped
    something in, for which we wait. Where nobody does, a pipe in which nothing comes is mostly held
    open by cron, CI or a service that will never write to it, so after some seconds there is no
    prompt, and a note says so. `--prompt-file -` asks for one and waits; `< /dev/null` says that
    there is none, which also belongs into a shell's loop over lines on standard input. Raises
    CorpusError on what is not UTF-8 or too long.
    """
    with suppress(OSError, ValueError):  # it is closed, or not to be read
        if _is_stdin_ready():
            text = _decoded_prompt(sys.stdin.buffer.read(MAX_PROMPT + 1), "on standard input")
            return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")
    return ""


def _is_stdin_ready() -> bool:
    """Whether standard input is a pipe or a file in which something comes, if only its end."""
    from chargen.display.console import show_note

    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:  # it is in memory
        return True
    if stat.S_IFMT(os.fstat(descriptor).st_mode) not in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
        return False
    if select.select([descriptor], [], [], PIPE_SECONDS)[0]:
        return True
    waits = sys.stderr.isatty()
    show_note(
        "waiting for a prompt on standard input; for none, add < /dev/null"
        if waits
        else f"nothing came on standard input for {PIPE_SECONDS:g} seconds, so there is no prompt; "
        "--prompt-file - waits for one; for none, add < /dev/null"
    )
    return waits


def _decoded_prompt(content: bytes, where: str) -> str:
    if len(content) > MAX_PROMPT:
        raise CorpusError(
            f"the prompt {where} is longer than {MAX_PROMPT:,} bytes",
            hint="give only its last part: a model forgets what is far back",
        )
    return decode_utf8(content, f"the prompt {where}", where)


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
        # A line break would end the row; no command line holds a NUL.
        split = next(csv.reader([text.replace("\n", "\0")], strict=True), [])
    except csv.Error as error:
        raise ConfigError(named(name) + f" cannot be split at its commas: {error}") from None
    return [unescape(part).replace("\0", "\n") for part in split]


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
