"""What all tokenizers share: text to token ids and back, exactly, also as the ids come one by one.

Every token stands for some bytes, so decoding is one law for all tokenizers: join the bytes, read
them as UTF-8. `decode(encode(text)) == text` for every text without lone surrogates. Knows nothing
of how a text is cut into tokens.
"""

from __future__ import annotations

import codecs
import copy
import json
import os
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chargen.errors import TokenizerError
from chargen.tokenizers.unicode import NUM_BYTES, to_utf8

Tokens = npt.NDArray[np.int64]


class Tokenizer:
    """What all tokenizers share: a table of the bytes that each token stands for."""

    kind: str
    file_name = "tokenizer.json"

    def __init__(self, pieces: list[bytes], end: int) -> None:
        self.pieces = pieces
        self.end = end  # the id that stands between documents; it spells nothing

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.vocab_size:,} tokens>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash(self.serialize())

    @property
    def vocab_size(self) -> int:
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """The ids that spell `text`. Raises TokenizerError on a lone surrogate."""
        self.check(text)
        return [int(token) for token in self.encode_array(text)]

    def encode_array(self, text: str) -> Tokens:
        """`encode` for long texts: ids as one int64 array."""
        raise NotImplementedError

    def decode(self, tokens: Iterable[int]) -> str:
        """The text that the ids spell; bytes that are no UTF-8 show as U+FFFD.

        Raises TokenizerError on an id that the vocabulary does not have.
        """
        tokens = list(tokens)
        if tokens and not (min(tokens) >= 0 and max(tokens) < self.vocab_size):
            raise TokenizerError(f"token ids go from 0 to {self.vocab_size - 1}")
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", errors="replace")

    def serialize(self) -> bytes:
        """The tokenizer as the bytes of its file, which `deserialize` reads."""
        raise NotImplementedError

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        """The tokenizer whose `serialize` gave `data`. Raises TokenizerError on anything else."""
        raise NotImplementedError

    def check(self, text: str) -> None:
        """Raises TokenizerError on what is no text, or has a lone surrogate."""
        if not isinstance(text, str):
            hint = None
            if isinstance(text, os.PathLike):
                hint = "read it first, as with Path.read_text()"
            elif isinstance(text, bytes | bytearray):
                hint = "decode it first, as with bytes.decode()"
            raise TokenizerError(f"only text can be encoded, not {type(text).__name__}", hint=hint)
        to_utf8(text)

    @cached_property
    def texts(self) -> list[str | None]:
        """The text of each token by itself; None where its bytes are a part of a character."""
        texts: list[str | None] = []
        for piece in self.pieces:
            try:
                texts.append(piece.decode())
            except UnicodeDecodeError:
                texts.append(None)
        return texts

    @cached_property
    def by_first_byte(self) -> list[list[int]]:
        """The ids of the tokens that begin with each of the 256 bytes."""
        tokens: list[list[int]] = [[] for _ in range(NUM_BYTES)]
        for token, piece in enumerate(self.pieces):
            if piece:
                tokens[piece[0]].append(token)
        return tokens

    @cached_property
    def byte_lengths(self) -> Tokens:
        """Bytes that each token spells, by id."""
        return np.array([len(piece) for piece in self.pieces])

    @cached_property
    def character_lengths(self) -> Tokens:
        """Characters that begin in each token, by id (a UTF-8 continuation byte begins none)."""
        return np.array([sum(byte & 0xC0 != 0x80 for byte in piece) for piece in self.pieces])


class StreamDecoder:
    """Token ids to text as they come: whole characters only.

    The texts of all `feed`s and the final `flush` joined equal `tokenizer.decode` of all ids.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._pieces = tokenizer.pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int, skip: int = 0) -> str:
        """The characters that this token, its first `skip` bytes left out, completes: often one,
        sometimes none."""
        return self._decoder.decode(self._pieces[token][skip:])

    def copy(self) -> StreamDecoder:
        """One that stands at the same place and goes on by itself."""
        twin = copy.copy(self)
        twin._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        twin._decoder.setstate(self._decoder.getstate())
        return twin

    @property
    def pending(self) -> bytes:
        """The bytes, the last ones, that begin a character."""
        return self._decoder.getstate()[0]

    @property
    def inside_character(self) -> bool:
        """Whether the bytes so far end in the midst of a character."""
        return bool(self.pending)

    def flush(self) -> str:
        """U+FFFD where the last character was cut off, else nothing."""
        return self._decoder.decode(b"", final=True)


def spelled(piece: bytes) -> str:
    """What a token spells; bytes that are no whole characters in hexadecimal digits, <E4>."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(f"<{byte:02X}>" for byte in piece)


def read_json(kind: str, data: bytes) -> dict[str, Any]:
    """The content of a tokenizer's file that is JSON and says this kind. Raises TokenizerError."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TokenizerError("the tokenizer file is not JSON") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise TokenizerError(f"the tokenizer file is not that of a {kind} tokenizer")
    return content
