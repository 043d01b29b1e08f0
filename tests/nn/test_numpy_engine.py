"""The engine in numpy steps and reads as the model does, for every cell and option, at every batch
size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chargen.nn import numpy_engine
from chargen.nn.engine import initial_state, read_tokens
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.transfer import array_of, weights_of
from tests.nn.test_torch_engine import CELLS, LENGTH, OPTIONS, V, network


@pytest.mark.parametrize("rows", [1, 7, 64, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_steps_and_reading_equal_the_model(
    cell: dict[str, Any],
    options: dict[str, Any],
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = network(**cell, **options)
    tokens = torch.randint(V, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    _, begun = model(tokens, model.initial_state(rows))
    expected, after = model(tokens, begun)  # (B, T, V)
    for most in (numpy_engine.MAX_TABLE_BYTES, 0):  # with the table of the first layer, without
        monkeypatch.setattr(numpy_engine, "MAX_TABLE_BYTES", most)
        engine = NumpyEngine(weights_of(model))
        memory = engine.start(array_of(begun))
        for place in range(LENGTH):
            logits = memory.step(tokens[:, place].numpy())
            assert np.allclose(logits, expected[:, place].numpy(), atol=1e-4)
        outputs, state = engine.read(tokens.numpy(), array_of(begun))
        assert np.allclose(engine.output_logits(outputs), expected.numpy(), atol=1e-4)
        for found in (memory.state, state):
            assert np.allclose(found, array_of(after), atol=1e-4)


def test_a_memory_is_its_own() -> None:
    model = network()
    engine = NumpyEngine(weights_of(model))
    state = initial_state(model.config, 2)
    first, second = engine.start(state), engine.start(state)
    tokens = np.array([4, 9])
    once = first.step(tokens).copy()
    first.step(tokens)
    assert np.array_equal(second.step(tokens), once)
    assert not state.any()


def test_reading_in_chunks_equals_reading_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = NumpyEngine(weights_of(network()))
    tokens = np.arange(50) % V
    whole = read_tokens(engine, tokens, initial_state(engine.config))
    monkeypatch.setattr("chargen.nn.engine.READ_AT_ONCE", 7)
    chunks = read_tokens(engine, tokens, initial_state(engine.config))
    for one, other in zip(whole, chunks, strict=True):
        assert np.allclose(one, other, atol=1e-5)
