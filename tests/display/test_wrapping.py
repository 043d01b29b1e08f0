"""Rows end between words, however the text comes; nothing is lost and nothing is doubled."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.text import Text

from chargen.display.wrapping import WordWrap, flow

# No marks: a row of pyte's ends before the one of its last letter, which no terminal's does.
TEXT = st.text(st.sampled_from("aab  \n-\u4e2d\u6587\u3002\u300c\u00e9\t"), max_size=80)


def rows(pieces: list[str], width: int) -> list[str]:
    """What a terminal shows."""
    wrap, screen = WordWrap(), pyte.Screen(width, 200)
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.Stream(screen)
    for piece in pieces:
        for text, _ in wrap.wrap(piece, "", width):
            stream.feed(text)
    return [line.rstrip() for line in screen.display[: screen.cursor.y + 1]]


@given(TEXT, st.integers(2, 24))
@example("ab " * 30, 24)
@example("a" * 23 + "\u4e2d", 24)
def test_words_stay_whole_where_they_fit(text: str, width: int) -> None:
    shown = rows([text], width)
    assert "".join("".join(shown).split()) == "".join(text.split())
    for word in text.split():
        if len(word) <= width and word.isascii():
            assert any(word in row for row in shown)


@given(TEXT, st.integers(2, 24), st.integers(1, 7))
def test_pieces_are_wrapped_as_the_whole(text: str, width: int, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert rows(pieces, width) == rows([text], width)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the sky is blue", ["the sky is", "blue"]),
        ("the strawberries", ["the", "strawberri", "es"]),
        ("the sky, is", ["the sky,", "is"]),
        ("0123456789 0", ["0123456789", "0"]),
        ("\u4e2d" * 7, ["\u4e2d" * 5, "\u4e2d" * 2]),
        ("a " + "\u4e2d" * 4 + "\u3002", ["a " + "\u4e2d" * 3, "\u4e2d\u3002"]),
        ("one\n  two three", ["one", "  two", "three"]),
        ("x = f(a) y = g(b)", ["x = f(a) y", "= g(b)"]),
        ("d\u00e9ja\u0300 vu d\u00e9ja\u0300 vu", ["d\u00e9j\u00e0 vu", "d\u00e9j\u00e0 vu"]),
    ],
)  # fmt: skip
def test_ten_columns(text: str, shown: list[str]) -> None:
    assert [row.replace("a\u0300", "\u00e0") for row in rows([text], 10)] == shown


def test_colours_go_along_with_the_word() -> None:
    wrap = WordWrap()
    for _ in wrap.wrap("> GRA", "dim", 7):
        pass
    written = [styled for styled in wrap.wrap("NNY", "green", 7) if styled[1] is not None]
    assert written[-6:] == [
        ("G", "dim"), ("R", "dim"), ("A", "dim"), ("N", "green"), ("N", "green"), ("Y", "green"),
    ]  # fmt: skip


@given(
    words=st.lists(st.text("abc", min_size=1, max_size=12), max_size=12),
    width=st.integers(12, 40),
)
def test_chunks_flow_into_lines_that_fit(words: list[str], width: int) -> None:
    flown = flow([Text(word) for word in words], "  ", width).plain
    assert flown.split() == words
    assert all(len(line) <= width for line in flown.split("\n"))
