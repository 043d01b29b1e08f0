"""A text ends in the engine where it ends in Python."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from chargen.config import UNITS, SampleConfig
from chargen.generation.stopping import UnitProgress, find_end, safe_length
from chargen.words import begins_word, closes, in_word
from tests.support.browser import open_browser, open_engine

LETTERS = "ab.!'\n\r \u3002\u0301\u00e9\U0001f353\U00020000\"\u201c\u201d)\u2026-_\u00a0"
TEXTS = st.text(LETTERS, max_size=20)
STOPS = st.lists(st.text("ab.\n\r \U0001f353", min_size=1, max_size=4), max_size=3)
COUNTS = st.none() | st.integers(1, 12)


@pytest.fixture(scope="module")
def engine() -> Iterator[Page]:
    with open_browser() as browser, open_engine(browser) as page:
        yield page


def units(text: str) -> int:
    """How many UTF-16 code units, as JavaScript counts."""
    return len(text.encode("utf-16-le")) // 2


@st.composite
def cases(draw: st.DrawFn) -> tuple[SampleConfig, list[str], int]:
    """A config, a text as it comes in pieces, and how many characters were given before."""
    most, least = draw(COUNTS), draw(COUNTS)
    if most and least and least > most:
        most, least = least, most
    config = SampleConfig(
        stop=tuple(draw(STOPS)),
        until=draw(st.none() | st.sampled_from(UNITS)),
        max_chars=most,
        min_chars=least,
    )
    pieces = draw(st.lists(st.text(LETTERS, max_size=8), max_size=5))
    # The limit has not been reached before.
    return config, pieces, draw(st.integers(0, (most or 6) - 1))


@given(rows=st.lists(cases(), max_size=20))
def test_a_text_ends_where_it_ends_in_python(
    engine: Page, rows: list[tuple[SampleConfig, list[str], int]]
) -> None:
    """Piece by piece, until it ends."""
    found = engine.evaluate(
        """(rows) => rows.map(([options, pieces, given]) => {
            let [held, progress] = ["", UNIT_START];
            const ends = [];
            for (const piece of pieces) {
                const end = findEnd(options, held + piece, held.length, given, progress);
                ({progress} = end);
                held += piece;
                ends.push([end.cut, end.reason, progress.stage, progress.pending,
                    safeLength(held, options.stop, progress.pending)]);
                if (end.reason) break;
            }
            return ends;
        })""",
        [[options(config), pieces, before] for config, pieces, before in rows],
    )
    for (config, pieces, before), ends in zip(rows, found, strict=True):
        held, progress, expected = "", UnitProgress(), []
        for piece in pieces:
            new_from = len(held)
            held += piece
            cut, reason, progress = find_end(config, held, new_from, before, progress)
            safe = safe_length(held, config.stop, progress.pending)
            place = None if cut is None else units(held[:cut])
            expected.append([place, reason, *progress, units(held[:safe])])
            if reason:
                break
        assert ends == expected


def options(config: SampleConfig) -> dict[str, Any]:
    names = ("stop", "until", "max_chars", "min_chars")
    return {name: getattr(config, name) for name in names}


@given(rows=st.lists(st.tuples(TEXTS, STOPS), max_size=20))
def test_what_may_be_a_stop_text_is_held_back_as_in_python(
    engine: Page, rows: list[tuple[str, list[str]]]
) -> None:
    found = engine.evaluate(
        "(rows) => rows.map(([held, stops]) => safeLength(held, stops, 0))",
        [list(row) for row in rows],
    )
    assert found == [units(held[: safe_length(held, stops, 0)]) for held, stops in rows]


def test_a_character_is_what_it_is_in_python(engine: Page) -> None:
    """All that Python's Unicode knows and a newer one has left as they were."""
    names = ["beginsWord", "inWord", "isBlank", "spaced", "closes", "isUpper"]
    rows = engine.evaluate(
        """(last) => {
            const isUpper = (letter) => /^\\p{Uppercase}/u.test(letter);
            const kinds = [beginsWord, inWord, isBlank, (c) => closes(c, true),
                (c) => closes(c, false), isUpper];
            return kinds.map((is) => {
                const found = [];
                for (let code = 0; code <= last; code++) {
                    if (is(String.fromCodePoint(code))) found.push(code);
                }
                return found.join();
            });
        }""",
        sys.maxunicode,
    )
    known = [code for code in range(sys.maxunicode + 1) if is_known(chr(code))]
    expected = [
        begins_word,
        in_word,
        str.isspace,
        lambda letter: closes(letter, spaced=True),
        lambda letter: closes(letter, spaced=False),
        str.isupper,
    ]
    for name, row, is_so in zip(names, rows, expected, strict=True):
        codes = set(map(int, row.split(",")))
        wrong = [code for code in known if (code in codes) != is_so(chr(code))]
        assert wrong == [], name


def is_known(character: str) -> bool:
    return unicodedata.category(character) not in ("Cn", "Cs")
