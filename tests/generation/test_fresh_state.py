"""A model that begins each document with a fresh state does so wherever text is read or written."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import chargen
from chargen.config import SampleConfig
from chargen.generation.dynamic_evaluation import DynamicEvaluator
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import after_tokens
from chargen.generation.sampling import streams
from chargen.insight.reading import read_traces, tokens_of
from chargen.nn.engine import initial_state
from chargen.tokenizers.char import CharTokenizer
from tests.support.networks import random_generator
from tests.support.samples import SMALL

LETTERS = "abcdefgh"


@pytest.fixture(params=["lstm", "gru", "rnn"])
def model(request: pytest.FixtureRequest) -> TextGenerator:
    """Its lines are documents: it has seen no newline."""
    tokenizer = CharTokenizer("")
    return random_generator(tokenizer, LETTERS, cell=request.param, fresh_state=True)


def test_lines_cost_what_each_costs_by_itself(model: TextGenerator) -> None:
    lines = ["abc", "deaf", "hg", "abc"]
    whole = model.score("\n".join(lines))
    alone = [model.score(line + "\n") for line in lines[:-1]] + [model.score(lines[-1])]
    assert whole.tokens == sum(score.tokens for score in alone) == 15
    assert whole.nats == pytest.approx(sum(score.nats for score in alone), rel=1e-5)
    carried = replace(model.weights, config=replace(model.weights.config, fresh_state=False))
    other = TextGenerator(carried, model.tokenizer).score("\n".join(lines))
    assert other.nats != pytest.approx(whole.nats, rel=1e-3)


def test_after_a_document_a_text_is_what_it_is_at_the_beginning(model: TextGenerator) -> None:
    config = SampleConfig(max_tokens=20)
    expected = model.generate_batch(model.document_start, "", config, list(islice(streams(1), 4)))
    for before in ("abc", "hg"):
        place = model.continuation(before, config).prompt_state
        after = after_tokens(place, (model.tokenizer.end,))
        found = model.generate_batch(after, "", config, list(islice(streams(1), 4)))
        assert [sample.text for sample in found] == [sample.text for sample in expected]


def test_what_is_looked_into_is_what_writes(model: TextGenerator) -> None:
    tokens = tokens_of(model, "abc\ndeaf\nhg")
    read = [(some, x) for some, x, _ in read_traces(model, tokens, 4, lambda share: None)]
    logits = model.model.output_logits(torch.cat([x for _, x in read], dim=1))[0]
    costs = -logits.log_softmax(-1)[range(len(tokens)), tokens]
    nats = [cost.nats for cost in model.score("abc\ndeaf\nhg").costs]
    assert np.allclose(costs.detach().numpy(), nats, atol=1e-4)


def test_learning_while_reading_does_not_look_beyond_the_document(model: TextGenerator) -> None:
    text = np.array([model.tokenizer.end, *tokens_of(model, "abc\ndeaf\nhg\n" * 9)])
    begun = initial_state(model.engine.config)
    _, other = model.engine.read(text[None, :3], begun)
    learned = []
    for state in (begun, other):
        learner = DynamicEvaluator(model.model, model.tokenizer)
        first = learner.learn(text, state, passes=1)
        again = learner.learn(text, state, passes=1)
        assert again < first
        learned.append((first, again))
    assert learned[0] == learned[1]


def test_a_list_of_names_is_learned_scored_and_written_so(tmp_path: Path) -> None:
    names = Path(__file__).parents[1] / "support" / "names.txt"
    options = SMALL | {"documents": "line", "steps": 60, "valid_fraction": 0.2, "quiet": True}
    report = chargen.train(names, out=tmp_path / "names", **options)
    model = chargen.load(report.checkpoint)
    assert model.metadata is not None and model.metadata.model.fresh_state
    held_out = names.read_text().splitlines()[:20]
    score = model.evaluate("\n".join(held_out))
    alone = [model.evaluate(name + "\n") for name in held_out[:-1]]
    total = sum(one.nats for one in alone) + model.evaluate(held_out[-1]).nats
    assert score.nats == pytest.approx(total, rel=1e-5)
    assert score.loss < np.log(27)
    assert all("\n" not in sample.text for sample in model.generate("", num_samples=5, seed=1))
