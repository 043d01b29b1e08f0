"""Validation counts every token once, however fast it reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import chargen
from chargen.data.documents import EncodedText
from chargen.generation.generator import TextGenerator
from chargen.scoring import validation
from chargen.scoring.scores import score_text
from chargen.scoring.validation import validate

TEXT = "The caf\u00e9 is brown.\nGRANNY'S \u6f22\u5b57\n" * 9


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> TextGenerator:
    return chargen.load(checkpoint)


@pytest.mark.parametrize("most", [1, 5000, 100_000])
def test_no_more_logits_are_computed_at_once_than_memory_has_room_for(
    model: TextGenerator, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = model.tokenizer.encode_array(TEXT * 3)
    whole = validate(model.model, model.tokenizer, tokens)
    shapes: list[torch.Size] = []
    output_logits = model.model.output_logits

    def watched(x: torch.Tensor) -> torch.Tensor:
        logits = output_logits(x)
        shapes.append(logits.shape)
        return logits

    monkeypatch.setattr(validation, "MAX_LOGITS", most)
    monkeypatch.setattr(model.model, "output_logits", watched)
    found = validate(model.model, model.tokenizer, tokens)
    assert (found.tokens, found.bytes) == (whole.tokens, whole.bytes)
    assert found.nats == pytest.approx(whole.nats, rel=1e-5)
    assert max(shape.numel() for shape in shapes) <= max(most, model.model.vocab_size)


def test_validation_side_by_side_is_close_to_one_pass(model: TextGenerator) -> None:
    text = (TEXT + "The sky is blue.\n") * 60
    tokens = model.tokenizer.encode_array(text)
    exact = score_text(
        model.engine, model.tokenizer, [EncodedText.spelled(tokens, model.tokenizer)]
    )
    fast = validate(model.model, model.tokenizer, tokens)
    assert (fast.tokens, fast.bytes) == (exact.tokens, exact.bytes)
    assert fast.loss == pytest.approx(exact.loss, rel=2e-3)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 5000])
def test_validation_counts_every_token_once(model: TextGenerator, count: int) -> None:
    tokens = np.resize(model.tokenizer.encode_array(TEXT), count)
    assert validate(model.model, model.tokenizer, tokens).tokens == count
    assert validate(model.model, model.tokenizer, tokens, limit=200).tokens == min(count, 200)


def test_ends_of_documents_are_read_but_not_counted(model: TextGenerator) -> None:
    end = model.tokenizer.end
    tokens = np.array([*model.tokenizer.encode("one"), end, *model.tokenizer.encode("two"), end])
    assert validate(model.model, model.tokenizer, tokens).tokens == 6


def test_a_short_validation_text_is_scored_exactly(model: TextGenerator) -> None:
    tokens = model.tokenizer.encode_array("The sky is blue.")
    exact = score_text(
        model.engine, model.tokenizer, [EncodedText.spelled(tokens, model.tokenizer)]
    )
    assert validate(model.model, model.tokenizer, tokens).nats == pytest.approx(
        exact.nats, rel=1e-5
    )
