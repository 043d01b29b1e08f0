"""The engine steps as the model does, for every cell and option, at every batch size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chargen.config import ModelConfig
from chargen.nn import torch_engine as engine_module
from chargen.nn.model import LanguageModel
from chargen.nn.torch_engine import Engine

V, LENGTH = 60, 12
CELLS = [
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "rnn"},
    {"cell": "rnn", "nonlinearity": "relu"},
]
OPTIONS = [
    {},
    {"num_layers": 1},
    {"layer_norm": True},
    {"residual": True},
    {"tie_weights": True, "embedding_size": 48, "residual": True, "layer_norm": True},
    {"dropout": 0.5, "weight_dropout": 0.5, "token_dropout": 0.5, "embedding_dropout": 0.5},
]


def network(**options: Any) -> LanguageModel:
    torch.manual_seed(3)
    sizes = {"hidden_size": 48, "embedding_size": 16, "num_layers": 3}
    return LanguageModel(ModelConfig(**(sizes | options)), V).eval()


@pytest.mark.parametrize("rows", [1, 7, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
@torch.inference_mode()
def test_steps_equal_the_model(
    cell: dict[str, Any],
    options: dict[str, Any],
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = network(**cell, **options)
    tokens = torch.randint(V, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    _, begun = model(tokens, model.initial_state(rows))
    expected, after = model(tokens, begun)  # (B, T, V)
    for most in (engine_module.MAX_TABLE_BYTES, 0):  # with the table of the first layer, without
        monkeypatch.setattr(engine_module, "MAX_TABLE_BYTES", most)
        engine = Engine(model)
        memory = engine.start(begun)
        for place in range(LENGTH):
            logits = engine.step(tokens[:, place], memory)
            assert torch.allclose(logits, expected[:, place], atol=1e-5)
        for stepped, whole in zip(memory.state.layers, after.layers, strict=True):
            assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(stepped, whole, strict=True))


@torch.inference_mode()
def test_a_memory_is_its_own() -> None:
    model = network()
    engine = Engine(model)
    state = model.initial_state(2)
    first, second = engine.start(state), engine.start(state)
    tokens = torch.tensor([4, 9])
    once = engine.step(tokens, first).clone()
    engine.step(tokens, first)
    assert torch.equal(engine.step(tokens, second), once)
    assert all(not part.any() for layer in state.layers for part in layer)


@torch.inference_mode()
def test_rows_of_one_batch_size_do_not_know_each_other() -> None:
    model = network()
    engine = Engine(model)
    tokens = torch.randint(V, (8,), generator=torch.Generator().manual_seed(2))
    alone = torch.full((8,), 5)
    alone[3] = tokens[3]
    logits = engine.step(tokens, engine.start(model.initial_state(8))).clone()
    assert torch.equal(engine.step(alone, engine.start(model.initial_state(8)))[3], logits[3])
