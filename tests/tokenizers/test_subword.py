"""Subwords are learned from any text, and sentencepiece changes nothing of what it reads."""

from __future__ import annotations

import pytest

from chargen.errors import TokenizerError
from chargen.tokenizers.subword import SubwordTokenizer


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_subwords_are_learnt_from_one_long_line_without_newline(algorithm: str) -> None:
    line = "the strawberry is red and the banana is yellow " * 3000
    made = SubwordTokenizer.train([line], vocab_size=300, algorithm=algorithm)
    assert len(made.encode(line)) < len(line) / 2
    assert made.decode(made.encode(line)) == line


def test_more_characters_than_a_vocabulary_has_room_for_are_spelled_in_bytes() -> None:
    text = "".join(chr(0x4E00 + index % 2000) for index in range(20_000))
    made = SubwordTokenizer.train([text], vocab_size=400)
    assert made.vocab_size <= 400
    assert made.decode(made.encode(text[:3000])) == text[:3000]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize(
    "text", ["\u6f22\u5b57\u4eee\u540d\n" * 99, "\0\x01ab\n" * 99, "aaaaa\n" * 99]
)
def test_what_a_vocabulary_lacks_comes_back_all_the_same(algorithm: str, text: str) -> None:
    """Spaces too: sentencepiece takes U+2581 for them, and would spell that one's bytes."""
    made = SubwordTokenizer.train([text], vocab_size=300, algorithm=algorithm)
    for other in (" ", "a b", "  two  spaces ", "\u2581 \u2581", "\u6f22 \u5b57", "\0 \t\r\n"):
        assert made.decode(made.encode(other)) == other
    assert SubwordTokenizer(made.serialize()) == made


def test_a_text_of_nothing_makes_no_subwords() -> None:
    with pytest.raises(TokenizerError, match="too short"):
        SubwordTokenizer.train(["\n\n"], vocab_size=300)
