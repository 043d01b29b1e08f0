"""A recurrent weight has the size that was asked, and a gradient's growth is measured."""

from __future__ import annotations

import pytest
import torch

from chargen.lab import exploding
from chargen.lab.exploding import Outcome, UpdateRule
from chargen.lab.toy_training import (
    make_network,
)


def test_a_recurrent_weight_has_the_radius_that_was_asked() -> None:
    model = make_network("rnn relu", 5, seed=1, hidden_size=12)
    exploding.scale_recurrent(model, 1.5)
    weight = model.layers[0].weight_hh_l0
    assert isinstance(weight, torch.Tensor)
    singular = torch.linalg.svdvals(weight.detach())
    assert torch.allclose(singular, torch.full((12,), 1.5), atol=1e-5)


def test_the_growth_of_a_gradient() -> None:
    assert exploding.growth_of([1.1**k for k in range(31)]) == pytest.approx(1.1)
    assert exploding.growth_of([1.0, 0.5, 0.0]) == 0


def test_exploding_says_what_was_measured() -> None:
    curves = {radius: [(radius * 0.7) ** k for k in range(50)] for radius in (0.9, 1.5)}
    free, held = UpdateRule("SGD", None), UpdateRule("SGD", 1.0)
    good, bad = Outcome(2.0, (0.5, 0.5)), Outcome(1e9, (None, None))
    shown = exploding.summarize(curves, {free: bad, held: good})
    assert "exploded with a recurrent weight of 1.5" in shown
    assert "Clipping helped: the loss became NaN in 2 of 2 runs without" in shown
    assert "SGD, no clipping NaN" in shown
    calm = {radius: [0.5**k for k in range(50)] for radius in (0.9, 1.1)}
    absent = exploding.summarize(calm, {free: good, held: good})
    assert "exploded with none" in absent
    assert "not with 1.1" in absent
    assert "made no difference" in absent
    worse = exploding.summarize(calm, {free: Outcome(9.0, (2.0, 2.0)), held: good})
    assert "saved no run" in worse
    assert "did not help" in exploding.summarize(calm, {free: good, held: bad})
    dear = exploding.summarize(calm, {free: good, held: Outcome(9.0, (2.0, 2.0))})
    assert "did not help" in dear
    other, other_held = UpdateRule("AdamW", None), UpdateRule("AdamW", 1.0)
    both = exploding.summarize(
        calm, {free: bad, held: good, other: good, other_held: Outcome(9.0, (2.0, 2.0))}
    )
    assert "in one way and not in another" in both
