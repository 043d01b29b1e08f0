"""Text comes back exactly, whatever it is, whatever the vocabulary lacks, whole and in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import TokenizerError
from chargen.tokenizers.base import StreamDecoder
from tests.support.tokenizers import MAKERS, tokenizer

everyone = pytest.mark.parametrize("kind", MAKERS)
# Any text without surrogates, and texts that are rich in what tokenizers stumble upon.
awkward = st.text(alphabet=" \u2581\n\r\t\0<>/0x4s1ab\ufeff\ufffd\u0301🍓漢\u200d\u2028")
texts = st.one_of(st.text(alphabet=st.characters(exclude_categories=["Cs"])), awkward)


@everyone
@given(text=texts)
def test_decoding_undoes_encoding(kind: str, text: str) -> None:
    tokens = tokenizer(kind).encode(text)
    assert tokenizer(kind).decode(tokens) == text
    assert all(0 <= token < tokenizer(kind).vocab_size for token in tokens)
    assert tokenizer(kind).end not in tokens


@everyone
@given(text=texts)
def test_lengths_count_bytes_and_characters(kind: str, text: str) -> None:
    tokens = tokenizer(kind).encode(text)
    assert sum(int(tokenizer(kind).byte_lengths[t]) for t in tokens) == len(text.encode())
    assert sum(int(tokenizer(kind).character_lengths[t]) for t in tokens) == len(text)


@everyone
@given(data=st.data())
def test_streamed_pieces_joined_equal_the_whole(kind: str, data: st.DataObject) -> None:
    """Of any tokens at all, also such as spell no UTF-8."""
    ids = st.integers(0, tokenizer(kind).vocab_size - 1)
    tokens = data.draw(st.lists(ids))
    decoder = StreamDecoder(tokenizer(kind))
    pieces = [decoder.feed(token) for token in tokens]
    assert "".join(pieces) + decoder.flush() == tokenizer(kind).decode(tokens)


@everyone
@given(text=texts)
def test_a_stream_of_true_text_never_shows_half_a_character(kind: str, text: str) -> None:
    decoder = StreamDecoder(tokenizer(kind))
    shown = ""
    for token in tokenizer(kind).encode(text):
        shown += decoder.feed(token)
        assert text.startswith(shown)
    assert shown == text
    assert decoder.flush() == ""


@everyone
def test_a_cut_off_character_shows_at_the_very_end_alone(kind: str) -> None:
    unknown = "\U0001f9ff"  # in no vocabulary, so it is spelled in bytes
    tokens = tokenizer(kind).encode("a" + unknown)[:-1]
    decoder = StreamDecoder(tokenizer(kind))
    assert "".join(decoder.feed(token) for token in tokens) == "a"
    assert decoder.inside_character
    assert decoder.flush() == "\ufffd"


@everyone
def test_lone_surrogates_are_refused(kind: str) -> None:
    with pytest.raises(TokenizerError, match="lone surrogate"):
        tokenizer(kind).encode("a\ud800b")
