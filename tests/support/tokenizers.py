"""A tokenizer of every kind, each learned from one small text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from chargen.tokenizers.word import WordTokenizer

SAMPLE = "The strawberry is red.\nἄνθρωπος ἄνθρωπος 漢字漢字 🍓🍓\n" * 20
MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "byte": ByteTokenizer,
    "char": lambda: CharTokenizer.train([SAMPLE]),
    "unigram": lambda: SubwordTokenizer.train([SAMPLE], vocab_size=330),
    "bpe": lambda: SubwordTokenizer.train([SAMPLE], vocab_size=330, algorithm="bpe"),
    "word": lambda: WordTokenizer.train([SAMPLE], vocab_size=400),
}


@cache
def tokenizer(kind: str) -> Tokenizer:
    return MAKERS[kind]()
