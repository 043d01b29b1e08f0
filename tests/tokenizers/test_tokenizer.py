"""Text comes back exactly, whatever it is and whatever the vocabulary lacks."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import TokenizerError
from chargen.tokenizers.tokenizer import (
    ByteTokenizer,
    CharTokenizer,
    StreamDecoder,
    SubwordTokenizer,
    Tokenizer,
    deserialize,
)

SAMPLE = "The strawberry is red.\nἄνθρωπος ἄνθρωπος 漢字漢字 🍓🍓\n" * 20
MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "byte": ByteTokenizer,
    "char": lambda: CharTokenizer.train([SAMPLE]),
    "unigram": lambda: SubwordTokenizer.train([SAMPLE], vocab_size=330),
    "bpe": lambda: SubwordTokenizer.train([SAMPLE], vocab_size=330, algorithm="bpe"),
}
everyone = pytest.mark.parametrize("kind", MAKERS)
# Any text without surrogates, and texts that are rich in what tokenizers stumble upon.
awkward = st.text(alphabet=" \u2581\n\r\t\0<>/0x4s1ab\ufeff\ufffd\u0301🍓漢\u200d\u2028")
texts = st.one_of(st.text(alphabet=st.characters(exclude_categories=["Cs"])), awkward)


@functools.cache
def tokenizer(kind: str) -> Tokenizer:
    return MAKERS[kind]()


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
def test_a_file_gives_the_same_tokenizer(kind: str) -> None:
    made = tokenizer(kind)
    again = deserialize(made.kind, made.serialize())
    assert again == made
    assert again.pieces == made.pieces
    assert again.encode(SAMPLE) == made.encode(SAMPLE)


@everyone
def test_lone_surrogates_are_refused(kind: str) -> None:
    with pytest.raises(TokenizerError, match="lone surrogate"):
        tokenizer(kind).encode("a\ud800b")


def test_characters_seen_twice_are_tokens_and_rarer_ones_bytes() -> None:
    made = CharTokenizer.train(["\u00e9\u00e9\u6f22", "\u00df"])
    assert made.characters == "\u00e9"
    assert len(made.encode("\u00e9")) == 1
    assert made.encode("\u6f22") == list("\u6f22".encode())
    assert made.encode("\u00df") == list("\u00df".encode())


def test_ascii_is_the_same_to_bytes_and_characters() -> None:
    text = "".join(map(chr, range(128)))
    assert tokenizer("char").encode(text) == tokenizer("byte").encode(text) == list(range(128))


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_subwords_are_learnt_from_one_long_line_without_newline(algorithm: str) -> None:
    line = "the strawberry is red and the banana is yellow " * 3000
    made = SubwordTokenizer.train([line], vocab_size=300, algorithm=algorithm)
    assert len(made.encode(line)) < len(line) / 2
    assert made.decode(made.encode(line)) == line


def test_more_characters_than_a_vocabulary_has_room_for_are_spelled_in_bytes() -> None:
    text = "".join(chr(0x4E00 + index % 2000) for index in range(20_000))
    made = SubwordTokenizer.train([text], vocab_size=400)
    assert made.vocab_size <= 400
    assert made.decode(made.encode(text[:3000])) == text[:3000]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
@pytest.mark.parametrize(
    "text", ["\u6f22\u5b57\u4eee\u540d\n" * 99, "\0\x01ab\n" * 99, "aaaaa\n" * 99]
)
def test_what_a_vocabulary_lacks_comes_back_all_the_same(algorithm: str, text: str) -> None:
    """Spaces too: sentencepiece takes U+2581 for them, and would spell that one's bytes."""
    made = SubwordTokenizer.train([text], vocab_size=300, algorithm=algorithm)
    for other in (" ", "a b", "  two  spaces ", "\u2581 \u2581", "\u6f22 \u5b57", "\0 \t\r\n"):
        assert made.decode(made.encode(other)) == other
    assert SubwordTokenizer(made.serialize()) == made


def test_a_text_of_nothing_makes_no_subwords() -> None:
    with pytest.raises(TokenizerError, match="too short"):
        SubwordTokenizer.train(["\n\n"], vocab_size=300)


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
        ("subword", b""),
        ("subword", b"not a model"),
    ],
)
def test_damaged_files_are_refused(kind: str, data: bytes) -> None:
    with pytest.raises(TokenizerError):
        deserialize(kind, data)
