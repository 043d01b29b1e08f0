"""What a model that begins documents afresh makes of one does not depend on what was read before
it, whoever computes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from chargen.nn.engine import Engine, initial_state
from chargen.nn.fresh_engine import FreshEngine
from chargen.nn.model import LanguageModel
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.torch_engine import TorchEngine
from chargen.nn.trace import trace
from chargen.nn.transfer import array_of, weights_of
from tests.support.networks import CELLS, network

END = 7
ROWS = 4
# Two documents of four tokens in the first row, and others elsewhere in the others.
TEXTS = np.array(
    [
        [END, 1, 2, 3, END, 4, 5, 6],
        [END, END, 1, 2, 3, 4, 5, END],
        [8, 1, 2, END, 4, 5, 6, 9],
        [8, 1, 2, 3, 4, 5, 6, 9],
    ]
)


def alone(model: LanguageModel, texts: np.ndarray, state: Any) -> tuple[torch.Tensor, Any]:
    """The outputs of each token, (B, T, H), and the state, (B, P, H): each token by itself, from
    zeros where it ends a document."""
    outputs = []
    for column in torch.from_numpy(texts.T):
        state = state.reset(column == END)
        x, state = model.read(column[:, None], state)
        outputs.append(x)
    return torch.cat(outputs, dim=1), state


@pytest.fixture(params=CELLS, ids=str)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return network(**request.param, num_layers=2, fresh_state=True)


@pytest.fixture
def before(model: LanguageModel) -> Any:
    """A state in which something was read."""
    with torch.no_grad():
        _, state = model.read(torch.tensor([[3, 5]] * ROWS), model.initial_state(ROWS))
    return state


@pytest.fixture(params=["numpy", "torch"])
def engine(request: pytest.FixtureRequest, model: LanguageModel) -> Engine:
    plain = NumpyEngine(weights_of(model)) if request.param == "numpy" else TorchEngine(model)
    return FreshEngine(plain, END)


@torch.inference_mode()
def test_an_engine_forgets_at_the_end_of_a_document(
    engine: Engine, model: LanguageModel, before: Any
) -> None:
    outputs, state = alone(model, TEXTS, before)
    logits = model.output_logits(outputs).numpy()
    read, after = engine.read(TEXTS, array_of(before))
    assert np.allclose(read, outputs.numpy(), atol=1e-5)
    assert np.allclose(after, array_of(state), atol=1e-5)
    stepper = engine.start(array_of(before))
    for place, column in enumerate(TEXTS.T):
        assert np.allclose(stepper.step(column), logits[:, place], atol=1e-4)
    assert np.allclose(stepper.state, array_of(state), atol=1e-5)
    assert np.allclose(stepper.row(1), array_of(state)[1:2], atol=1e-5)


@torch.inference_mode()
def test_a_document_costs_the_same_after_whatever_was_read(engine: Engine) -> None:
    """To the last bit, where it is read by itself."""
    for before in ([], [1, 2, 3], [4, END, 6]):
        state = initial_state(engine.config)
        if before:
            _, state = engine.read(np.array([before]), state)
        outputs, _ = engine.read(TEXTS[:1, :4], state)
        if not before:
            expected = outputs
        assert np.array_equal(outputs, expected)


@torch.inference_mode()
def test_the_model_and_its_trace_forget_alike(model: LanguageModel, before: Any) -> None:
    expected, state = alone(model, TEXTS, before)
    tokens = torch.from_numpy(TEXTS)
    outputs, after = model.read_documents(tokens, before, END)
    traced = trace(model, tokens, before, END)
    for found in (outputs, traced.output):
        assert torch.allclose(found, expected, atol=1e-5)
    for reached in (after, traced.state):
        pairs = zip(reached.parts(), state.parts(), strict=True)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in pairs)


@torch.inference_mode()
def test_a_model_that_carries_its_state_forgets_nothing(model: LanguageModel, before: Any) -> None:
    model.config = replace(model.config, fresh_state=False)
    tokens = torch.from_numpy(TEXTS)
    expected, state = model.read(tokens, before)
    outputs, after = model.read_documents(tokens, before, END)
    assert torch.equal(outputs, expected)
    assert torch.allclose(trace(model, tokens, before, END).output, expected, atol=1e-5)
    assert all(map(torch.equal, after.parts(), state.parts()))
