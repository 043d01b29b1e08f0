"""Validation counts every token once, however fast it reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import chargen
from chargen.config import CorpusConfig
from chargen.data.answers import ENDS_ANSWER, AnswerScanner, answer_rule
from chargen.data.documents import EncodedText
from chargen.data.shards import Shards
from chargen.generation.generator import TextGenerator
from chargen.scoring import validation
from chargen.scoring.scores import score_text, token_nats
from chargen.scoring.validation import validate
from tests.support.tiny import tiny

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


def test_of_answers_alone_these_are_scored_and_the_end_of_a_document_with_them() -> None:
    """Whatever the cut into streams and parts: by one pass of the plain model, token by token."""
    generator = tiny(3, "a", "b", "=", "c")
    tokenizer, generate = generator.tokenizer, np.random.default_rng(1)
    tokens = generate.choice([0, 1, 2, 3, 4], size=700, p=[0.2, 0.1, 0.3, 0.1, 0.3])
    rule = answer_rule(CorpusConfig(loss_after="=", documents="line"))
    assert rule is not None
    scanner = AnswerScanner(rule, tokenizer)
    mask = np.concatenate([scanner.feed(tokens), scanner.finish()])
    row = torch.from_numpy(np.insert(tokens, 0, tokenizer.end))[None]
    with torch.inference_mode():
        logits, _ = generator.model(row[:, :-1], generator.model.initial_state(1))
    costs = -logits[0].log_softmax(-1)[range(700), tokens].double().numpy()
    hits = logits[0].argmax(-1).numpy() == tokens
    held = mask > 0
    found = validate(generator.model, tokenizer, tokens, answers=Shards([mask], mask.dtype.type))
    assert found.tokens == held.sum() == found.bytes == found.characters  # an end is one byte
    assert found.nats == pytest.approx(costs[held].sum(), rel=0.02)  # of streams that warm up
    ends = np.flatnonzero(mask == ENDS_ANSWER)
    firsts = [np.flatnonzero(held[:stop] == 0)[-1] + 1 for stop in ends]
    right = sum(hits[first : stop + 1].all() for first, stop in zip(firsts, ends, strict=True))
    assert found.answers == scanner.answers == len(ends) and right > 0
    assert abs(found.exact - right) <= 2
    few = validate(generator.model, tokenizer, tokens, 200, Shards([mask], mask.dtype.type))
    assert few.tokens == held[:200].sum() and few.answers == (ends < 200).sum()


def fresh(seed: int) -> TextGenerator:
    """A tiny model that begins each document with a fresh state."""
    generator = tiny(seed, "a", "b", "=", "c")
    model = generator.model
    model.config = replace(model.config, fresh_state=True)
    return TextGenerator(model, generator.tokenizer)


@pytest.mark.parametrize("most", [1, 50, 4096])
def test_documents_are_scored_one_by_one_where_each_begins_afresh(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands beside each, and in however many pieces: as the engine scores the text, and
    as it scores each by itself, but for the ends."""
    monkeypatch.setattr(validation, "VALIDATION_TOKENS", most)
    monkeypatch.setattr(validation, "VALIDATION_BURN_IN", 7)
    generator = fresh(2)
    tokenizer, end = generator.tokenizer, generator.tokenizer.end
    tokens = np.random.default_rng(1).choice(
        [0, 1, 2, 3, end], size=700, p=[0.3, 0.3, 0.1, 0.1, 0.2]
    )
    tokens[100:140] = 0  # one that is long
    found = validate(generator.model, tokenizer, tokens)
    [(_, nats)] = token_nats(generator.engine, tokenizer, [EncodedText.spelled(tokens, tokenizer)])
    inside = tokens != end
    assert found.tokens == inside.sum()
    assert found.nats == pytest.approx(nats[inside].sum(), rel=1e-5)
    alone = 0.0
    for document in np.split(tokens, np.flatnonzero(tokens == end) + 1):
        text = EncodedText.spelled(document[document != end], tokenizer)
        alone += score_text(generator.engine, tokenizer, [text]).nats
    assert found.nats == pytest.approx(alone, rel=1e-5)
    assert validate(generator.model, tokenizer, tokens, limit=200).tokens == inside[:200].sum()


def test_answers_of_documents_are_scored_where_each_begins_afresh() -> None:
    generator = fresh(3)
    tokenizer, end = generator.tokenizer, generator.tokenizer.end
    tokens = np.random.default_rng(1).choice(
        [0, 1, 2, 3, end], size=700, p=[0.3, 0.1, 0.2, 0.1, 0.3]
    )
    rule = answer_rule(CorpusConfig(loss_after="=", documents="line"))
    assert rule is not None
    scanner = AnswerScanner(rule, tokenizer)
    mask = np.concatenate([scanner.feed(tokens), scanner.finish()])
    [(_, nats)] = token_nats(generator.engine, tokenizer, [EncodedText.spelled(tokens, tokenizer)])
    found = validate(generator.model, tokenizer, tokens, answers=Shards([mask], mask.dtype.type))
    assert found.tokens == (mask > 0).sum()
    assert found.nats == pytest.approx(nats[mask > 0].sum(), rel=1e-5)
    assert found.answers == scanner.answers
