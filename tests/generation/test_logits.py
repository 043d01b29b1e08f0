"""Each logits processor on small exact distributions, and the chain of them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import PROCESSOR_ORDER, SampleConfig
from chargen.errors import ChargenError
from chargen.generation.logits import (
    NEG_INF,
    Processor,
    ban,
    check_finite,
    frequency_penalty,
    mask_logits,
    min_p,
    no_repeat_ngram,
    presence_penalty,
    processors,
    repetition_penalty,
    temperature,
    top_k,
    top_p,
    typical_p,
)
from chargen.generation.sampling import Sampler, UniformBuffer, streams
from chargen.nn.softmax import AnyFloats, softmax
from chargen.tokenizers.base import Tokens

PROBS = np.array([[0.5, 0.25, 0.125, 0.125]], dtype=np.float32)
LOGITS = np.log(PROBS)
NOTHING = np.empty((1, 0), dtype=np.int64)


def first(seed: int | None, rows: int) -> UniformBuffer:
    return UniformBuffer(list(islice(streams(seed), rows)))


def kept(process: Processor, logits: AnyFloats = LOGITS, before: Tokens = NOTHING) -> list[int]:
    left: list[int] = np.flatnonzero(process(logits, before)[0] != NEG_INF).tolist()
    return left


# -- each for itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])]
)
def test_top_k_keeps_exactly_k_even_with_ties(k: int, expected: list[int]) -> None:
    assert kept(top_k(k)) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.1, [0]), (0.5, [0]), (0.51, [0, 1]), (0.75, [0, 1]), (0.8, [0, 1, 2]), (1, [0, 1, 2, 3])],
)
def test_top_p_keeps_the_token_that_crosses_the_mark(share: float, expected: list[int]) -> None:
    assert kept(top_p(share)) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3]), (0.5, [0, 1]), (1, [0])]
)
def test_min_p_is_a_share_of_the_most_likely(share: float, expected: list[int]) -> None:
    assert kept(min_p(share)) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.2, [1]), (0.26, [0, 1]), (0.75, [0, 1]), (0.8, [0, 1, 2])]
)
def test_typical_p_keeps_what_surprises_as_much_as_is_expected(
    share: float, expected: list[int]
) -> None:
    # The entropy is 1.75 bits; the tokens' surprises are 1, 2, 3 and 3 bits.
    assert kept(typical_p(share)) == expected


def test_temperature_is_a_power_of_the_probabilities() -> None:
    squared = PROBS**2 / (PROBS**2).sum()
    assert softmax(temperature(0.5)(LOGITS, NOTHING)) == pytest.approx(squared, abs=1e-6)


def test_penalties_know_what_stands_before() -> None:
    logits = np.array([[2.0, -1.0, 0.5, 0.0], [2.0, -1.0, 0.5, 0.0]], dtype=np.float32)
    before = np.array([[0, 1, 0], [2, 2, 2]])
    for process, expected in [
        (repetition_penalty(2), [[1.0, -2.0, 0.5, 0.0], [2.0, -1.0, 0.25, 0.0]]),
        (presence_penalty(0.5), [[1.5, -1.5, 0.5, 0.0], [2.0, -1.0, 0.0, 0.0]]),
        (frequency_penalty(0.5), [[1.0, -1.5, 0.5, 0.0], [2.0, -1.0, -1.0, 0.0]]),
    ]:
        assert process(logits, before).tolist() == expected
        assert process(logits, before[:, :0]).tolist() == logits.tolist()


@pytest.mark.parametrize(
    ("size", "before", "expected"),
    [
        (1, [0, 2], [1, 3]),
        (2, [0, 1, 2, 0], [0, 2, 3]),  # 0 was followed by 1
        (2, [0, 1, 0, 2, 0], [0, 3]),
        (3, [0, 1, 2, 0, 1], [0, 1, 3]),
        (3, [0, 1, 2, 1, 1], [0, 1, 2, 3]),
        (3, [0], [0, 1, 2, 3]),
        (1, [0, 1, 2, 3], [0, 1, 2, 3]),  # not all of them can go
    ],
)
def test_no_run_of_tokens_twice(size: int, before: list[int], expected: list[int]) -> None:
    assert kept(no_repeat_ngram(size), LOGITS, np.array([before])) == expected


def test_banned_tokens_go() -> None:
    assert kept(ban(np.array([True, False, True, False]))) == [1, 3]


def test_a_row_that_would_lose_all_stays() -> None:
    logits = np.array([[1.0, NEG_INF], [1.0, 2.0]])
    for dropped in ([[True, False], [True, False]], [True, False]):
        left = mask_logits(logits, np.array(dropped))
        assert left.tolist() == [[1.0, NEG_INF], [NEG_INF, 2.0]]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_is_no_number_is_refused(value: float) -> None:
    check_finite(np.array([[1.0, NEG_INF]]))
    with pytest.raises(ChargenError, match="diverged"):
        check_finite(np.array([[1.0, 2.0], [value, 2.0]]))


# -- all together -----------------------------------------------------------------------------


def test_the_chain_has_one_order() -> None:
    values: dict[str, Any] = dict.fromkeys(PROCESSOR_ORDER, 0.5) | {
        "no_repeat_ngram": 2,
        "top_k": 2,
        "ban": ("x",),
    }
    banned = np.zeros(4, dtype=np.bool_)
    made = processors(SampleConfig(**values), banned)
    assert [process.__qualname__.split(".")[0] for process in made] == list(PROCESSOR_ORDER[1:])
    assert processors(SampleConfig()) == []
    # The cut comes before the temperature, so it does not depend on it.
    [hot] = Sampler(SampleConfig(top_p=0.6, temperature=100, seed=1), first(1, 1))(
        LOGITS, NOTHING
    ).tolist()
    assert hot in (0, 1)


logits_rows = st.lists(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5), min_size=1, max_size=3
)


@given(data=st.data(), rows=logits_rows)
def test_every_chain_leaves_a_token_and_only_what_it_left_is_sampled(
    data: st.DataObject, rows: list[list[float]]
) -> None:
    shares = st.floats(1e-6, 1) | st.none()
    options: dict[str, Any] = {
        "repetition_penalty": st.floats(0.01, 100) | st.none(),
        "presence_penalty": st.floats(-1e6, 1e6) | st.none(),
        "frequency_penalty": st.floats(-1e6, 1e6) | st.none(),
        "no_repeat_ngram": st.integers(1, 4) | st.none(),
        "top_k": st.integers(1, 7) | st.none(),
        "top_p": shares,
        "min_p": shares,
        "typical_p": shares,
        "temperature": st.sampled_from([0.0, 5e-324, 1e-46, 1e-3, 0.5, 1.0, 1e6]),
    }
    config = SampleConfig(**data.draw(st.fixed_dictionaries(options)), seed=3)
    some = st.lists(st.booleans(), min_size=5, max_size=5)
    seen, banned = (np.array(data.draw(flags)) for flags in (some.filter(any), some))
    length = data.draw(st.integers(0, 6))
    before = np.array(
        data.draw(
            st.lists(
                st.lists(st.integers(0, 4), min_size=length, max_size=length),
                min_size=len(rows),
                max_size=len(rows),
            )
        ),
        dtype=np.int64,
    ).reshape(len(rows), length)
    logits = np.where(seen, np.array(rows, dtype=np.float32), NEG_INF)
    left: AnyFloats = logits
    for process in processors(config, banned):
        given_to, untouched = left, left.copy()
        left = process(given_to, before)
        assert ((left != NEG_INF).sum(axis=-1) >= 1).all()
        assert not np.isnan(left).any()
        assert np.array_equal(given_to, untouched), "processors are pure"
        alone = [process(given_to[i : i + 1], before[i : i + 1]) for i in range(len(rows))]
        assert np.array_equal(np.concatenate(alone), left), "each row by itself"
    assert ((left == NEG_INF) | seen).all()
    sampled = Sampler(config, first(3, len(rows)), banned)(logits, before)
    assert (np.take_along_axis(left, sampled[:, None], axis=-1) != NEG_INF).all()


few_levels = st.lists(st.sampled_from([NEG_INF, -1.0, 0.0, 0.5, 3.0]), min_size=6, max_size=6)


@given(rows=st.lists(few_levels.filter(lambda row: max(row) > NEG_INF), min_size=1, max_size=4))
@pytest.mark.parametrize("k", range(1, 7))
def test_top_k_is_the_first_k_of_a_stable_order(k: int, rows: list[list[float]]) -> None:
    logits = np.array(rows, dtype=np.float32)
    left = top_k(k)(logits, np.empty((len(rows), 0), dtype=np.int64))
    for row, kept_row in zip(rows, left.tolist(), strict=True):
        order = sorted(range(6), key=lambda token: -row[token])
        assert kept_row == [row[t] if t in order[:k] else NEG_INF for t in range(6)]


@given(rows=st.lists(few_levels.filter(lambda row: max(row) > NEG_INF), min_size=1, max_size=4))
@pytest.mark.parametrize("share", [0.001, 0.3, 0.55, 0.9])
def test_top_p_is_the_fewest_that_hold_the_share(share: float, rows: list[list[float]]) -> None:
    logits = np.array(rows, dtype=np.float32)
    left = top_p(share)(logits, np.empty((len(rows), 0), dtype=np.int64))
    for row, probs, kept_row in zip(rows, softmax(logits), left.tolist(), strict=True):
        order = sorted(range(6), key=lambda token: -row[token])
        size = next(n for n in range(1, 7) if probs[order[:n]].sum() >= share - 1e-6)
        assert kept_row == [row[t] if t in order[:size] else NEG_INF for t in range(6)]
