"""Where a text ends: the units that readers know, and the limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.generation.stopping import UnitProgress, find_end, safe_length, unit_end
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from tests.generation.test_completion import write
from tests.support.tiny import FewTokens


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
        ("word", " \u092a\u0940\u0924\u093e \u0939\u0948", " \u092a\u0940\u0924\u093e"),
        ("word", "\u0940\u0924\u093e \u0939\u0948", "\u0940\u0924\u093e"),  # on a prompt's letter
        ("word", "e\u0301te\u0301 x", "e\u0301te\u0301"),
        ("word", " \U0001f600\ufe0f no.", " \U0001f600\ufe0f no"),
        ("line", "one\rtwo", "one"),
        (
            "sentence",
            "\u092a\u0940\u0924\u093e \u0939\u0948\u0964 x",
            "\u092a\u0940\u0924\u093e \u0939\u0948\u0964",
        ),
        ("sentence", "\u0645\u0627\u061f \u0645", "\u0645\u0627\u061f"),
        ("sentence", "\u597d\u3002\u201d\u201c\u4f60", "\u597d\u3002\u201d"),
        ("sentence", "\u597d\u3002\u201c\u4f60", "\u597d\u3002"),
        ("sentence", "Gut.\u201c Ja", "Gut.\u201c"),
        ("sentence", "A title\r\n\r\nIt is.", "A title"),
        ("paragraph", "one\ntwo\n\nthree", "one\ntwo"),
        ("paragraph", "one\r\ntwo\r\n\r\nthree", "one\r\ntwo"),
        ("paragraph", "one\rtwo\r\rthree", "one\rtwo"),
        ("paragraph", "one\r\n \r\nthree", "one"),
        ("paragraph", "\n\none\n  \nthree", "\n\none"),
    ],
)
@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharTokenizer("\u00e9\u3002\u0940\u0964")])
def test_a_unit_ends_where_readers_say(
    tokenizer: Tokenizer, unit: str, text: str, expected: str
) -> None:
    pieces, done = write(tokenizer.encode(text), tokenizer, until=unit)
    assert (done.text, done.finish_reason) == (expected, "stop")
    assert "".join(piece.text for piece in pieces) == expected
    assert tokenizer.decode(done.tokens) == expected


@pytest.mark.parametrize("unit", ["word", "sentence", "line", "paragraph"])
@given(
    text=st.text("ab.'\n\r \u3002\u0301\u00e9", max_size=25), least=st.integers(1, 12) | st.none()
)
def test_a_unit_is_the_same_however_the_text_is_cut(
    unit: str, text: str, least: int | None
) -> None:
    tokenizer, pairs = (
        ByteTokenizer(),
        FewTokens(
            "ab",
            "a",
            "b",
            ".",
            "'",
            "\n",
            " ",
            "\n\n",
            "b.",
            "\u3002",
            "\u00e9",
            "' ",
            "a'",
            ".\n",
            "\r",
            "\r\n",
            "\n\r",
            "\u0301",
            "a\u0301",
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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_ends_of_a_stop_text_are_those_of_the_text(end: str) -> None:
    tokenizer = ByteTokenizer()
    for stop in ("\n", "\r\n", "\nYou:", "\n\n"):
        ending = stop.replace("\r", "").replace("\n", end)
        _, done = write(tokenizer.encode(f"red{ending}x"), tokenizer, (stop,))
        assert (done.text, done.finish_reason) == ("red", "stop")
    _, done = write(tokenizer.encode(f"a{end}b"), tokenizer, ("\n\n",), max_tokens=2 + len(end))
    assert done.text == f"a{end}b", "one line end is not two"
    _, done = write(tokenizer.encode(f"{end}b{end}c"), tokenizer, ("\n",), min_chars=1)
    assert done.text == f"{end}b", "past the first, none begins inside it"


@given(text=st.text("ab\u00e9\U0001f353", max_size=12), most=st.integers(1, 14))
def test_so_many_characters_at_most(text: str, most: int) -> None:
    tokenizer = ByteTokenizer()
    pieces, done = write(tokenizer.encode(text), tokenizer, max_chars=most)
    assert done.text == text[:most] == "".join(piece.text for piece in pieces)
    assert tokenizer.decode(done.tokens) == done.text


@pytest.mark.parametrize("unit", ["word", "sentence", "line", "paragraph"])
@given(text=st.text("ab.'\n\r \u3002\u0301", max_size=25))
def test_an_end_is_where_the_unit_ends(unit: str, text: str) -> None:
    cut, reason, _ = find_end(SampleConfig(until=unit), text, 0, 0, UnitProgress())
    assert cut == unit_end(unit, UnitProgress(), text)
    assert reason == (None if cut is None else "stop")


def test_no_more_is_safe_than_what_no_stop_text_can_begin_in() -> None:
    assert safe_length("abc", (), 0) == 3
    assert safe_length("abc", (), 2) == 1
    assert safe_length("abc", ("cd", "bx"), 0) == 2
    assert safe_length("abc", ("bcd", "c!"), 0) == 1
