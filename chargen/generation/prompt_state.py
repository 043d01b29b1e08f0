"""Where a text stands: what the network remembers there, so that the text goes on without being
read again.

Shapes: P parts of the state, H hidden, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from chargen.config import ModelConfig
from chargen.generation.healing import Spellings, spell, take_back
from chargen.nn.engine import Engine, Floats, State, initial_state, read_tokens
from chargen.progress import OnShare, no_progress
from chargen.tokenizers.base import Tokenizer, Tokens

ENCODED_AT_ONCE = 1 << 13  # characters of a text


@dataclass(frozen=True)
class PromptState:
    """A place in a text.

    The network has read all that stands before but for some `unread` tokens, one at least, and the
    `tail`: the text's last bytes, whole characters, where tokens could spell more than them.
    """

    state: State  # (1, P, H)
    unread: tuple[int, ...]
    tail: bytes = b""
    recent: tuple[int, ...] = ()  # the last tokens of the text, which penalties look at
    # Where it would stand without its prompt, before the tail, which `relevance` compares with;
    # None: it has none.
    unprompted: PromptState | None = None


@dataclass(frozen=True)
class DecodingStart:
    """Where texts go on: (1, V) logits and a (1, P, H) state, or the spellings of a prompt's
    end."""

    logits: Floats
    state: State
    spellings: Spellings | None = None


def without_tail(text: str, tail: bytes) -> str:
    """The text without the end that it has in common with a tail."""
    ends = zip(reversed(text), reversed(tail.decode()), strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    return text[: len(text) - common]


def after_tokens(place: PromptState, tokens: Sequence[int]) -> PromptState:
    """The place where these tokens are still to be read, too, with and without its prompt."""
    unprompted = place.unprompted and after_tokens(place.unprompted, tokens)
    return replace(place, unread=(*place.unread, *tokens), unprompted=unprompted)


def document_start(config: ModelConfig, tokenizer: Tokenizer) -> PromptState:
    """Where a document begins: after the end of another."""
    return PromptState(initial_state(config), (tokenizer.end,))


def prefill(
    engine: Engine,
    tokenizer: Tokenizer,
    start: PromptState,
    text: str,
    *,
    heal: bool,
    window: int,
    kept: str | None = None,
    on_progress: OnShare = no_progress,
) -> PromptState:
    """The state after some more text. With `heal` its last word is taken back into the tail, should
    a token go beyond it; `window` tokens are remembered as recent. Where the text is a prompt, its
    end that would stand there without it is `kept`. `on_progress` gets the share that is read, and
    what it raises leaves all as it was.
    """
    if not text and (heal or not start.tail):
        return start
    read = _read_on(engine, tokenizer, start, text, heal, window, on_progress)
    if kept is not None and text:
        # What is spelled anew of the text's end is read there once it is.
        before = without_tail(kept, read.tail)
        unprompted = replace(start, recent=(), unprompted=None)
        if before or start.tail:
            unprompted = _read_on(engine, tokenizer, unprompted, before, False, 0, no_progress)
        return replace(read, unprompted=unprompted)
    if not text and start.unprompted is not None:  # what was the tail is read there, too
        tail = tokenizer.encode(start.tail.decode())
        return replace(read, unprompted=after_tokens(start.unprompted, tail))
    return read


def _read_on(
    engine: Engine,
    tokenizer: Tokenizer,
    start: PromptState,
    text: str,
    heal: bool,
    window: int,
    on_progress: OnShare,
) -> PromptState:
    """The place after some more text; what it would be without a prompt is not looked at."""
    state, unread, recent = start.state, start.unread, start.recent
    for tokens, tail, share in _encoded(tokenizer, start.tail.decode() + text, heal):
        on_progress(share)
        word = tail
        recent = (*recent, *tokens[-window:].tolist())[-window:] if window else ()
        unread = (*unread, *tokens.tolist())
        if unread[:-1]:
            _, state = read_tokens(engine, np.array(unread[:-1]), state)
            unread = unread[-1:]
    return PromptState(state, unread, word, recent)


def start_decoding(engine: Engine, tokenizer: Tokenizer, start: PromptState) -> DecodingStart:
    """What may come next: token by token, so that a text goes on exactly as if it had not been
    interrupted."""
    stepper = engine.start(start.state)
    for token in start.unread:
        logits = stepper.step(np.array([token]))  # (1, V)
    if not start.tail:
        return DecodingStart(logits, stepper.state)
    spellings = spell(engine, tokenizer, start.tail, logits, stepper.state)
    return DecodingStart(logits, stepper.state, spellings)


def encode_prompt(
    tokenizer: Tokenizer, text: str, *, heal: bool, on_progress: OnShare = no_progress
) -> tuple[Tokens, bytes]:
    """The tokens of a prompt as `prefill` reads them, (N,), and the tail that is taken back.
    `on_progress` gets the share that is encoded, and what it raises ends this."""
    parts = []
    for tokens, tail, share in _encoded(tokenizer, text, heal):
        on_progress(share)
        parts.append((tokens, tail))
    return np.concatenate([tokens for tokens, _ in parts]), parts[-1][1]


def _encoded(tokenizer: Tokenizer, text: str, heal: bool) -> Iterator[tuple[Tokens, bytes, float]]:
    """The tokens of a text in pieces, cut between lines or words, and the share up to each end; of
    the last piece without the tail that is taken back, which comes with it."""
    at = 0
    while True:
        stop = at + ENCODED_AT_ONCE
        if stop < len(text):
            # A word begins with the space before it.
            cut = text.rfind("\n", at, stop) + 1 or text.rfind(" ", at + 1, stop)
            stop = cut if cut > at else stop
        stop = min(stop, len(text))
        tokens = tokenizer.encode_array(text[at:stop])
        if stop == len(text):
            word = b""
            if heal:
                kept, word = take_back(tokenizer, tokens.tolist())
                tokens = tokens[: len(kept)]
            yield tokens, word, 1.0
            return
        yield tokens, b"", stop / len(text)
        at = stop
