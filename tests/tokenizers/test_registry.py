"""A tokenizer comes back from its file, and a damaged file is an error."""

from __future__ import annotations

import pytest

from chargen.errors import TokenizerError
from chargen.tokenizers.registry import deserialize
from tests.support.tokenizers import MAKERS, SAMPLE, tokenizer


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_gives_the_same_tokenizer(kind: str) -> None:
    made = tokenizer(kind)
    again = deserialize(made.kind, made.serialize())
    assert again == made
    assert again.pieces == made.pieces
    assert again.encode(SAMPLE) == made.encode(SAMPLE)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("char", b"{"),
        ("char", b"[]"),
        ("char", b'{"kind": "byte"}'),
        ("char", b'{"kind": "char"}'),
        ("char", b'{"kind": "char", "characters": "\xc3\xa9\xc3\xa9"}'),
        ("char", b'{"kind": "char", "characters": "a"}'),
        ("char", b'{"kind": "char", "characters": "\\ud800"}'),
        ("byte", b"\xff"),
        ("none", b'{"kind": "none", "characters": ""}'),
        ("subword", b""),
        ("subword", b"not a model"),
    ],
)
def test_damaged_files_are_refused(kind: str, data: bytes) -> None:
    with pytest.raises(TokenizerError):
        deserialize(kind, data)
