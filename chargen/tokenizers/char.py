"""Characters as tokens: those that a text has taught, all others spelled in bytes.

The first 257 ids are those of the byte tokenizer: the 256 bytes, then the end of a document. ASCII
characters are their own bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Self

import numpy as np

from chargen.errors import TokenizerError
from chargen.tokenizers.base import Tokenizer, Tokens, read_json
from chargen.tokenizers.unicode import (
    NUM_BYTES,
    NUM_CODE_POINTS,
    count_characters,
    to_byte_ids,
    to_code_points,
    to_utf8,
)


class CharTokenizer(Tokenizer):
    """One token a character that is known, one a byte of any other.

    `characters` are the known ones beyond ASCII, each once; ASCII is always known.
    """

    kind = "char"

    def __init__(self, characters: str) -> None:
        pieces = [bytes([value]) for value in range(NUM_BYTES)] + [b""]
        super().__init__(pieces + [to_utf8(c) for c in characters], end=NUM_BYTES)
        self.characters = characters
        known = np.concatenate([np.arange(128, dtype=np.uint32), to_code_points(characters)])
        # By code point, up to the last that is known and one more, which stands for all beyond. In
        # few bytes, so that the table stays in the processor's cache.
        dtype = np.uint16 if self.vocab_size < 1 << 16 else np.uint32
        self._unknown = int(np.iinfo(dtype).max)
        self._token_of = np.full(int(known.max()) + 2, self._unknown, dtype=dtype)
        self._token_of[known[:128]] = known[:128]
        self._token_of[known[128:]] = NUM_BYTES + 1 + np.arange(len(characters))

    @classmethod
    def train(cls, texts: Iterable[str]) -> CharTokenizer:
        """Know every character that stands at least twice in `texts`.

        Rarer ones are spelled in bytes, which is how the byte tokens come to be trained.
        """
        counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
        for text in texts:
            count_characters(text, counts)
        return cls.from_counts(counts)

    @classmethod
    def from_counts(cls, counts: Tokens) -> CharTokenizer:
        """The same of the (NUM_CODE_POINTS,) `counts` of the characters of a text."""
        known = np.flatnonzero(counts >= 2)
        return cls("".join(map(chr, known[known >= 128])))

    def extended(self, counts: Tokens) -> CharTokenizer:
        """One that also knows the characters of a text that stand there at least twice, by the
        (NUM_CODE_POINTS,) `counts` of it. Tokens of before stay what they are."""
        more = CharTokenizer.from_counts(counts).characters
        new = "".join(character for character in more if character not in set(self.characters))
        return CharTokenizer(self.characters + new) if new else self

    def encode_array(self, text: str) -> Tokens:
        if text.isascii():
            return to_byte_ids(text)
        code_points = to_code_points(text)
        tokens = np.take(self._token_of, code_points, mode="clip")
        unknown = tokens == self._unknown
        if not unknown.any():
            return tokens.astype(np.int64)
        spelled = to_byte_ids("".join(map(chr, code_points[unknown])))
        # How many ids each character takes: one, or the length of its UTF-8.
        widths = np.ones(len(code_points), dtype=np.int64)
        rare = code_points[unknown]
        widths[unknown] = 2 + (rare >= 0x800).astype(np.int64) + (rare >= 0x10000)
        is_byte = np.repeat(unknown, widths)
        ids = np.empty(len(is_byte), dtype=np.int64)
        ids[is_byte] = spelled
        ids[~is_byte] = tokens[~unknown]
        return ids

    def serialize(self) -> bytes:
        return json.dumps({"kind": self.kind, "characters": self.characters}).encode()

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        characters = read_json(cls.kind, data).get("characters")
        if not isinstance(characters, str) or len(set(characters)) != len(characters):
            raise TokenizerError("the tokenizer file has no list of distinct characters")
        if any(ord(c) < 128 or 0xD800 <= ord(c) < 0xE000 for c in characters):
            raise TokenizerError("the tokenizer file lists characters that cannot be in it")
        return cls(characters)
