"""Both engines step and read as the model does, for every cell and option, at every batch size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from chargen.nn.engine import MAX_TABLE_BYTES, Engine, initial_state, read_tokens
from chargen.nn.model import LanguageModel
from chargen.nn.numpy_engine import ROW_GROUP, NumpyEngine
from chargen.nn.products import Product
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


@pytest.mark.parametrize("hidden_size", [5, 48, 97, 100, 192, 331])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_independent_rows_are_the_same_wherever_they_stand(
    cell: dict[str, Any], hidden_size: int
) -> None:
    engine = in_numpy(network(hidden_size=hidden_size, layer_norm=True, **cell))
    group = engine.row_group
    assert group in (1, ROW_GROUP)
    random = np.random.default_rng(1)
    tokens = random.integers(VOCAB_SIZE, size=LENGTH)
    [_, parts, size] = initial_state(engine.config).shape
    begun = random.standard_normal((1, parts, size), dtype=np.float32)

    def beside(rows: int, place: int) -> tuple[list[bytes], bytes]:
        """The bits of the logits of a row that stands there among others, and of its state."""
        others = random.standard_normal((rows, parts, size), dtype=np.float32)
        stepper = engine.start(others, independent=True)
        stepper.set_row(place, begun)
        found = []
        for token in tokens:
            given = random.integers(VOCAB_SIZE, size=rows)
            given[place] = token
            found.append(stepper.step(given)[place].tobytes())
        return found, stepper.row(place).tobytes()

    alone = beside(group, 0)
    for rows in (group, 2 * group, 9 * group, 64 * group):
        for place in (0, rows // 2, rows - 1):
            assert beside(rows, place) == alone


def test_a_blas_that_tells_rows_apart_multiplies_them_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Product, "treats_rows_alike", lambda *_: False)
    engine = in_numpy(network())
    assert engine.row_group == 1
    state = initial_state(engine.config, rows=3)
    expected = engine.start(state).step(np.arange(3))
    assert np.allclose(
        engine.start(state, independent=True).step(np.arange(3)), expected, atol=1e-5
    )


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_row_is_taken_and_set(make: MakeEngine, cell: dict[str, Any]) -> None:
    engine = make(network(**cell))
    stepper = engine.start(initial_state(engine.config, rows=4))
    stepper.step(np.array([1, 2, 3, 4]))
    rows = [stepper.row(index) for index in range(4)]
    assert np.array_equal(np.concatenate(rows), stepper.state)
    for index, row in enumerate(reversed(rows)):
        stepper.set_row(index, row)
    assert np.array_equal(stepper.state, np.concatenate(rows[::-1]))
    logits = stepper.step(np.array([5, 6, 7, 8])).copy()
    expected = engine.start(np.concatenate(rows[::-1])).step(np.array([5, 6, 7, 8]))
    assert np.allclose(logits, expected, atol=1e-6)
