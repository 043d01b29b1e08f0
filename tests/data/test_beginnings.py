"""Texts begin where documents do, or paragraphs, lines, sentences, words; never elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.data.beginnings import DOCUMENTS_SLICE, SCANNED_FOR_UNITS, find_beginnings
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.tokenizers import MAKERS, tokenizer


def beginnings_of(text: str, tokenizer: Tokenizer) -> list[int]:
    """As places in the bytes of the text, in which "\\0" ends a document."""
    tokens = np.array(
        [
            token
            for number, document in enumerate(text.split("\0"))
            for token in [*([tokenizer.end] if number else []), *tokenizer.encode(document)]
        ]
    )
    before = np.cumsum([0, *(max(1, len(tokenizer.pieces[token])) for token in tokens.tolist())])
    return [int(before[place]) for place in find_beginnings(tokens, tokenizer)]


def places_of(words: str, text: str) -> list[int]:
    """Where in the bytes of the text any of these stand that a text here may begin with."""
    data = text.encode()
    return sorted(
        place
        for word in words.split()
        for place in range(len(data))
        if data.startswith(word.encode(), place)
    )


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("unit", "count", "begin"),
    [
        ("First of\nit.\n\nMore.\0", 40, "First"),  # documents
        ("First of\nit. More.\n\n", 40, "First"),  # paragraphs
        ("First of\r\nit. More.\r\n \t\r\n\r\n", 40, "First"),
        ("First of\rit. More.\r\r", 40, "First"),
        ("First of it. More.\n", 40, "First"),  # lines
        ("First of it. More.\r\n", 40, "First"),
        ("First of it. More.\r", 40, "First"),
        ('First of it." ', 40, "First"),  # sentences
        ("我们明天。", 40, "我"),
        ("first one ", 40, "first one"),  # words
        ("Մենք տուն։ ", 40, "Մենք"),  # in other scripts
        ("日", 40, "日"),  # characters
    ],
)
def test_texts_begin_where_the_largest_units_do(
    kind: str, unit: str, count: int, begin: str
) -> None:
    text = unit * count
    expected = places_of(begin, text)
    found = beginnings_of(text, tokenizer(kind))
    if kind in ("unigram", "bpe"):  # a token may spell a beginning and what stands before it
        assert found and set(found) <= set(expected)
    else:
        assert found == expected


def test_units_of_which_there_are_few_are_not_what_a_text_is_made_of() -> None:
    """A licence of some paragraphs above a list; the books of a library."""
    text = "Some words.\n\n" * 20 + "Item\n" * 20_000
    assert len(beginnings_of(text, ByteTokenizer())) == 20 + 20_000
    library = "\0".join(["A book.\n\n" * 9] * 10)
    assert len(beginnings_of(library, ByteTokenizer())) == 90


def test_prose_that_is_wrapped_does_not_begin_at_its_lines() -> None:
    prose = (
        "The old man went down to the river and sat\n"
        "there for a while. He saw nothing in all that\n"
        "time, and so he went home again to his wife\n"
        "and his two cats, who had not missed him.\n"
    )
    sentences = [prose.find("The"), prose.find("He")]
    expected = [index * len(prose) + place for index in range(40) for place in sentences]
    assert beginnings_of(prose * 40, ByteTokenizer()) == expected
    indented = [index * (len(prose) + 2) for index in range(40)]  # paragraphs
    assert beginnings_of(f"  {prose}" * 40, ByteTokenizer()) == indented


def test_no_text_begins_at_an_empty_document() -> None:
    found = beginnings_of("\0\0\0word\0\0word\0" * 20, ByteTokenizer())
    assert len(found) == 40


def test_of_a_long_text_places_all_over_it_are_found() -> None:
    tokens = np.tile(np.frombuffer(b"Word\n", np.uint8), SCANNED_FOR_UNITS).astype(np.uint16)
    found = find_beginnings(tokens, ByteTokenizer())
    assert (found % 5 == 0).all() and (np.diff(found) > 0).all()
    assert found[0] == 0 and found[-1] > 0.9 * len(tokens)
    assert len(found) <= SCANNED_FOR_UNITS


def test_documents_are_found_wherever_a_text_is_cut_to_be_looked_at() -> None:
    tokenizer = ByteTokenizer()
    document = np.full(1 << 12, ord("x"), np.uint16)
    document[-1] = tokenizer.end
    count = 3 * DOCUMENTS_SLICE // len(document) + 1
    found = find_beginnings(np.tile(document, count), tokenizer)
    assert np.array_equal(found, np.arange(count) * len(document))
