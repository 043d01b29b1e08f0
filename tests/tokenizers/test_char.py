"""Characters as tokens: which are known, and how the others are spelled."""

from __future__ import annotations

from chargen.tokenizers.char import CharTokenizer
from tests.support.tokenizers import tokenizer


def test_characters_seen_twice_are_tokens_and_rarer_ones_bytes() -> None:
    made = CharTokenizer.train(["\u00e9\u00e9\u6f22", "\u00df"])
    assert made.characters == "\u00e9"
    assert len(made.encode("\u00e9")) == 1
    assert made.encode("\u6f22") == list("\u6f22".encode())
    assert made.encode("\u00df") == list("\u00df".encode())


def test_ascii_is_the_same_to_bytes_and_characters() -> None:
    text = "".join(map(chr, range(128)))
    assert tokenizer("char").encode(text) == tokenizer("byte").encode(text) == list(range(128))
