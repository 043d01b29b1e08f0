"""Pieces of words as tokens. The only door to sentencepiece, which is made lossless here."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from chargen.errors import TokenizerError, named, setting
from chargen.tokenizers.base import Tokenizer, Tokens
from chargen.tokenizers.unicode import NUM_BYTES, NUM_CODE_POINTS, to_code_points, to_utf8

# sentencepiece learns its pieces on this much text, spread evenly over the corpus.
SAMPLE_BYTES = 16_000_000
# Longer sentences are skipped by sentencepiece's trainer without a word, so it gets short ones.
MAX_SENTENCE_LENGTH = 1000
# What sentencepiece changes unless asked not to: spaces at the ends and in a row, line breaks,
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
        self._spelled_in_bytes = {
            "\u2581": [byte_ids[bytes([value])] for value in "\u2581".encode()]
        }
        if self._processor.is_unknown(self._processor.piece_to_id("\u2581")):
            self._spelled_in_bytes[" "] = [byte_ids[b" "]]
        self._separators = re.compile(f"([{''.join(self._spelled_in_bytes)}])")
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
                "the text is too short to learn subwords from",
                hint="use " + setting("tokenizer", "char"),
            )
        room = vocab_size - NUM_BYTES - 3  # <unk>, end of document, newline
        rare_to_newline = _rare_characters(sentences, common=max(1, room // 2))
        model = io.BytesIO()
        stopped: list[BaseException] = []  # by a signal: sentencepiece makes a RuntimeError of it

        def shown_sentences() -> Iterator[str]:
            try:
                yield from (s.translate(rare_to_newline) for s in sentences)
            except GeneratorExit:
                raise
            except BaseException as error:
                stopped.append(error)
                raise

        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=shown_sentences(),
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
                unk_id=0,
                eos_id=1,
                bos_id=-1,
                pad_id=-1,
                num_threads=4,  # fixed: sums are split by it, and one text gives one model
                minloglevel=2,
            )
        except RuntimeError as error:
            if stopped:
                raise stopped[0] from None
            raise TokenizerError(
                f"sentencepiece cannot make {vocab_size} subwords of this text",
                hint="try another " + named("vocab_size") + ", or " + setting("tokenizer", "char"),
            ) from error
        return cls(model.getvalue())

    def encode_array(self, text: str) -> Tokens:
        utf8 = to_utf8(text)  # raises on a lone surrogate, which sentencepiece changes silently
        ids: list[int] = []
        for part in self._separators.split(text):
            if part in self._spelled_in_bytes:
                ids += self._spelled_in_bytes[part]
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

    def rules(self) -> dict[str, Any]:
        """How sentencepiece cuts a text, for a program that has to do without it: the `algorithm`,
        unigram or bpe, and by token its `types` (normal, unknown, control, user_defined, byte) and
        `scores`, by which it is preferred. Needs protobuf, which sentencepiece does not bring."""
        from sentencepiece import sentencepiece_model_pb2 as messages

        model = messages.ModelProto.FromString(self._model)  # type: ignore[attr-defined]
        algorithms = type(model.trainer_spec).ModelType
        return {
            "algorithm": algorithms.Name(model.trainer_spec.model_type).lower(),
            "types": [type(piece).Type.Name(piece.type).lower() for piece in model.pieces],
            "scores": [piece.score for piece in model.pieces],
        }

    @classmethod
    def deserialize(cls, data: bytes) -> Self:
        return cls(data)


def _sentences(text: str) -> Iterator[str]:
    """Lines of `text`, with their newline, cut where they are long."""
    for line in text.splitlines(keepends=True):
        for start in range(0, len(line), MAX_SENTENCE_LENGTH):
            yield line[start : start + MAX_SENTENCE_LENGTH]


def _rare_characters(sentences: Iterable[str], *, common: int) -> dict[int, str]:
    """All but the `common` commonest characters, each to a newline, for `str.translate`.

    sentencepiece demands a piece of its own for every character that it is shown, so it is not
    shown these, nor U+2581, which it takes for a space.
    """
    counts = np.zeros(NUM_CODE_POINTS, dtype=np.int64)
    for sentence in sentences:
        np.add.at(counts, to_code_points(sentence), 1)
    counts[0x2581] = 0
    by_count = np.argsort(-counts, kind="stable")
    rare = by_count[common : np.count_nonzero(counts)]
    return dict.fromkeys([0x2581, *rare.tolist()], "\n")
