"""What is shown of a text, piece by piece, is the text, cut where a stop text or limit says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import DEFAULT_TOKENS, SampleConfig
from chargen.generation.completion import Completion, CompletionBuilder, Piece, completion_of
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.support.tiny import FewTokens


def write(
    tokens: list[int], tokenizer: Tokenizer, stop: tuple[str, ...] = (), **options: Any
) -> tuple[list[Piece], Completion]:
    given: dict[str, Any] = {"max_tokens": 10_000, "stop": stop}
    builder = CompletionBuilder(tokenizer, SampleConfig(**(given | options)))
    pieces = [piece for token in tokens if (piece := builder.add(token, -1.0)) is not None]
    return pieces, completion_of("", pieces, builder)


@given(
    text=st.text("abé🍓", min_size=1, max_size=20),
    stops=st.lists(st.text("abé🍓", min_size=1, max_size=4), max_size=3),
)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("éab"[:1])])
def test_stop_texts_cut_exactly_and_never_show(
    tokenizer: Tokenizer, text: str, stops: list[str]
) -> None:
    tokens = tokenizer.encode(text)
    pieces, done = write(tokens, tokenizer, tuple(stops), max_tokens=len(tokens))
    # The first stop text that is complete ends the text; of several at once, the leftmost.
    ends = {stop: text.find(stop) + len(stop) for stop in stops if stop in text}
    if ends:
        first = min(ends.values())
        cut = min(text[:first].find(stop) for stop in ends if stop in text[:first])
        assert (done.text, done.finish_reason) == (text[:cut], "stop")
    else:
        assert (done.text, done.finish_reason) == (text, "length")
    assert "".join(piece.text for piece in pieces) == done.text
    assert all(piece.tokens for piece in pieces)
    assert tokenizer.decode(done.tokens) == done.text
    assert done.logprob == -len(done.tokens)


@given(
    text=st.text("ab\r\né🍓", min_size=1, max_size=12),
    stops=st.lists(st.text("ab\r\né", min_size=1, max_size=3), max_size=2),
    max_chars=st.integers(1, 14) | st.none(),
    min_chars=st.integers(1, 9) | st.none(),
)
def test_the_short_way_of_most_tokens_says_what_the_long_one_does(
    text: str, stops: list[str], max_chars: int | None, min_chars: int | None
) -> None:
    if max_chars is not None and min_chars is not None:
        min_chars = min(min_chars, max_chars)
    config = SampleConfig(stop=tuple(stops), max_chars=max_chars, min_chars=min_chars)
    tokenizer = FewTokens("a", "b", "\r", "\n", "é", "🍓", "ab", "b\n")
    short, long = (CompletionBuilder(tokenizer, config) for _ in range(2))
    long._is_unit = True  # then no token takes the short way
    tokens = [*tokenizer.encode(text), tokenizer.end]
    assert [short.add(token, -1.0) for token in tokens] == [long.add(t, -1.0) for t in tokens]
    assert short.finish_reason == long.finish_reason is not None


def test_text_is_shown_as_soon_as_no_stop_text_can_begin_in_it() -> None:
    tokenizer = ByteTokenizer()
    pieces, _ = write(tokenizer.encode("xa ab"), tokenizer, ("ab!",))
    assert [piece.text for piece in pieces] == [
        "x",
        "a ",
    ]
    pieces, _ = write(tokenizer.encode("xyz"), tokenizer, ())
    assert [piece.text for piece in pieces] == ["x", "y", "z"]


def test_a_token_that_a_stop_text_cuts_is_shown_in_part() -> None:
    pieces, done = write([0, 1, 0], FewTokens("ab", "cd"), ("d",))
    assert [(piece.text, piece.tokens) for piece in pieces] == [("ab", (0,)), ("c", (1,))]
    assert done.finish_reason == "stop"


@given(text=st.text("a\u00e9\u6f22\U0001f353", min_size=1, max_size=6), data=st.data())
@pytest.mark.parametrize("stop", [(), ("!",)])
def test_a_text_that_a_limit_ends_inside_a_character_ends_before_it(
    stop: tuple[str, ...], text: str, data: st.DataObject
) -> None:
    tokenizer = ByteTokenizer()
    tokens = tokenizer.encode(text)
    limit = data.draw(st.integers(1, len(tokens)))
    pieces, done = write(tokens, tokenizer, stop, max_tokens=limit)
    whole = text.encode()[:limit].decode(errors="ignore")
    assert "".join(piece.text for piece in pieces) == done.text == whole
    assert (tokenizer.decode(done.tokens), done.finish_reason) == (whole, "length")
    assert done.logprob == -len(done.tokens), "what is not shown costs nothing"


def test_what_is_no_utf8_in_the_models_own_words_shows() -> None:
    tokenizer = ByteTokenizer()
    _, done = write([*b"a\xe6\xbcb"], tokenizer, max_tokens=4)
    assert (done.text, len(done.tokens)) == ("a\ufffdb", 4)
    _, done = write([*b"a\xe6\xbc", tokenizer.end], tokenizer)
    assert (done.text, done.finish_reason) == ("a\ufffd", "end"), "the document ended inside it"


def test_a_default_never_beats_what_was_asked_for() -> None:
    tokenizer = ByteTokenizer()
    tokens = tokenizer.encode("\u00e9" * 3 * DEFAULT_TOKENS + "\n\n")
    for options, length in (
        ({}, DEFAULT_TOKENS // 2),
        ({"max_chars": 300}, 300),
        ({"min_chars": 300}, 300),
        ({"min_chars": 9}, DEFAULT_TOKENS // 2),
        ({"min_chars": 300, "max_chars": 400}, 400),
        ({"until": "paragraph"}, 3 * DEFAULT_TOKENS),
        ({"max_tokens": 20, "max_chars": 300}, 10),
        ({"max_tokens": 20, "min_chars": 300}, 10),
        ({"max_tokens": 20, "until": "paragraph"}, 10),
    ):
        _, done = write(tokens, tokenizer, **({"max_tokens": None} | options))
        assert len(done.text) == length, options


def test_the_first_of_several_ends_ends_the_text() -> None:
    tokenizer = ByteTokenizer()
    cases: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"stop": ("c",), "max_chars": 2}, ("ab", "length")),
        ({"stop": ("b",), "max_chars": 2}, ("a", "stop")),
        ({"stop": ("a",), "min_chars": 2}, ("abc ", "stop")),
        ({"stop": ("d",), "until": "word"}, ("abc", "stop")),
        ({"stop": ("d",), "until": "word", "max_tokens": 2}, ("ab", "length")),
    ]
    for options, expected in cases:
        _, done = write(tokenizer.encode("abc aba d"), tokenizer, **options)
        assert (done.text, done.finish_reason) == expected


def test_what_stands_in_the_prompt_is_not_shown() -> None:
    tokenizer = FewTokens("GRAN", "GRANNY", "Y")
    builder = CompletionBuilder(tokenizer, SampleConfig())
    piece = builder.add(1, -2.0, inside=4)
    assert piece == Piece("NY", (1,), -2.0)
    builder = CompletionBuilder(tokenizer, SampleConfig())
    assert builder.add(0, -2.0, inside=4) is None
    assert builder.add(2, -1.0) == Piece("Y", (2,), -3.0)


def test_a_copy_goes_on_by_itself() -> None:
    tokenizer = ByteTokenizer()
    builder = CompletionBuilder(tokenizer, SampleConfig(stop=("ab!",)))
    for byte in b"xa\xc3":
        builder.add(byte, -1.0)
    twin = builder.copy()
    assert [builder.add(0xA9, -1.0), twin.add(0xA8, -1.0)] == [
        Piece("a\u00e9", (97, 0xC3, 0xA9), -3.0),
        Piece("a\u00e8", (97, 0xC3, 0xA8), -3.0),
    ]
