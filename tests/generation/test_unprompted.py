"""What fits the prompt: texts are compared with what the same network writes without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.generator import TextGenerator
from chargen.generation.logits import NEG_INF, PLAUSIBLE, relevance
from chargen.generation.prompt_state import PromptState, without_tail
from chargen.generation.sampling import RandomStream
from chargen.nn.engine import initial_state
from chargen.nn.softmax import log_probabilities
from tests.support.networks import random_generator
from tests.support.tiny import logprob_of
from tests.support.tokenizers import tokenizer

SEEN = "The strawberry is red.\nAnd so on."
KINDS = ["char", "unigram", "bpe"]
rows = st.lists(st.floats(-50, 50, width=32), min_size=5, max_size=5)


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> TextGenerator:
    return random_generator(tokenizer(request.param), SEEN)


@given(own=rows, other=rows, shift=st.floats(-9, 9), share=st.floats(0, 0.95))
def test_what_is_likelier_after_the_prompt_is_raised(
    own: list[float], other: list[float], shift: float, share: float
) -> None:
    logits, unprompted = (np.array([row], np.float32) for row in (own, other))
    compare = relevance(share)
    [compared] = compare(logits, unprompted)
    p, q = (log_probabilities(row)[0] for row in (logits, unprompted))
    plausible = logits[0] >= logits.max() + np.log(np.float32(PLAUSIBLE))
    assert (compared[~plausible] <= logits[0][~plausible]).all(), "what is implausible never is"
    order = np.argsort(compared[plausible])
    score = (p - share * q)[plausible][order] / (1 - share)
    assert (np.diff(score) >= -1e-3 * (1 + np.abs(score[1:]))).all(), "as in Li et al."
    same = compare(logits, logits + np.float32(shift))
    np.testing.assert_allclose(same, logits, atol=0.01)


def test_all_is_left_where_the_plausible_may_not_be_sampled() -> None:
    logits = np.array([[9.0, 0.0, -1.0]], np.float32)
    compared = relevance(0.9)(logits, np.array([[-9.0, 9.0, 0.0]], np.float32))
    assert (compared > NEG_INF).all()


def by_hand(model: TextGenerator, prompt: str, share: float, count: int) -> list[int]:
    """The greedy tokens after a prompt, each from both texts read anew."""
    end, engine = model.tokenizer.end, model.engine
    before = model.tokenizer.encode(prompt)
    written: list[int] = []
    for _ in range(count):
        tails = [[end, *before, *written], [end, *written]]
        outputs = [engine.read(np.array([t]), initial_state(engine.config))[0] for t in tails]
        own, other = (engine.output_logits(output[:, -1]) for output in outputs)
        compared = np.where(engine.seen, relevance(share)(own, other), NEG_INF)
        written.append(int(compared.argmax()))
        if written[-1] == end:
            break
    return written


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_every_token_is_compared_with_the_text_without_the_prompt(
    model: TextGenerator, share: float
) -> None:
    for prompt in ("The strawberry is", "red.\n"):
        options: dict[str, Any] = {"max_tokens": 12, "temperature": 0, "heal": False}
        done = model.generate(prompt, relevance=share, **options)
        assert list(done.tokens) == by_hand(model, prompt, share, 12)
        before = model.tokenizer.encode(prompt)
        assert done.logprob == pytest.approx(logprob_of(model, before, done.tokens), abs=1e-3), (
            "its probability is the model's own"
        )


def test_it_changes_what_is_written_only_where_there_is_a_prompt(model: TextGenerator) -> None:
    options: dict[str, Any] = {"seed": 1, "max_tokens": 30}
    assert model.generate("", relevance=0.7, **options) == model.generate("", **options)
    for prompt in ("The strawb", "so on"):
        plain = model.generate(prompt, **options)
        assert model.generate(prompt, relevance=0, **options) == plain
        assert model.generate(prompt, relevance=0.7, **options).text != plain.text


def test_a_text_that_goes_on_is_one_that_was_not_interrupted(model: TextGenerator) -> None:
    config = SampleConfig(relevance=0.6, max_tokens=40, seed=2, stop=("zzz",))
    whole = model.generate("The strawb", relevance=0.6, max_tokens=40, seed=2, stop="zzz").text
    for pieces in (1, 2, 5, 9):
        stream = model.continue_from(model.document_start, "The strawb", config)
        text = "".join(next(stream).text for _ in range(pieces))
        rest = model.continue_from(stream.prompt_state, "", config, stream.stream)
        assert (text + "".join(piece.text for piece in rest))[: len(whole)] == whole


def test_a_turn_keeps_the_label_that_follows_it(model: TextGenerator) -> None:
    config = SampleConfig(relevance=0.5, temperature=0, max_tokens=10, heal=False)
    past = model.prefill(model.document_start, "The red.\n", config)
    start = model.prefill(past, "so is\nAnd", config, kept="And")
    beside = model.prefill(past, "And", config)
    assert start.unprompted is not None
    assert (start.unprompted.unread, start.unprompted.tail) == (beside.unread, b"")
    assert np.array_equal(start.unprompted.state, beside.state)
    assert model.prefill(start, "", config).unprompted is start.unprompted


def test_what_is_spelled_anew_is_read_once() -> None:
    assert without_tail("The Bot:", b"\nBot:") == "The "
    assert without_tail("Bot:", b"\nBot:") == ""
    assert without_tail("", b"straw") == ""
    assert without_tail("Bot:", b"") == "Bot:"
    model = random_generator(tokenizer("bpe"), SEEN)
    config = SampleConfig(relevance=0.5)
    start = model.prefill(model.document_start, "The red.\nstrawb", config, kept="strawb")
    assert start.tail and start.unprompted is not None
    assert start.unprompted.unread == (model.tokenizer.end,)
    assert not start.unprompted.state.any()


def test_several_prompts_some_of_which_are_empty_are_each_as_alone(model: TextGenerator) -> None:
    prompts = ["The strawb", "", "red.", "And"]
    options: dict[str, Any] = {"relevance": 0.5, "temperature": 0, "max_tokens": 10}
    alone = [model.generate(prompt, **options).text for prompt in prompts]
    assert [done.text for done in model.generate(prompts, **options)] == alone
    config = SampleConfig(relevance=0.5, max_tokens=10)
    start = model.prefill(model.document_start, "so", config, kept="")
    both = model.generate_batch(start, "", config, [RandomStream(3), RandomStream(4)])
    assert [done.text for done in both] == [
        model.generate_batch(start, "", config, [RandomStream(seed)])[0].text for seed in (3, 4)
    ]


def test_what_has_diverged_is_reported(model: TextGenerator) -> None:
    lost = PromptState(np.full_like(model.document_start.state, np.nan), (model.tokenizer.end,))
    start = replace(model.prefill(model.document_start, "so", SampleConfig()), unprompted=lost)
    config = SampleConfig(relevance=0.5, heal=False)
    with pytest.raises(Exception, match="diverged"):
        model.generate_batch(start, "", config, [RandomStream(1)])


def test_a_search_compares_nothing(model: TextGenerator) -> None:
    with pytest.raises(ConfigError, match="cannot be combined"):
        model.generate("a", beams=2, relevance=0.5)
    for share in (-0.1, 1, float("nan")):
        with pytest.raises(ConfigError, match="relevance"):
            model.generate("a", relevance=share)
