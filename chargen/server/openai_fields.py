"""Bytes to typed records of what a body may hold, or the field that is wrong.

Every body is somebody else's: whatever it is, it becomes a record or an ApiError that names the
field as the client wrote it. Knows no model.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chargen.runtime.files import JsonError, Record, RecordType, decode
from chargen.server.openai_errors import ApiError

MAX_SEARCHED = 1 << 16  # bytes of a body in which what is malformed is looked for by its field
SURROGATE = re.compile("[\ud800-\udfff]")
_NOUNS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


class StreamOptions(Record, frozen=True):
    include_usage: bool | None = None


class Part(Record, frozen=True):
    """Of a message that is given in parts."""

    type: str
    text: str | None = None


class Message(Record, frozen=True):
    role: str
    content: str | list[Part] | None = None


class GenerationBody(Record, frozen=True):
    """What the bodies of both kinds of completion may hold; None is what a client leaves out or
    sends as null. What is not named here is ignored."""

    model: str | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    # Options of SampleConfig.
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    relevance: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram: int | None = None
    penalty_window: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    until: str | None = None
    regex: str | None = None
    charset: str | None = None
    ban: str | list[str] | None = None
    heal: bool | None = None
    beams: int | None = None
    length_penalty: float | None = None
    early_stopping: bool | None = None
    # What is refused where anything is asked for by it.
    tools: Any = None
    functions: Any = None
    response_format: Any = None


class CompletionBody(GenerationBody, frozen=True):
    """Of POST /v1/completions."""

    prompt: str | list[str | int | list[int]] | None = None
    best_of: int | None = None
    echo: bool | None = None
    logprobs: int | bool | None = None
    suffix: Any = None
    messages: Any = None  # of a chat, sent to the wrong path


class ChatBody(GenerationBody, frozen=True):
    """Of POST /v1/chat/completions."""

    messages: list[Message] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class TokenizeBody(Record, frozen=True):
    """Of POST /tokenize."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    return_token_strs: bool | None = None


class DetokenizeBody(Record, frozen=True):
    """Of POST /detokenize."""

    model: str | None = None
    tokens: list[int] | None = None


def read_body(content: bytes, kind: type[RecordType]) -> RecordType:
    """The record that a body spells. Raises ApiError."""
    try:
        with _nothing_collected():
            return decode(content, kind)
    except JsonError as error:
        reason, path = _in_words(error.reason), error.path
        if not content.strip():
            reason = "is empty; it must be a JSON object"
        elif isinstance(error.__cause__, RecursionError):
            reason = "is nested too deeply"
        elif not path and reason == error.reason:  # that of the parser
            reason, path = _find_malformed(content) or (f"is not JSON: {reason}", "")
    about = f"`{path}` " if path else "the body "
    raise ApiError(about + reason, param=path or None)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without garbage collection: while a body becomes millions of lists, looking for such that
    can go takes five times as long as making them, and nobody else gets a turn."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _in_words(reason: str) -> str:
    """What msgspec says, as a person would."""
    if wrong := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        wanted = [_NOUNS.get(kind, kind) for kind in wrong[1].split(" | ") if kind != "null"]
        return f"must be {' or '.join(wanted)}, not {_NOUNS.get(wrong[2], wrong[2])}"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", reason):
        return f"has no `{missing[1]}`"
    return "is out of range" if reason.endswith("out of range") else reason


# -- what is almost JSON ----------------------------------------------------------------------

# Where a value stands: in what, and by which name or index. A name may be as long as the body, so
# that only the one path that is asked for is spelled.
_Place = tuple["_Place | None", str | int]


def _find_malformed(content: bytes) -> tuple[str, str] | None:
    """What is wrong, and the path of the field, where Python's own parser, which takes more than
    JSON allows, gets through: a number that is none, or half of a surrogate pair."""
    if len(content) > MAX_SEARCHED:
        return None
    try:
        # What is no UTF-8 becomes lone surrogates.
        body = json.loads(content.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    left: list[tuple[Any, _Place | None]] = [(body, None)]
    while left:
        value, place = left.pop()
        if isinstance(value, dict):
            left += [(held, (place, name)) for name, held in value.items()]
            left += [(name, place) for name in value]  # are looked at before what they hold
        elif isinstance(value, list):
            left += [(held, (place, index)) for index, held in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            return "must be a number, not NaN or Infinity", _spelled(place)
        elif isinstance(value, str) and SURROGATE.search(value):
            return "has half of a surrogate pair, or a byte that is not UTF-8", _spelled(place)
    return None


def _spelled(place: _Place | None) -> str:
    """As in messages[2].content."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(f".{step}" if isinstance(step, str) else f"[{step}]")
    return "".join(reversed(steps)).removeprefix(".")
