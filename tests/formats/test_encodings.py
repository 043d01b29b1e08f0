"""What bytes are is told from them alone, and never with more certainty than there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.formats.encodings import is_text, likely_encodings, reading, wide_encoding

ENGLISH = "\u201cIt\u2019s a caf\u00e9\u201d, said the cook \u2013 twice.\n" * 40
RUSSIAN = "\u042d\u0442\u043e \u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0434\u043e\u043c.\n" * 40
CHINESE = "\u8fd9\u662f\u4e00\u5ea7\u7ea2\u8272\u7684\u623f\u5b50\u3002\n" * 40


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, CHINESE], ids=["Latin", "Cyrillic", "Chinese"])
def test_wide_characters_without_a_mark_are_known(text: str, encoding: str) -> None:
    assert wide_encoding(text.encode(encoding)) == encoding
    assert is_text(text.encode(encoding))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 3000,
        b"ab\0c\n" * 900,
        b"abc\0" * 900,
        b"12 34\0" * 900,
        b"one file.txt\0another.txt\0" * 90,
        ENGLISH.encode(),
        (RUSSIAN + "\0").encode(),
        bytes(range(256)) * 40,
    ],
)
def test_nothing_else_is_taken_for_them(content: bytes) -> None:
    assert wide_encoding(content) is None


@given(data=st.binary(min_size=1, max_size=300))
def test_whatever_the_bytes_what_is_said_of_them_is_one_short_line(data: bytes) -> None:
    is_text(data)
    for encoding in likely_encodings(data):
        sample = reading(data, encoding)
        assert sample.isprintable() and len(sample) < 200
