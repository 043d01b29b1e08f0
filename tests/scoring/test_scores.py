"""Scores are exact: every token counts once, however the text is cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import chargen
from chargen.config import CorpusConfig
from chargen.data.documents import EncodedText, encode_text
from chargen.generation.generator import TextGenerator
from chargen.nn.engine import Floats
from chargen.scoring import scores as scoring
from chargen.scoring.scores import NOTHING, Score, score_text

TEXT = "The café is brown.\nGRANNY'S 漢字\n" * 9


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


def by_hand(model: TextGenerator, tokens: Sequence[int]) -> float:
    """Total nats of a text, one token after the other."""
    state = model.model.initial_state(1)
    previous, nats = model.tokenizer.end, 0.0
    for token in tokens:
        with torch.inference_mode():
            logits, state = model.model(torch.tensor([[previous]]), state)
        nats -= float(logits[0, 0].double().log_softmax(-1)[token])
        previous = token
    return nats


@pytest.mark.parametrize("chunk", [1, 7, 1024])
@pytest.mark.parametrize("cuts", [1, 5])
def test_a_document_is_scored_token_by_token(
    model: TextGenerator, chunk: int, cuts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHUNK_TOKENS", chunk)
    pieces = np.array_split(model.tokenizer.encode_array(TEXT), cuts)
    parts = [EncodedText.spelled(piece, model.tokenizer) for piece in pieces]
    score = score_text(model.engine, model.tokenizer, parts)
    assert score.nats == pytest.approx(by_hand(model, model.tokenizer.encode(TEXT)), rel=1e-5)
    assert score.tokens == len(model.tokenizer.encode(TEXT))
    assert score.bytes == len(TEXT.encode())
    assert score.characters == len(TEXT)


def test_where_lines_are_documents_their_ends_are_what_the_model_knows(
    model: TextGenerator,
) -> None:
    """Ends of documents, which count for the bytes of the line's end; not the newlines that no text
    of lines has."""
    tokenizer, end = model.tokenizer, model.tokenizer.end
    parts = encode_text(
        ["one\r", "\ntwo\n\n", "three\n"], tokenizer, CorpusConfig(documents="line")
    )
    score = score_text(model.engine, tokenizer, parts)
    encode = tokenizer.encode
    tokens = [*encode("one"), end, *encode("two"), end, *encode("three"), end]
    assert score.nats == pytest.approx(by_hand(model, tokens), rel=1e-5)
    assert (score.tokens, score.bytes, score.characters) == (14, 16, 16)


def test_scores_add_up_and_divide_as_they_say() -> None:
    score = Score(8.0, 4, 6, 5) + Score(8.0, 4, 2, 3)
    assert score == Score(16.0, 8, 8, 8)
    assert score.loss == 2.0
    assert score.perplexity == pytest.approx(math.exp(2))
    assert score.bits_per_byte == score.bits_per_character == pytest.approx(2 / math.log(2))
    assert math.isnan(NOTHING.loss)


@pytest.mark.parametrize("most", [1, 5000, 100_000])
def test_no_more_logits_are_computed_at_once_than_memory_has_room_for(
    model: TextGenerator, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score() -> Score:
        tokens = model.tokenizer.encode_array(TEXT * 3)
        return score_text(
            model.engine, model.tokenizer, [EncodedText.spelled(tokens, model.tokenizer)]
        )

    whole, sizes, output_logits = score(), list[int](), model.engine.output_logits

    def watched(outputs: Floats) -> Floats:
        logits = output_logits(outputs)
        sizes.append(logits.size)
        return logits

    monkeypatch.setattr(scoring, "MAX_LOGITS", most)
    monkeypatch.setattr(model.engine, "output_logits", watched)
    assert score().nats == pytest.approx(whole.nats, rel=1e-5)
    assert max(sizes) <= max(most, model.engine.vocab_size)
