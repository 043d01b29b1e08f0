"""Each processor on small exact distributions, and draws that follow them."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chargen.config import SampleConfig
from chargen.sampling import (
    NEVER,
    Sampler,
    draw,
    generators,
    min_p,
    only,
    processors,
    temperature,
    top_k,
    top_p,
)

PROBS = torch.tensor([[0.5, 0.25, 0.125, 0.125]])
LOGITS = PROBS.log()


def streams(seed: int | None, rows: int) -> list[torch.Generator]:
    return list(islice(generators(seed), rows))


def kept(logits: Tensor) -> list[int]:
    return torch.nonzero(logits[0] != NEVER)[:, 0].tolist()


@pytest.mark.parametrize(
    ("k", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])]
)
def test_top_k_keeps_exactly_k_even_with_ties(k: int, expected: list[int]) -> None:
    assert kept(top_k(k)(LOGITS)) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.1, [0]), (0.5, [0]), (0.51, [0, 1]), (0.75, [0, 1]), (0.8, [0, 1, 2]), (1, [0, 1, 2, 3])],
)
def test_top_p_keeps_the_token_that_crosses_the_mark(share: float, expected: list[int]) -> None:
    assert kept(top_p(share)(LOGITS)) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0, [0, 1, 2, 3]), (0.25, [0, 1, 2, 3]), (0.5, [0, 1]), (1, [0])]
)
def test_min_p_is_a_share_of_the_likeliest(share: float, expected: list[int]) -> None:
    assert kept(min_p(share)(LOGITS)) == expected


def test_temperature_is_a_power_of_the_probabilities() -> None:
    squared = PROBS**2 / (PROBS**2).sum()
    assert torch.allclose(temperature(0.5)(LOGITS).softmax(-1).float(), squared)


logits_rows = st.lists(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5), min_size=1, max_size=3
)


@given(
    rows=logits_rows,
    k=st.integers(1, 7) | st.none(),
    p=st.floats(1e-6, 1) | st.none(),
    m=st.floats(0, 1) | st.none(),
    t=st.sampled_from([0.0, 5e-324, 1e-46, 1e-3, 0.5, 1.0, 1e6]),
    allowed=st.lists(st.booleans(), min_size=5, max_size=5).filter(any),
)
def test_every_chain_leaves_a_token_and_draws_only_what_it_left(
    rows: list[list[float]],
    k: int | None,
    p: float | None,
    m: float | None,
    t: float,
    allowed: list[bool],
) -> None:
    config = SampleConfig(top_k=k, top_p=p, min_p=m, temperature=t, seed=3)
    logits, seen = torch.tensor(rows), torch.tensor(allowed)
    left = logits
    for process in processors(config, seen):
        left = process(left)
        assert ((left != NEVER).sum(-1) >= 1).all()
        assert not left.isnan().any()
    assert ((left == NEVER) | seen).all()
    drawn = Sampler(config, seen, streams(3, len(rows)))(logits)
    assert (left.gather(-1, drawn[:, None]) != NEVER).all()


def test_zero_temperature_takes_the_likeliest_that_was_seen() -> None:
    sampler = Sampler(SampleConfig(temperature=0), torch.tensor([False, True, True, True]), [])
    assert sampler(LOGITS).tolist() == [1]


def test_draws_follow_the_distribution() -> None:
    rows = 20_000
    drawn = draw(LOGITS.expand(rows, -1), streams(5, rows))
    shares = torch.bincount(drawn, minlength=4) / rows
    assert torch.allclose(shares, PROBS[0], atol=0.015)  # four standard deviations


def test_what_has_no_share_is_never_drawn() -> None:
    logits = only(torch.tensor([False, True, False, False]))(LOGITS)
    assert set(draw(logits.expand(1000, -1), streams(7, 1000)).tolist()) == {1}


def test_a_row_draws_the_same_whatever_stands_beside_it() -> None:
    flat = torch.zeros(8, 1000)
    many = draw(flat, streams(1, 8))
    few = draw(flat[:3], streams(1, 3))
    assert many[:3].tolist() == few.tolist()
    assert len(set(many.tolist())) > 1
    assert draw(flat, streams(2, 8)).tolist() != many.tolist()
    assert draw(flat, streams(None, 8)).tolist() != draw(flat, streams(None, 8)).tolist()


def test_only_keeps_what_is_allowed() -> None:
    assert kept(only(torch.tensor([True, False, True, False]))(LOGITS)) == [0, 2]
