"""The kinds of tokenizers, and how each is kept in a file."""

from __future__ import annotations

from chargen.errors import TokenizerError
from chargen.tokenizers.base import Tokenizer
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from chargen.tokenizers.word import WordTokenizer

TOKENIZERS: dict[str, type[Tokenizer]] = {
    cls.kind: cls for cls in (CharTokenizer, ByteTokenizer, SubwordTokenizer, WordTokenizer)
}


def file_name_of(kind: str) -> str:
    """The name of the file that a tokenizer of this kind is kept in."""
    return TOKENIZERS.get(kind, Tokenizer).file_name


def deserialize(kind: str, data: bytes) -> Tokenizer:
    """The tokenizer of this kind whose `serialize` gave `data`. Raises TokenizerError on anything
    else."""
    if kind not in TOKENIZERS:
        raise TokenizerError(f"there is no tokenizer of kind {kind!r}")
    return TOKENIZERS[kind].deserialize(data)
