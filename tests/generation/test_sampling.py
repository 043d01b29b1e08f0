"""Samples follow the distribution, and a row's are its own."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.generation.logits import NEG_INF
from chargen.generation.sampling import (
    BUFFERED_NUMBERS,
    RandomStream,
    Sampler,
    UniformBuffer,
    own_logprobs,
    sample_tokens,
    streams,
)
from chargen.nn.softmax import AnyFloats, Doubles, log_probabilities

PROBS = np.array([[0.5, 0.25, 0.125, 0.125]], dtype=np.float32)
LOGITS = np.log(PROBS)
NOTHING = np.empty((1, 0), dtype=np.int64)
ALMOST_ONE = 1 - 2**-53


def first(seed: int | None, rows: int) -> UniformBuffer:
    return UniformBuffer(list(islice(streams(seed), rows)))


def numbers(seed: int | None, rows: int) -> Doubles:
    return first(seed, rows).next()


def test_zero_temperature_takes_the_most_likely() -> None:
    sampler = Sampler(
        SampleConfig(temperature=0), UniformBuffer([]), np.array([True, False, False, False])
    )
    assert sampler(LOGITS, NOTHING).tolist() == [1]


def test_samples_follow_the_distribution() -> None:
    rows = 20_000
    sampled = sample_tokens(np.repeat(LOGITS, rows, axis=0), numbers(5, rows))
    shares = np.bincount(sampled, minlength=4) / rows
    assert shares == pytest.approx(PROBS[0], abs=0.015)  # four standard deviations


def test_what_has_no_share_is_never_sampled() -> None:
    logits: AnyFloats = np.where([True, False, True, True], NEG_INF, LOGITS)
    assert set(sample_tokens(np.repeat(logits, 1000, axis=0), numbers(7, 1000)).tolist()) == {1}


few_tokens = st.lists(st.just(NEG_INF) | st.floats(-30, 30, width=32), min_size=1, max_size=9)


@given(row=few_tokens.filter(lambda row: max(row) > NEG_INF))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_outermost_numbers_give_the_outermost_tokens_with_a_share(
    kind: type, row: list[float]
) -> None:
    logits: AnyFloats = np.array([row, row], dtype=kind)
    sampled = sample_tokens(logits, np.array([[0.0], [ALMOST_ONE]])).tolist()
    [shared] = np.nonzero(np.array(row) > NEG_INF)
    assert sampled[0] == shared[0]
    assert sampled[1] in shared
    assert np.exp(logits[0, sampled[1] + 1 :] - max(row)).sum() < 1e-15 * len(row)


def test_a_row_samples_the_same_whatever_stands_beside_it() -> None:
    flat = np.zeros((8, 1000), dtype=np.float32)
    many = sample_tokens(flat, numbers(1, 8))
    few = sample_tokens(flat[:3], numbers(1, 3))
    assert many[:3].tolist() == few.tolist()
    assert len(set(many.tolist())) > 1
    assert sample_tokens(flat, numbers(2, 8)).tolist() != many.tolist()
    assert (
        sample_tokens(flat, numbers(None, 8)).tolist()
        != sample_tokens(flat, numbers(None, 8)).tolist()
    )


@given(
    rows=st.lists(st.lists(st.floats(-99, 99, width=32), min_size=5, max_size=5), min_size=2),
    seed=st.integers(0, 99),
)
def test_rows_side_by_side_are_rows_alone(rows: list[list[float]], seed: int) -> None:
    logits, uniform = np.array(rows, dtype=np.float32), numbers(seed, len(rows))
    sampled = sample_tokens(logits, uniform)
    own = own_logprobs(logits, sampled)
    for row in range(len(rows)):
        at = slice(row, row + 1)
        assert sample_tokens(logits[at], uniform[at]).tolist() == [sampled[row]]
        assert own_logprobs(logits[at], sampled[at]) == [own[row]]


@pytest.mark.parametrize("temperature", [0, 0.7])
def test_a_wide_vocabulary_is_sampled_as_a_narrow_one(
    temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = np.log(np.random.default_rng(1).random((50, 30), dtype=np.float32))
    before = np.arange(150).reshape(50, 3) % 30
    config = SampleConfig(temperature=temperature, top_k=9, presence_penalty=0.5)
    narrow = Sampler(config, first(1, 50))(logits, before).tolist()
    monkeypatch.setattr("chargen.generation.sampling.WIDE", 30)
    assert Sampler(config, first(1, 50))(logits, before).tolist() == narrow


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_k": 3, "temperature": 0.7}])
@pytest.mark.parametrize("shortlist", [[4], [0, 2, 9], [1, 2, 3, 5, 8, 13, 21, 28]])
def test_a_shortlist_gives_what_masked_logits_give(
    shortlist: list[int], options: dict[str, Any]
) -> None:
    logits = np.random.default_rng(1).normal(size=(50, 30)).astype(np.float32)
    before, config = np.empty((50, 0), dtype=np.int64), SampleConfig(**options)
    masked = np.full_like(logits, NEG_INF)
    masked[:, shortlist] = logits[:, shortlist]
    sampled = Sampler(config, first(1, 50), shortlist=np.array(shortlist))(logits, before)
    assert sampled.tolist() == Sampler(config, first(1, 50))(masked, before).tolist()


def test_a_stream_never_repeats_its_numbers() -> None:
    sampler = Sampler(SampleConfig(), first(1, 2))
    flat, before = np.zeros((2, 1000), dtype=np.float32), np.empty((2, 0), dtype=np.int64)
    sampled = [tuple(sampler(flat, before).tolist()) for _ in range(3 * BUFFERED_NUMBERS)]
    assert len(set(sampled)) > 3 * BUFFERED_NUMBERS - 3


@pytest.mark.parametrize("used", [0, 1, 2, 3, 4, 5, BUFFERED_NUMBERS, 3 * BUFFERED_NUMBERS + 7])
def test_a_stream_goes_on_where_it_was_left(used: int) -> None:
    whole = UniformBuffer([RandomStream(5, row=2)])
    expected = [whole.next().item() for _ in range(used + 70)]
    assert whole.used == used + 70
    rest = UniformBuffer([RandomStream(5, row=2, used=used)])
    assert [rest.next().item() for _ in range(70)] == expected[used:]


@given(used=st.integers(0, 2**70), more=st.integers(0, 30))
def test_skipping_equals_taking_one_by_one(used: int, more: int) -> None:
    stepped = RandomStream(5, 2, used).generator()
    stepped.random_raw(more)
    skipped = RandomStream(5, 2, used + more).generator()
    assert stepped.random_raw(9).tolist() == skipped.random_raw(9).tolist()


def test_the_numbers_of_a_seed_are_the_same_everywhere() -> None:
    """A seed's texts are the same in each version and on each machine, but for what products of
    floats do."""
    streams = [RandomStream(1), RandomStream(1, row=1), RandomStream(2**63 - 1, used=10**12 + 3)]
    buffer = UniformBuffer(streams)
    assert [buffer.next()[:, 0].tolist() for _ in range(2)] == [
        [0.3035680343067586, 0.0751511510959112, 0.7657717509191795],
        [0.8487087496857769, 0.9837951334859096, 0.9575532930169738],
    ]


@given(row=st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4))
def test_the_own_logprob_is_that_of_the_model(row: list[float]) -> None:
    logits = np.array([row, row[::-1]], dtype=np.float32)
    exact = log_probabilities(logits)
    for token in range(4):
        found = own_logprobs(logits, np.array([token, 3 - token]))
        assert found == pytest.approx(exact[[0, 1], [token, 3 - token]], rel=1e-6, abs=1e-6)
        assert math.isclose(*found, rel_tol=1e-6, abs_tol=1e-6)
