"""Tokens and their log-probabilities as the OpenAI API writes them, in both of its forms.

Every token has a name: its text; `bytes:\\xe4` where it is a part of a character; END_TOKEN where
it ends the document. Names are for people, bytes are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from chargen.generation.batch import TokenScore
from chargen.tokenizers.base import StreamDecoder, Tokenizer

END_TOKEN = "<|endoftext|>"
MIN_LOGPROB = -9999.0  # what OpenAI writes for what is out of all bounds; JSON has no -inf


class ScoredToken(NamedTuple):
    """A token of an answer, and how many characters of the answer stand before it."""

    score: TokenScore
    offset: int


def token_name(tokenizer: Tokenizer, token: int) -> str:
    if token == tokenizer.end:
        return END_TOKEN
    text = tokenizer.texts[token]
    if text is not None:
        return text
    return "bytes:" + "".join(f"\\x{byte:02x}" for byte in tokenizer.pieces[token])


def split_text(
    tokenizer: Tokenizer, text: str, scores: Sequence[TokenScore], offset: int
) -> Iterator[tuple[str, list[ScoredToken]]]:
    """A text, `offset` characters into an answer, and the tokens that spell it: token by token,
    but for those that share a character. The first may begin before the text, the last may go
    beyond it."""
    if len(scores) < 2:
        yield text, [ScoredToken(score, offset) for score in scores]
        return
    spelled = b"".join(tokenizer.pieces[score.token] for score in scores)
    # A token that begins inside the prompt: what it says there is left out.
    skip = max(0, 0 if spelled.startswith(text.encode()) else spelled.find(text.encode()))
    decoder = StreamDecoder(tokenizer)
    given = 0
    end = 0  # of what is spelled so far
    group: list[ScoredToken] = []
    for index, score in enumerate(scores):
        group.append(ScoredToken(score, offset + min(end, len(text))))
        left_out = min(skip, len(tokenizer.pieces[score.token]))
        skip -= left_out
        end += len(decoder.feed(score.token, left_out))
        is_last = index == len(scores) - 1
        if is_last or not decoder.inside_character:
            cut = len(text) if is_last else min(end, len(text))
            yield text[given:cut], group
            given, group = cut, []


def completion_logprobs(tokenizer: Tokenizer, tokens: Sequence[ScoredToken]) -> dict[str, Any]:
    """The form of completions: lists side by side, with null for what is not known."""
    scores = [token.score for token in tokens]
    return {
        "tokens": [token_name(tokenizer, score.token) for score in scores],
        "token_logprobs": [_finite(score.logprob) for score in scores],
        "top_logprobs": [_by_name(tokenizer, score) for score in scores],
        "text_offset": [token.offset for token in tokens],
    }


def chat_logprobs(
    tokenizer: Tokenizer, tokens: Sequence[ScoredToken], wants_top: bool
) -> dict[str, Any]:
    """The form of chat completions: an object a token."""
    content = []
    for score in (token.score for token in tokens):
        top = score.top if wants_top else ()
        content.append(
            {
                **_entry(tokenizer, score.token, score.logprob),
                "top_logprobs": [_entry(tokenizer, token, logprob) for token, logprob in top],
            }
        )
    return {"content": content, "refusal": None}


def _by_name(tokenizer: Tokenizer, score: TokenScore) -> dict[str, float | None] | None:
    """The most likely tokens by their names. Of two that spell the same the likelier one stands
    for both."""
    if score.logprob is None:
        return None
    named: dict[str, float | None] = {}
    for token, logprob in score.top:
        named.setdefault(token_name(tokenizer, token), _finite(logprob))
    return named


def _entry(tokenizer: Tokenizer, token: int, logprob: float | None) -> dict[str, Any]:
    return {
        "token": token_name(tokenizer, token),
        "logprob": _finite(logprob),
        "bytes": list(tokenizer.pieces[token]),
    }


def _finite(logprob: float | None) -> float | None:
    return None if logprob is None else max(logprob, MIN_LOGPROB)
