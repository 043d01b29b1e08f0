"""Samples follow the distribution, and a row's are its own."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import Tensor

from chargen.config import SampleConfig
from chargen.generation.logits import NEG_INF
from chargen.generation.sampling import (
    BUFFERED_NUMBERS,
    RandomStream,
    Sampler,
    UniformBuffer,
    sample_tokens,
    streams,
)

PROBS = torch.tensor([[0.5, 0.25, 0.125, 0.125]])
LOGITS = PROBS.log()
NOTHING = torch.empty(1, 0, dtype=torch.int64)


def first(seed: int | None, rows: int) -> UniformBuffer:
    return UniformBuffer(list(islice(streams(seed), rows)))


def numbers(seed: int | None, rows: int) -> Tensor:
    return first(seed, rows).next()


def test_zero_temperature_takes_the_likeliest() -> None:
    sampler = Sampler(
        SampleConfig(temperature=0), UniformBuffer([]), torch.tensor([True, False, False, False])
    )
    assert sampler(LOGITS, NOTHING).tolist() == [1]


def test_draws_follow_the_distribution() -> None:
    rows = 20_000
    drawn = sample_tokens(LOGITS.expand(rows, -1), numbers(5, rows))
    shares = torch.bincount(drawn, minlength=4) / rows
    assert torch.allclose(shares, PROBS[0], atol=0.015)  # four standard deviations


def test_what_has_no_share_is_never_drawn() -> None:
    logits = LOGITS.masked_fill(torch.tensor([True, False, True, True]), NEG_INF)
    assert set(sample_tokens(logits.expand(1000, -1), numbers(7, 1000)).tolist()) == {1}


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_outermost_numbers_draw_what_has_a_share(uniform: float) -> None:
    logits = torch.tensor([[NEG_INF, 0.0, 0.3, NEG_INF]])
    assert sample_tokens(logits, torch.tensor([[uniform]], dtype=torch.double)).tolist() in (
        [1],
        [2],
    )


def test_a_row_draws_the_same_whatever_stands_beside_it() -> None:
    flat = torch.zeros(8, 1000)
    many = sample_tokens(flat, numbers(1, 8))
    few = sample_tokens(flat[:3], numbers(1, 3))
    assert many[:3].tolist() == few.tolist()
    assert len(set(many.tolist())) > 1
    assert sample_tokens(flat, numbers(2, 8)).tolist() != many.tolist()
    assert (
        sample_tokens(flat, numbers(None, 8)).tolist()
        != sample_tokens(flat, numbers(None, 8)).tolist()
    )


def test_a_stream_never_repeats_its_numbers() -> None:
    sampler = Sampler(SampleConfig(), first(1, 2))
    flat, before = torch.zeros(2, 1000), torch.empty(2, 0, dtype=torch.int64)
    drawn = [tuple(sampler(flat, before).tolist()) for _ in range(3 * BUFFERED_NUMBERS)]
    assert len(set(drawn)) > 3 * BUFFERED_NUMBERS - 3


@pytest.mark.parametrize(
    "used", [0, 1, BUFFERED_NUMBERS - 1, BUFFERED_NUMBERS, 3 * BUFFERED_NUMBERS + 5]
)
def test_a_stream_goes_on_where_it_was_left(used: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargen.generation.sampling.SKIPPED_AT_ONCE", 50)
    whole = UniformBuffer([RandomStream(5, row=2)])
    drawn = [whole.next().item() for _ in range(used + 70)]
    assert whole.used == used + 70
    rest = UniformBuffer([RandomStream(5, row=2, used=used)])
    assert [rest.next().item() for _ in range(70)] == drawn[used:]
