"""Ask a model what it knows: prompts, and the answers that it should go on with.

A file of prompts has one JSON object a line: {"prompt": "The sky is", "answer": " blue"}. The model
answers greedily, always by the most likely token. It is right if its text begins with the answer,
and with its last word, of letters and digits, as a whole: " seventeen" is not " seven".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chargen.config import CHARACTER_BYTES, SampleConfig
from chargen.data.utf8 import decode_utf8
from chargen.errors import CorpusError
from chargen.generation.generator import TextGenerator
from chargen.words import word_end

MAX_WORD_CHARS = 32  # characters that are waited for at the end of a word that goes on


@dataclass(frozen=True)
class Prompt:
    """The beginning of a text, and what should come next."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Answer:
    """What a model said to a prompt: its text as far as the answer goes, the last word whole."""

    prompt: str
    answer: str
    text: str
    correct: bool


def read_prompts(path: str | os.PathLike[str]) -> list[Prompt]:
    """The prompts in a file of JSON lines. Raises CorpusError, which names the line."""
    rows = read_pairs(path, ("prompt", "answer"), "prompts", EXAMPLE)
    return [Prompt(prompt, answer) for _, prompt, answer in rows]


EXAMPLE = 'write one per line: {"prompt": "The sky is", "answer": " blue"}'


def read_pairs(
    path: str | os.PathLike[str], names: tuple[str, str], kind: str, example: str
) -> list[tuple[str, str, str]]:
    """From each line of JSON its place and two texts, by their names; the second is never empty.
    Raises CorpusError, which names the line, calls them all a `kind` and shows an `example`."""
    try:
        content = decode_utf8(Path(path).read_bytes(), os.fspath(path), path)
    except OSError as error:
        raise CorpusError(f"cannot read the {kind} {path}: {error.strerror}") from error
    pairs = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise CorpusError(f"{place} is not JSON", hint=example) from None
        match [row.get(name) if isinstance(row, dict) else None for name in names]:
            case [str(first), str(second)] if second and _is_text(first + second):
                pairs.append((place, first, second))
            case _:
                both = " and ".join(names)
                raise CorpusError(f"{place} must have {both}, both texts", hint=example)
    if not pairs:
        raise CorpusError(f"{path} holds no {kind}", hint=example)
    return pairs


def _is_text(text: str) -> bool:
    r"""Whether it can be written in UTF-8: JSON can spell half a character, "\ud800"."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def ask(generator: TextGenerator, prompts: Iterable[Prompt]) -> Iterator[Answer]:
    """The model's answer to each prompt. Raises TokenizerError."""
    for prompt in prompts:
        # No token spells less than a byte, so these are enough.
        room = len(prompt.answer.encode()) + CHARACTER_BYTES * MAX_WORD_CHARS
        config = SampleConfig(temperature=0, max_tokens=room)
        yield judge(prompt, (piece.text for piece in generator.stream(prompt.prompt, config)))


def judge(prompt: Prompt, pieces: Iterable[str]) -> Answer:
    """Compare a text, as it comes, with the answer; no more of it is sampled than is shown."""
    length = len(prompt.answer)
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > length and word_end(text, length) < len(text):
            break
    text = text[: word_end(text, length)]
    return Answer(prompt.prompt, prompt.answer, text, text == prompt.answer)
