"""Learning: what was read becomes likelier, in a copy, and nothing else changes."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch

import chargen
from chargen.config import ModelConfig
from chargen.data.documents import encode_text
from chargen.generation.dynamic_evaluation import (
    CHUNK_TOKENS,
    DECAY,
    MAX_SURPRISED,
    RATE,
    DynamicEvaluator,
)
from chargen.generation.generator import TextGenerator
from chargen.nn.engine import initial_state, read_tokens
from chargen.nn.model import LanguageModel
from chargen.scoring.scores import score_text
from chargen.tokenizers.base import Tokens
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.samples import TEXT
from tests.support.tiny import tiny

NEW = "My dog Zorbix met ANNA in Quandel. Zorbix is brown.\n"
SHAPES: dict[str, dict[str, Any]] = {
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "nonlinearity": "relu"},
    "two layers": {"num_layers": 2, "layer_norm": True, "residual": True},
    "tied": {"embedding_size": 12, "tie_weights": True},
    "dropout": {"dropout": 0.5, "weight_dropout": 0.5, "token_dropout": 0.5},
}


@pytest.fixture(params=["checkpoint", "subword_checkpoint"])
def generator(request: pytest.FixtureRequest) -> TextGenerator:
    return chargen.load(request.getfixturevalue(request.param))


def untrained(shape: str) -> TextGenerator:
    torch.manual_seed(1)
    config = ModelConfig(**{"hidden_size": 12, "embedding_size": 5} | SHAPES[shape])
    return TextGenerator(LanguageModel(config, ByteTokenizer().vocab_size), ByteTokenizer())


def tokens_of(generator: TextGenerator, text: str) -> Tokens:
    """As the beginning of a document."""
    return np.insert(generator.tokenizer.encode_array(text), 0, generator.tokenizer.end)


def learn(generator: TextGenerator, text: str, times: int = 1) -> tuple[TextGenerator, float]:
    """What has learned the text, and the loss of the last time."""
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    for _ in range(times):
        start = initial_state(learner.model.config)
        loss = learner.learn(tokens_of(generator, text), start)
    return TextGenerator(learner.model, generator.tokenizer), loss


def loss_of(generator: TextGenerator, text: str) -> float:
    tokenizer = generator.tokenizer
    parts = encode_text([text], tokenizer, generator.corpus_options)
    return score_text(generator.engine, tokenizer, parts).loss


def same(one: LanguageModel, other: LanguageModel) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_what_was_learned_is_likelier_and_the_model_given_is_as_it_was(
    generator: TextGenerator,
) -> None:
    before = copy.deepcopy(generator.model)
    learned, _ = learn(generator, NEW)
    assert loss_of(learned, NEW) < 0.8 * loss_of(generator, NEW)
    assert same(generator.model, before)
    # A word of it is likelier in other sentences too, from a fresh start.
    assert loss_of(learned, "Zorbix") < loss_of(generator, "Zorbix")


def test_it_is_the_tiny_network_too() -> None:
    generator = tiny(1, "a", "b")
    learned, _ = learn(generator, "aabb" * 20, times=3)
    assert loss_of(learned, "aabb" * 20) < loss_of(generator, "aabb" * 20)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_network_learns_and_always_the_same(shape: str) -> None:
    generator = untrained(shape)
    before = copy.deepcopy(generator.model)
    learned, loss = learn(generator, NEW, times=5)
    assert loss_of(learned, NEW) < 0.98 * loss_of(generator, NEW)
    torch.manual_seed(2)
    again, loss_again = learn(generator, NEW, times=5)
    assert same(learned.model, again.model)
    assert loss == loss_again
    assert same(generator.model, before)
    assert not learned.model.training


def test_a_text_of_one_chunk_costs_what_it_did_before_learning(generator: TextGenerator) -> None:
    text = NEW[: CHUNK_TOKENS // 2]
    _, loss = learn(generator, text)
    assert loss == pytest.approx(loss_of(generator, text), rel=1e-4)


def test_chunk_after_chunk_equals_the_whole(generator: TextGenerator) -> None:
    tokens, cut = tokens_of(generator, NEW * 9)[: 2 * CHUNK_TOKENS + 1], CHUNK_TOKENS
    start = initial_state(generator.model.config)
    whole, parts = (DynamicEvaluator(generator.model, generator.tokenizer) for _ in range(2))
    loss = whole.learn(tokens, start, passes=1)
    _, state = read_tokens(generator.engine, tokens[:cut], start)
    losses = [parts.learn(tokens[: cut + 1], start, 1), parts.learn(tokens[cut:], state, 1)]
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_where_nothing_is_predicted_nothing_is_learned(
    generator: TextGenerator, count: int
) -> None:
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    loss = learner.learn(tokens_of(generator, NEW)[:count], initial_state(learner.model.config))
    assert math.isnan(loss)
    assert same(learner.model, generator.model)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_not_finite_leave_it_unchanged(
    generator: TextGenerator, number: float
) -> None:
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    state = np.full_like(initial_state(learner.model.config), number)
    assert math.isnan(learner.learn(tokens_of(generator, NEW), state))
    assert same(learner.model, generator.model)


def test_nor_does_it_keep_what_it_learned_until_then(generator: TextGenerator) -> None:
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    with torch.no_grad():  # what reads "~" overflows; it stands in the third chunk
        tilde = tokens_of(generator, "~")[-1]
        learner.model.embedding.weight[tilde] = math.nan
    before = copy.deepcopy(learner.model)
    text = "The sky is blue.\n" * 12
    learner.learn(tokens_of(generator, text + "~~" + text), initial_state(learner.model.config))
    for name, weight in learner.model.named_parameters():
        assert torch.equal(weight.nan_to_num(), before.get_parameter(name).nan_to_num()), name


def test_an_interrupt_undoes_what_was_half_learned(
    generator: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    step, steps = DynamicEvaluator._step, iter(range(3))

    def interrupted(self: DynamicEvaluator, surprises: list[torch.Tensor]) -> None:
        step(self, surprises)
        if next(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(DynamicEvaluator, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.learn(tokens_of(generator, NEW * 3), initial_state(learner.model.config))
    assert same(learner.model, generator.model)


def test_a_network_of_nan_is_left_as_it_is() -> None:
    generator = untrained("lstm")
    with torch.no_grad():
        generator.model.head.weight.fill_(math.nan)
    assert math.isnan(learn(generator, NEW)[1])


def test_what_is_known_by_heart_changes_little(generator: TextGenerator) -> None:
    known = TEXT[: len(TEXT) // 12]
    learned, loss = learn(generator, known)
    assert loss_of(learned, known) < loss_of(generator, known) + 0.02
    # And a new text does not drive it out.
    new, _ = learn(generator, NEW)
    assert loss_of(new, known) < loss_of(generator, known) + 0.3
    assert loss < 0.5


def test_no_weight_moves_further_than_a_step_may(generator: TextGenerator) -> None:
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    steps = 40
    wild = np.random.default_rng(1).integers(0, 128, steps * CHUNK_TOKENS)
    learner.learn(wild, initial_state(learner.model.config), passes=1)
    furthest = RATE * MAX_SURPRISED * min(steps, 1 / DECAY)
    pairs = zip(learner.model.parameters(), generator.model.parameters(), strict=True)
    assert 0 < max(float((a - b).detach().abs().max()) for a, b in pairs) <= furthest * 1.001


def test_what_it_learned_it_may_write() -> None:
    generator = untrained("lstm")
    generator.model.seen.fill_(False)
    generator.model.seen[ord("a")] = True
    learned, _ = learn(generator, "abc")
    assert np.flatnonzero(learned.model.seen.numpy()).tolist() == [ord(c) for c in "abc"]
    assert int(generator.model.seen.sum()) == 1


def test_it_goes_on_from_where_a_prompt_was_read(generator: TextGenerator) -> None:
    """Even in inference mode."""
    tokens = tokens_of(generator, "The sky is blue.\n")
    learner = DynamicEvaluator(generator.model, generator.tokenizer)
    _, state = read_tokens(generator.engine, tokens[:-9], initial_state(learner.model.config))
    with torch.inference_mode():
        loss = learner.learn(tokens[-9:], state)
    assert loss < 0.5
