"""Words are whole where they are frequent, in any script, and cut alike wherever a text is cut."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import TokenizerError
from chargen.tokenizers.word import MAX_WORD_LENGTH, WordTokenizer

TEXT = (
    "The strawberry isn't red, it's well-known... 3.14 foo_bar!\n"
    "Свекла красная.\nשָׁלוֹם עולם\nवह पानी पीता है।\tÇa va ?\r\n漢字を書く人。ภาษาไทย\n"
) * 3
MADE = WordTokenizer.train([TEXT], vocab_size=500)
ALPHABET = "ab T'\u2019-.,! \n\r\t_3\u0301éСв\u05e9\u05b8\u0939\u0948漢人ภ\U0001f353"


def cut(text: str, made: WordTokenizer = MADE) -> list[str]:
    return [made.pieces[token].decode(errors="replace") for token in made.encode(text)]


def test_a_word_comes_with_the_space_before_it() -> None:
    assert cut("The strawberry isn't red, it's well-known... 3.14 foo_bar!\n") == [
        "The", " strawberry", " isn't", " red", ",", " it's", " well", "-", "known", "...",
        " 3", ".", "14", " foo_bar", "!", "\n",
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["Свекла красная.", "שָׁלוֹם עולם", "वह पानी पीता है।", "Ça va ?"])
def test_words_of_any_script_are_whole_with_their_marks(line: str) -> None:
    assert cut(line) == re.findall(r" ?(?:[^\s.।?]+|[.।?])", line)


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    for text in ("漢字を書く人。", "ภาษาไทย"):
        assert cut(text) == list(text)


def test_a_rare_word_is_spelled_by_its_parts_or_characters() -> None:
    assert cut("\nstrawberry's well") == [*"\nstrawberry's", " well"]
    assert cut(" strawberry's") == [" strawberry", "'", "s"]
    assert cut("a known; red") == [*"a ", "known", ";", " red"]  # known only without its space
    assert cut(" reds") == list(" reds")
    assert MADE.encode("\U0001f9ff") == list("\U0001f9ff".encode())


def test_the_first_ids_are_bytes_and_the_end() -> None:
    text = "".join(map(chr, range(128)))
    assert WordTokenizer.train([], vocab_size=300).encode(text) == list(range(128))
    assert MADE.end == 256


@given(text=st.text(ALPHABET) | st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_cut_after_a_line_or_before_a_space_is_the_same_tokens(text: str) -> None:
    whole = MADE.encode(text)
    for cuts in ("(?<=\n)", "(?= )"):
        assert [token for part in re.split(cuts, text) for token in MADE.encode(part)] == whole


@given(
    texts=st.lists(st.text(ALPHABET, max_size=60), max_size=4),
    size=st.integers(270, 300),
    other=st.text(ALPHABET),
)
def test_any_text_gives_a_vocabulary_in_its_limit_that_comes_back(
    texts: list[str], size: int, other: str
) -> None:
    made = WordTokenizer.train(texts * 2, vocab_size=size)
    assert made.vocab_size <= size
    assert len(set(made.pieces)) == made.vocab_size
    again = WordTokenizer.deserialize(made.serialize())
    assert again == made
    assert again.encode(other) == made.encode(other)
    assert made.decode(made.encode(other)) == other


def test_the_vocabulary_holds_the_most_frequent_words_in_order() -> None:
    text = "b b b b b a a a a c c c d d e" + "\u00e9\u00e9\u00e8"
    made = WordTokenizer.train([text], vocab_size=500)
    assert (made.letters, made.others, made.words) == ("\u00e9", "", [" a", " b", " c", " d"])
    assert WordTokenizer.train(iter([text]), vocab_size=260).words == [" a", " b"]


def test_a_run_without_blanks_is_no_word_however_long() -> None:
    text = ("x" * (MAX_WORD_LENGTH + 1) + " ") * 3 + "y" * 100_000
    made = WordTokenizer.train([text], vocab_size=300)
    assert made.words == []
    assert made.decode(made.encode(text)) == text


@pytest.mark.parametrize(
    "change",
    [
        {"letters": None},
        {"letters": "a"},
        {"letters": "éé"},
        {"letters": "é", "others": "é"},
        {"others": "\ud800"},
        {"words": None},
        {"words": {"ab": 1}},
        {"words": [" a", " a"]},
        {"words": ["a"]},
        {"words": [""]},
        {"words": [["ab"]]},
        {"words": [None]},
        {"words": ["a b"]},
        {"words": ["\n\n"]},
        {"words": [" \ud800"]},
        {"words": ["x" * (MAX_WORD_LENGTH + 1)]},
        {"words": ["é" * 2], "letters": ""},
    ],
)
def test_a_file_that_was_not_written_so_is_refused(change: dict[str, object]) -> None:
    content = {"kind": "word", "letters": "é", "others": "漢", "words": [" a", "ab"]}
    assert WordTokenizer.deserialize(json.dumps(content).encode()).vocab_size == 261
    with pytest.raises(TokenizerError):
        WordTokenizer.deserialize(json.dumps(content | change).encode())
