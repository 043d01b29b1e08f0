"""Weights and states go from torch to arrays and back as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chargen.nn.transfer import array_of, model_of, state_of, tensors_of, weights_of
from chargen.nn.weights import weight_shapes
from tests.support.networks import CELLS, OPTIONS, VOCAB_SIZE, network


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_arrays_of_a_model(cell: dict[str, Any], options: dict[str, Any]) -> None:
    model = network(**cell, **options)
    weights = weights_of(model)
    found = {name: array.shape for name, array in weights.arrays.items()}
    assert found == weight_shapes(model.config, VOCAB_SIZE)
    assert weights.num_parameters == model.num_parameters
    again = tensors_of(model_of(weights))
    assert all(torch.equal(tensor, again[name]) for name, tensor in tensors_of(model).items())


@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_a_state_there_and_back(cell: dict[str, Any]) -> None:
    model = network(**cell)
    _, state = model(torch.arange(12).view(3, 4), model.initial_state(3))
    again = state_of(array_of(state), model)
    for parts, same in zip(state.layers, again.layers, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(parts, same, strict=True))
