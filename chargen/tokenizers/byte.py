"""Bytes as tokens: nothing to learn, nothing unknown."""

from __future__ import annotations

import json
from typing import Self

from chargen.tokenizers.base import Tokenizer, Tokens, read_json
from chargen.tokenizers.unicode import NUM_BYTES, to_byte_ids


class ByteTokenizer(Tokenizer):
    """One token a byte of UTF-8."""

    kind = "byte"

    def __init__(self) -> None:
        super().__init__([bytes([value]) for value in range(NUM_BYTES)] + [b""], end=NUM_BYTES)

    def encode_array(self, text: str) -> Tokens:
        return to_byte_ids(text)

    def serialize(self) -> bytes:
        return json.dumps({"kind": self.kind}).encode()

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        read_json(cls.kind, data)
        return cls()
