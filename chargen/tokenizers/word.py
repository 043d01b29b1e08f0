"""Words as tokens: the most frequent ones of a text, all others spelled by characters or bytes.

A token is a word with the space before it, or without one; a run of one punctuation mark, likewise;
or a character. Nothing else is put together, so a line end is a token of its own, and a space
begins one: a text that is cut after a line or before a space is cut into the same tokens.

What a word is made of is learned with the words and stands in the file, so that no newer version of
Unicode cuts a text otherwise. The first ids are those of the tokenizer of the characters.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Self

import numpy as np

from chargen.errors import TokenizerError
from chargen.tokenizers.base import Tokenizer, Tokens, read_json
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.unicode import NUM_BYTES, NUM_CODE_POINTS, count_characters, to_utf8
from chargen.words import HYPHENS, JOINERS, in_word, leaves_no_spaces

MAX_WORD_LENGTH = 64  # characters; what is longer is no word that comes again
MAX_WORDS = 1_000_000  # as CorpusConfig's `vocab_size`
_ASCII_LETTERS = "0-9A-Za-z_"
_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^`{|}~"
# Within a word, where letters follow: the apostrophe of "don't". Parts of a compound are words.
_APOSTROPHES = "".join(mark for mark in JOINERS if mark not in HYPHENS)


class WordTokenizer(Tokenizer):
    """One token a word that is known, else a token a character, or a byte of an unknown one.

    `letters` are the characters beyond ASCII that words are made of, `others` the other known ones,
    each once; `words` are all tokens of more than one character.
    """

    kind = "word"

    def __init__(self, letters: str, others: str, words: list[str]) -> None:
        pieces = CharTokenizer(letters + others).pieces
        super().__init__(pieces + [to_utf8(word) for word in words], end=NUM_BYTES)
        self.letters, self.others, self.words = letters, others, words
        beyond = enumerate([*letters, *others, *words], start=NUM_BYTES + 1)
        self._ids = {chr(code): code for code in range(128)} | {text: id for id, text in beyond}
        self._whole, self._parts = _patterns(letters)

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int) -> WordTokenizer:
        """At most `vocab_size` tokens: bytes, characters and words that stand at least twice in
        `texts`, the most frequent ones, and no more characters than words where all is full."""
        texts = list(texts)
        counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
        for text in texts:
            count_characters(text, counts)
        counts[:128] = 0  # ASCII is known anyway
        room = vocab_size - NUM_BYTES - 1
        common = np.argsort(-counts, kind="stable")[: room // 2]
        known = [chr(code) for code in sorted(common[counts[common] >= 2].tolist())]
        is_letter = [in_word(c) and not leaves_no_spaces(c) for c in known]
        letters = "".join(c for c, yes in zip(known, is_letter, strict=True) if yes)
        others = "".join(c for c, yes in zip(known, is_letter, strict=True) if not yes)
        whole, _ = _patterns(letters)
        found: Counter[str] = Counter()
        for text in texts:
            found.update(whole.findall(text))
        again = [
            (-count, word)
            for word, count in found.items()
            if count >= 2 and 1 < len(word) <= MAX_WORD_LENGTH
        ]
        words = [word for _, word in sorted(again)[: room - len(known)]]
        return cls(letters, others, words)

    def encode_array(self, text: str) -> Tokens:
        to_utf8(text)  # raises on a lone surrogate
        found = self._whole.findall(text)
        spelled = {word: self._spell(word) for word in set(found)}
        return np.fromiter(chain.from_iterable(map(spelled.__getitem__, found)), dtype=np.int64)

    def _spell(self, whole: str) -> list[int]:
        """The ids of a word as a whole; else of each part of it, such as the name in a genitive;
        else of that without its space; else of its characters."""
        if whole in self._ids:
            return [self._ids[whole]]
        spelled: list[int] = []
        for part in self._parts.findall(whole):
            if part not in self._ids and part[1:] in self._ids and part[0] == " ":
                spelled.append(ord(" "))
                part = part[1:]
            for text in [part] if part in self._ids else part:
                spelled += [self._ids[text]] if text in self._ids else text.encode()
        return spelled

    def rules(self) -> dict[str, Any]:
        """How a text is cut into words, for a program that has to do without this: the expressions
        that find a `word` as a whole, and the `parts` of one that is no token."""
        return {"word": self._whole.pattern, "parts": self._parts.pattern}

    def serialize(self) -> bytes:
        parts = {"letters": self.letters, "others": self.others, "words": self.words}
        return json.dumps({"kind": self.kind, **parts}).encode()

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        content = read_json(cls.kind, data)
        letters, others, words = (content.get(name) for name in ("letters", "others", "words"))
        if not (isinstance(letters, str) and isinstance(others, str)):
            raise TokenizerError("the tokenizer file has no lists of characters")
        characters = letters + others
        if len(set(characters)) != len(characters) or any(
            ord(c) < 128 or 0xD800 <= ord(c) < 0xE000 for c in characters
        ):
            raise TokenizerError("the tokenizer file lists characters that cannot be in it")
        if not isinstance(words, list) or len(words) > MAX_WORDS:
            raise TokenizerError("the tokenizer file has no list of words")
        whole, _ = _patterns(letters)
        if len(set(map(str, words))) != len(words) or not all(
            isinstance(word, str) and 1 < len(word) <= MAX_WORD_LENGTH and whole.fullmatch(word)
            for word in words
        ):
            raise TokenizerError("the tokenizer file lists words that cannot be in it")
        return cls(letters, others, words)


def _patterns(letters: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds the tokens of a text, words with their apostrophes as one; and what finds the
    parts of those. Browsers understand both."""
    word = f"[{_ASCII_LETTERS}{_ranges(letters)}]+"
    mark = "|".join(f"\\x{ord(mark):02x}+" for mark in _MARKS)

    def pattern(word: str) -> re.Pattern[str]:
        return re.compile(rf" ?(?:{word}|{mark}|[^\x00-\x7f])|[\s\S]")

    return pattern(f"{word}(?:[{_APOSTROPHES}]{word})*"), pattern(word)


def _ranges(letters: str) -> str:
    """Characters beyond ASCII as an expression's class has them: a row of code points as a-z."""
    ranges: list[list[str]] = []
    for letter in sorted(letters):
        if ranges and ord(letter) == ord(ranges[-1][1]) + 1:
            ranges[-1][1] = letter
        else:
            ranges.append([letter, letter])
    return "".join(f"{first}-{last}" for first, last in ranges)
