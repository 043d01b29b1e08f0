"""Where a text ends, exactly, and that what a stream shows is the text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.generation.writing import Completion, CompletionBuilder, Piece, complete
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.support.tiny import FewTokens


def write(
    tokens: list[int], tokenizer: Tokenizer, stop: tuple[str, ...] = (), **options: Any
) -> tuple[list[Piece], Completion]:
    given: dict[str, Any] = {"max_tokens": 10_000, "stop": stop}
    writer = CompletionBuilder(tokenizer, SampleConfig(**(given | options)))
    pieces = [piece for token in tokens if (piece := writer.add(token, -1.0)) is not None]
    return pieces, complete("", pieces, writer)


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


def test_a_cut_off_character_shows_only_at_the_very_end() -> None:
    tokenizer = ByteTokenizer()
    pieces, done = write(list("é🍓".encode())[:-1], tokenizer, (), max_tokens=5)
    assert [(piece.text, len(piece.tokens)) for piece in pieces] == [("é", 2), ("\ufffd", 3)]
    assert done.finish_reason == "length"


# -- a word, a sentence, a line, a paragraph ----------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("word", " red. The", " red"),
        ("word", "erry is", "erry"),
        ("word", ". The sky", ". The"),
        ("word", " don't know", " don't"),
        ("word", " 'tis' so", " 'tis"),
        ("word", " dogs' tails", " dogs"),
        ("word", " well-known- x", " well-known"),
        ("word", " caf\u00e9!", " caf\u00e9"),
        ("word", " snake_case x", " snake_case"),
        ("line", "one\ntwo", "one"),
        ("line", "\n\none\ntwo", "\n\none"),
        ("line", "one\r\ntwo", "one"),
        ("sentence", " It is 3.14 now. And", " It is 3.14 now."),
        ("sentence", ' "Stop!" he said.\nAnd', ' "Stop!"'),
        ("sentence", ' He said "Stop!".) And', ' He said "Stop!".)'),
        ("sentence", "A title\n\nIt is.", "A title"),
        ("sentence", "two\nlines. x", "two\nlines."),
        ("sentence", "\u7d42\u308f\u308a\u3002\u6b21", "\u7d42\u308f\u308a\u3002"),
        ("paragraph", "one\ntwo\n\nthree", "one\ntwo"),
        ("paragraph", "\n\none\n  \nthree", "\n\none"),
    ],
)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("\u00e9\u3002")])
def test_a_unit_ends_where_readers_say(
    tokenizer: Tokenizer, unit: str, text: str, expected: str
) -> None:
    pieces, done = write(tokenizer.encode(text), tokenizer, until=unit)
    assert (done.text, done.finish_reason) == (expected, "stop")
    assert "".join(piece.text for piece in pieces) == expected
    assert tokenizer.decode(done.tokens) == expected


@pytest.mark.parametrize("unit", ["word", "sentence", "line", "paragraph"])
@given(text=st.text("ab.'\n \u3002\u00e9", max_size=25), least=st.integers(1, 12) | st.none())
def test_a_unit_is_the_same_however_the_text_is_cut(
    unit: str, text: str, least: int | None
) -> None:
    tokenizer, pairs = (
        ByteTokenizer(),
        FewTokens(
            "ab", "a", "b", ".", "'", "\n", " ", "\n\n", "b.", "\u3002", "\u00e9", "' ", "a'", ".\n"
        ),
    )
    texts = []
    for each in (tokenizer, pairs):
        tokens = each.encode(text)
        most = max(1, len(tokens))
        texts.append(write(tokens, each, until=unit, min_chars=least, max_tokens=most))
    [(_, by_bytes), (pieces, by_pairs)] = texts
    assert by_bytes.text == by_pairs.text == "".join(piece.text for piece in pieces)
    assert text.startswith(by_bytes.text)
    if by_bytes.finish_reason == "stop":
        assert len(by_bytes.text) >= (least or 0)


def test_what_may_be_no_part_of_the_unit_is_held_back() -> None:
    tokenizer = ByteTokenizer()
    pieces, _ = write(tokenizer.encode("don't "), tokenizer, until="word")
    assert [piece.text for piece in pieces] == ["d", "o", "n", "'t"]
    pieces, _ = write(tokenizer.encode("a\n \nb"), tokenizer, until="paragraph")
    assert [piece.text for piece in pieces] == ["a"]


@given(text=st.text("ab\u00e9\U0001f353", max_size=12), most=st.integers(1, 14))
def test_so_many_characters_at_most(text: str, most: int) -> None:
    tokenizer = ByteTokenizer()
    pieces, done = write(tokenizer.encode(text), tokenizer, max_chars=most)
    assert done.text == text[:most] == "".join(piece.text for piece in pieces)
    assert tokenizer.decode(done.tokens) == done.text


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
    writer = CompletionBuilder(tokenizer, SampleConfig())
    piece = writer.add(1, -2.0, inside=4)
    assert piece == Piece("NY", (1,), -2.0)
    writer = CompletionBuilder(tokenizer, SampleConfig())
    assert writer.add(0, -2.0, inside=4) is None
    assert writer.add(2, -1.0) == Piece("Y", (2,), -3.0)


def test_a_copy_goes_on_by_itself() -> None:
    tokenizer = ByteTokenizer()
    writer = CompletionBuilder(tokenizer, SampleConfig(stop=("ab!",)))
    for byte in b"xa\xc3":
        writer.add(byte, -1.0)
    twin = writer.copy()
    assert [writer.add(0xA9, -1.0), twin.add(0xA8, -1.0)] == [
        Piece("a\u00e9", (97, 0xC3, 0xA9), -3.0), Piece("a\u00e8", (97, 0xC3, 0xA8), -3.0),
    ]  # fmt: skip
