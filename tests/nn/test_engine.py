"""Both engines step and read as the model does, for every cell and option, at every batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from chargen.nn.engine import MAX_TABLE_BYTES, Engine, initial_state, read_tokens
from chargen.nn.model import LanguageModel
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.torch_engine import TorchEngine
from chargen.nn.transfer import array_of, weights_of
from tests.support.networks import CELLS, OPTIONS, VOCAB_SIZE, network

LENGTH = 12

MakeEngine = Callable[[LanguageModel], Engine]


def in_numpy(model: LanguageModel) -> Engine:
    return NumpyEngine(weights_of(model))


@pytest.fixture(params=[in_numpy, TorchEngine], ids=["numpy", "torch"])
def make(request: pytest.FixtureRequest) -> MakeEngine:
    made: MakeEngine = request.param
    return made


@pytest.mark.parametrize("rows", [1, 7, 64, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_steps_and_reading_equal_the_model(
    make: MakeEngine,
    cell: dict[str, Any],
    options: dict[str, Any],
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = network(**cell, **options)
    tokens = torch.randint(VOCAB_SIZE, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    _, begun = model(tokens, model.initial_state(rows))
    expected, after = model(tokens, begun)  # (B, T, V)
    for most in (MAX_TABLE_BYTES, 0):  # with the table of the first layer, without
        monkeypatch.setattr("chargen.nn.engine.MAX_TABLE_BYTES", most)
        engine = make(model)
        stepper = engine.start(array_of(begun))
        for place in range(LENGTH):
            logits = stepper.step(tokens[:, place].numpy())
            assert np.allclose(logits, expected[:, place].numpy(), atol=1e-4)
        outputs, state = engine.read(tokens.numpy(), array_of(begun))
        assert outputs.dtype == state.dtype == stepper.state.dtype == logits.dtype == np.float32
        logits = engine.output_logits(outputs.reshape(rows * LENGTH, -1))
        assert np.allclose(logits, expected.flatten(0, 1).numpy(), atol=1e-4)
        for found in (stepper.state, state):
            assert np.allclose(found, array_of(after), atol=1e-4)


def test_an_engine_has_copies_of_what_is_sampled(make: MakeEngine) -> None:
    model = network()
    model.seen[5] = False
    engine = make(model)
    assert (engine.config, engine.vocab_size) == (model.config, VOCAB_SIZE)
    assert engine.seen.tolist() == [token != 5 for token in range(VOCAB_SIZE)]


def test_a_stepper_has_its_own_state(make: MakeEngine) -> None:
    engine = make(network())
    state = initial_state(engine.config, 2)
    first, second = engine.start(state), engine.start(state)
    tokens = np.array([4, 9])
    once = first.step(tokens).copy()
    first.step(tokens)
    assert np.array_equal(second.step(tokens), once)
    assert not state.any()


def test_a_state_goes_on_where_it_was_taken(make: MakeEngine) -> None:
    engine = make(network())
    stepper = engine.start(initial_state(engine.config, 3))
    stepper.step(np.array([1, 2, 3]))
    again = engine.start(stepper.state)
    tokens = np.array([4, 5, 6])
    assert np.array_equal(stepper.step(tokens), again.step(tokens))


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("rows", [8, 64])
def test_rows_of_one_batch_size_do_not_know_each_other(
    make: MakeEngine, cell: dict[str, Any], rows: int
) -> None:
    engine = make(network(**cell))
    tokens = np.arange(rows) % VOCAB_SIZE
    alone = np.full(rows, 5)
    alone[3] = tokens[3]
    steppers = [engine.start(initial_state(engine.config, rows)) for _ in range(2)]
    for _ in range(2):
        one, other = (
            stepper.step(each) for stepper, each in zip(steppers, (tokens, alone), strict=True)
        )
        assert np.array_equal(one[3], other[3])


def test_reading_in_chunks_equals_reading_at_once(
    make: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(network())
    tokens = np.arange(50) % VOCAB_SIZE
    whole = read_tokens(engine, tokens, initial_state(engine.config))
    monkeypatch.setattr("chargen.nn.engine.READ_AT_ONCE", 7)
    chunks = read_tokens(engine, tokens, initial_state(engine.config))
    for one, other in zip(whole, chunks, strict=True):
        assert np.allclose(one, other, atol=1e-5)
