"""Words, sentence ends and line ends as readers of any script know them."""

from __future__ import annotations

import unicodedata

import pytest

from chargen.words import (
    SENTENCE_ENDS,
    SPACED_ENDS,
    closes,
    matching_any_line_end,
    with_lf,
    word_end,
)

# A word of each script, whose letters carry marks.
WORDS = {
    "Hindi": "पीता",
    "Bengali": "বাংলা",
    "Tamil": "தமிழ்",
    "Thai": "ภาษาไทย",
    "Hebrew": "שָׁלוֹם",
    "Arabic": "عَرَبِيّ",
    "Persian": "می\u200cخواهم",  # with the joiner that breaks no word
    "decomposed": unicodedata.normalize("NFD", "crème"),
    "Myanmar": "မြန်မာ",
    "Khmer": "ខ្មែរ",
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_a_word_goes_on_to_its_last_mark(word: str) -> None:
    for at in range(1, len(word) + 1):
        assert word_end(word + " x", at) == len(word)
    assert word_end(f"x {word}", 2) == 2, "no word reaches up to a space"


def test_marks_alone_are_no_word() -> None:
    assert word_end("\u093e\u0964x", 1) == 1
    assert word_end("\u0301", 0) == 0
    assert word_end("a\u200bb", 1) == 1, "a zero-width space stands between words"


def test_marks_that_end_sentences_are_of_all_scripts_and_no_letters() -> None:
    assert set("।॥。！？؟۔።។။։") <= set(SENTENCE_ENDS)
    assert not set(SENTENCE_ENDS) & set(SPACED_ENDS)
    assert {unicodedata.category(mark) for mark in SENTENCE_ENDS} == {"Po"}


def test_quotes_and_brackets_close_a_sentence() -> None:
    assert all(closes(mark, spaced=False) for mark in "\"'”’»›)]}」』】")
    assert closes("“", spaced=True), "as in German"
    assert not closes("“", spaced=False), "in Chinese it opens the next one"
    assert not any(closes(mark, spaced=True) for mark in "([{「a ")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_end_is_one_whatever_it_is(end: str) -> None:
    assert with_lf(f"a{end}b{end}") == "a\nb\n"
    two = matching_any_line_end("\n\n")
    assert two.search(f"a{end}b") is None
    found = two.search(f"a{end}{end}{end}b")
    assert found is not None and found[0] == end * 2
    for stop in ("\n", "\r\n"):
        found = matching_any_line_end(f"{stop}You:").search(f"a{end}You:")
        assert found is not None and found.start() == 1
