"""Text to token ids and back, exactly. The only door to sentencepiece.

Every token stands for some bytes, so decoding is one law for all tokenizers: join the bytes, read
them as UTF-8. `decode(encode(text)) == text` for every text without lone surrogates.

The first 257 ids of `char` and `byte` are the same: the 256 bytes, then the end of a document.
ASCII characters are their own bytes, and whatever a vocabulary lacks is spelled in bytes.
"""

from __future__ import annotations

import codecs
import copy
import io
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from chargen.errors import TokenizerError

Tokens = npt.NDArray[np.int64]

NUM_BYTES = 256
UNICODE_SIZE = 0x110000
# sentencepiece learns its pieces on this much text, spread evenly over the corpus.
SUBWORD_SAMPLE_BYTES = 16_000_000
# Longer sentences are skipped by sentencepiece's trainer without a word, so it gets short ones.
SUBWORD_SENTENCE_CHARACTERS = 1000


class Tokenizer:
    """What all tokenizers share: a table of the bytes that each token stands for."""

    kind: str
    file_name = "tokenizer.json"

    def __init__(self, pieces: list[bytes], end: int) -> None:
        self.pieces = pieces
        self.end = end  # the id that stands between documents; it spells nothing

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
        if any(not 0 <= token < self.vocab_size for token in tokens):
            raise TokenizerError(f"token ids go from 0 to {self.vocab_size - 1}")
        return b"".join(self.pieces[token] for token in tokens).decode("utf-8", errors="replace")

    def serialize(self) -> bytes:
        """The tokenizer as the bytes of its file; `deserialize` reads them."""
        raise NotImplementedError

    def check(self, text: str) -> None:
        """Raises TokenizerError on what is no text, or has a lone surrogate."""
        if not isinstance(text, str):
            raise TokenizerError(f"only text can be encoded, not {type(text).__name__}")
        _utf8(text)

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


class ByteTokenizer(Tokenizer):
    """One token a byte of UTF-8."""

    kind = "byte"

    def __init__(self) -> None:
        super().__init__([bytes([value]) for value in range(NUM_BYTES)] + [b""], end=NUM_BYTES)

    def encode_array(self, text: str) -> Tokens:
        return _bytes_of(text)

    def serialize(self) -> bytes:
        return json.dumps({"kind": self.kind}).encode()


class CharTokenizer(Tokenizer):
    """One token a character that is known, one a byte of any other.

    `characters` are the known ones beyond ASCII, each once; ASCII is always known.
    """

    kind = "char"

    def __init__(self, characters: str) -> None:
        pieces = [bytes([value]) for value in range(NUM_BYTES)] + [b""]
        super().__init__(pieces + [_utf8(c) for c in characters], end=NUM_BYTES)
        self.characters = characters
        known = np.concatenate([np.arange(128, dtype=np.uint32), _code_points(characters)])
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
        counts = np.zeros(UNICODE_SIZE, dtype=np.int64)
        for text in texts:
            count_characters(text, counts)
        return cls.of_counts(counts)

    @classmethod
    def of_counts(cls, counts: Tokens) -> CharTokenizer:
        """The same of the (UNICODE_SIZE,) `counts` of the characters of a text."""
        known = np.flatnonzero(counts >= 2)
        return cls("".join(map(chr, known[known >= 128])))

    def encode_array(self, text: str) -> Tokens:
        if text.isascii():
            return _bytes_of(text)
        code_points = _code_points(text)
        tokens = np.take(self._token_of, code_points, mode="clip")
        unknown = tokens == self._unknown
        if not unknown.any():
            return tokens.astype(np.int64)
        spelled = _bytes_of("".join(map(chr, code_points[unknown])))
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


# What sentencepiece changes unless it is told not to: spaces at the ends and in a row, line breaks,
# characters that Unicode has two spellings for, or that stand in no vocabulary.
PROBE = "  a  b\n\n\tno\u00ebl noe\u0308l \ufb01 \u2460\u3000\U0001f353\0 \r\n \u2581 "


class SubwordTokenizer(Tokenizer):
    """Pieces of words by sentencepiece (Kudo and Richardson 2018), made lossless."""

    kind = "subword"
    file_name = "tokenizer.model"

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._processor = sentencepiece.SentencePieceProcessor()
        self._model = model
        try:
            self._processor.LoadFromSerializedProto(model)
            pieces, byte_ids = self._read_pieces()
        except (RuntimeError, OSError, ValueError) as error:
            raise TokenizerError("the sentencepiece model is damaged") from error
        end = self._processor.eos_id()
        if len(byte_ids) != NUM_BYTES or end < 0:
            raise TokenizerError(
                "the sentencepiece model has no byte pieces or no end of document",
                hint="only models made by chargen can be read",
            )
        # A true U+2581 would come back as a space, so it is spelled in bytes. So is a space where
        # the vocabulary has none: sentencepiece would spell the U+2581 that it takes for it.
        self._spelled = {"\u2581": [byte_ids[bytes([value])] for value in "\u2581".encode()]}
        if self._processor.is_unknown(self._processor.piece_to_id("\u2581")):
            self._spelled[" "] = [byte_ids[b" "]]
        self._apart = re.compile(f"([{''.join(self._spelled)}])")
        super().__init__(pieces, end)
        self.encode_array(PROBE)

    def _read_pieces(self) -> tuple[list[bytes], dict[bytes, int]]:
        """The bytes of each token, and which token is each byte's. Raises ValueError where a piece
        is no UTF-8."""
        pieces = []
        byte_ids = {}
        for token in range(self._processor.vocab_size()):
            if self._processor.is_byte(token):
                piece = bytes([int(self._processor.id_to_piece(token)[3:5], 16)])
                byte_ids[piece] = token
            elif self._processor.is_control(token) or self._processor.is_unknown(token):
                piece = b""
            else:
                # sentencepiece writes U+2581 for a space.
                piece = self._processor.id_to_piece(token).replace("\u2581", " ").encode()
            pieces.append(piece)
        return pieces, byte_ids

    @classmethod
    def train(
        cls, texts: Iterable[str], *, vocab_size: int, algorithm: str = "unigram"
    ) -> SubwordTokenizer:
        """Learn a vocabulary of at most `vocab_size` pieces (`unigram` or `bpe`) from `texts`.

        A short text may not hold that many: the vocabulary is then smaller. Raises TokenizerError
        where `vocab_size` has no room for the 256 bytes and some characters.
        """
        import sentencepiece

        sentences = [sentence for text in texts for sentence in _sentences(text)]
        if not any(sentence.strip() for sentence in sentences):
            raise TokenizerError(
                "the text is too short to learn subwords from", hint="use --tokenizer char"
            )
        room = vocab_size - NUM_BYTES - 3  # <unk>, end of document, newline
        spelled_in_bytes = _rare_characters(sentences, common=max(1, room // 2))
        model = io.BytesIO()
        stopped: list[BaseException] = []  # by a signal: sentencepiece makes a RuntimeError of it

        def handed_over() -> Iterator[str]:
            try:
                yield from (s.translate(spelled_in_bytes) for s in sentences)
            except GeneratorExit:
                raise
            except BaseException as error:
                stopped.append(error)
                raise

        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=handed_over(),
                model_writer=model,
                model_type=algorithm,
                vocab_size=vocab_size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                byte_fallback=True,
                normalization_rule_name="identity",
                add_dummy_prefix=False,
                remove_extra_whitespaces=False,
                user_defined_symbols=["\n"],
                unk_id=0, eos_id=1, bos_id=-1, pad_id=-1,
                num_threads=4,  # fixed: sums are split by it, and one text gives one model
                minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            if stopped:
                raise stopped[0] from None
            raise TokenizerError(
                f"sentencepiece cannot make {vocab_size} subwords of this text",
                hint="try another --vocab-size, or --tokenizer char",
            ) from error
        return cls(model.getvalue())

    def encode_array(self, text: str) -> Tokens:
        utf8 = _utf8(text)  # a lone surrogate is refused; sentencepiece would change it silently
        ids: list[int] = []
        for part in self._apart.split(text):
            if part in self._spelled:
                ids += self._spelled[part]
            elif part:
                ids += self._processor.encode(part)
        if b"".join(map(self.pieces.__getitem__, ids)) != utf8:
            raise TokenizerError(
                "the sentencepiece model changes the text that it reads",
                hint="only models made by chargen can be read",
            )
        return np.array(ids, dtype=np.int64)

    def serialize(self) -> bytes:
        return self._model


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
    def inside_character(self) -> bool:
        """Whether the bytes so far end in the midst of a character."""
        return bool(self._decoder.getstate()[0])

    def flush(self) -> str:
        """U+FFFD where the last character was cut off, else nothing."""
        return self._decoder.decode(b"", final=True)


TOKENIZERS: dict[str, type[Tokenizer]] = {
    made.kind: made for made in (CharTokenizer, ByteTokenizer, SubwordTokenizer)
}


def count_characters(text: str, counts: Tokens) -> None:
    """Add to (UNICODE_SIZE,) `counts`, by code point, how often each character stands in a text.

    In a text of ASCII alone nothing is counted: CharTokenizer knows those anyway.
    """
    if not text.isascii():
        found = np.bincount(_code_points(text))
        counts[: len(found)] += found


def file_name_of(kind: str) -> str:
    """The name of the file that a tokenizer of this kind is kept in."""
    return TOKENIZERS.get(kind, Tokenizer).file_name


def deserialize(kind: str, data: bytes) -> Tokenizer:
    """The tokenizer whose `serialize` gave `data`. Raises TokenizerError on anything else."""
    if kind == "subword":
        return SubwordTokenizer(data)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TokenizerError("the tokenizer file is not JSON") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise TokenizerError(f"the tokenizer file is not of a {kind} tokenizer")
    if kind == "byte":
        return ByteTokenizer()
    characters = content.get("characters")
    if not isinstance(characters, str) or len(set(characters)) != len(characters):
        raise TokenizerError("the tokenizer file has no list of distinct characters")
    if any(ord(c) < 128 or 0xD800 <= ord(c) < 0xE000 for c in characters):
        raise TokenizerError("the tokenizer file lists characters that cannot be in it")
    return CharTokenizer(characters)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"the text has {_spelled(text[error.start])} at character {error.start}",
            hint="give text that is valid UTF-8",
        ) from None


def _spelled(half: str) -> str:
    """What a lone surrogate stands for: Python spells a byte that is no UTF-8 by one."""
    if "\udc80" <= half <= "\udcff":
        return f"a byte that is no UTF-8, {ord(half) - 0xDC00:02X},"
    return f"a lone surrogate, U+{ord(half):04X}, which is no character,"


def _bytes_of(text: str) -> Tokens:
    return np.frombuffer(_utf8(text), dtype=np.uint8).astype(np.int64)


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    except UnicodeEncodeError:
        _utf8(text)  # raises the error that says where
        raise


def _sentences(text: str) -> Iterator[str]:
    """Lines of `text`, with their newline, cut where they are long."""
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), SUBWORD_SENTENCE_CHARACTERS):
            yield line[start : start + SUBWORD_SENTENCE_CHARACTERS]


def _rare_characters(sentences: Iterable[str], *, common: int) -> dict[int, str]:
    """All but the `common` commonest characters, each to a newline, for `str.translate`.

    sentencepiece demands a piece of its own for every character that it is shown, so it is not
    shown these, nor U+2581, which it takes for a space.
    """
    counts = np.zeros(UNICODE_SIZE, dtype=np.int64)
    for sentence in sentences:
        np.add.at(counts, _code_points(sentence), 1)
    counts[0x2581] = 0
    by_count = np.argsort(-counts, kind="stable")
    rare = by_count[common : np.count_nonzero(counts)]
    return dict.fromkeys([0x2581, *rare.tolist()], "\n")
