"""What is seen inside the network is what goes on there: equal to torch's own layers, to a cell
computed by hand, and to autograd."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from chargen.config import ModelConfig
from chargen.nn.cells import GATE_NAMES
from chargen.nn.model import LanguageModel, State
from chargen.nn.trace import trace, unroll
from tests.support.networks import CELLS

SHAPES: list[dict[str, Any]] = [
    {},
    {"num_layers": 3},
    {"num_layers": 2, "layer_norm": True},
    {"num_layers": 3, "residual": True, "embedding_size": 6},
]


def network(**options: Any) -> LanguageModel:
    torch.manual_seed(0)
    options = {"hidden_size": 6, "embedding_size": 4} | options
    model = LanguageModel(ModelConfig(**options), vocab_size=7).eval().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 4)
    return model


def some_state(model: LanguageModel, rows: int) -> State:
    return model.initial_state(rows).map(lambda part: torch.randn_like(part) / 2)


def one_unit(cell: str, nonlinearity: str, numbers: dict[str, list[float]]) -> LanguageModel:
    """A network of one unit that reads a number, 1 for each token, with weights by torch's name."""
    config = ModelConfig(cell=cell, nonlinearity=nonlinearity, hidden_size=1, embedding_size=1)
    model = LanguageModel(config, vocab_size=2).double()
    with torch.no_grad():
        model.embedding.weight.fill_(1)
        for name, parameter in model.layers[0].named_parameters():
            parameter.copy_(torch.tensor(numbers[name]).view_as(parameter))
    return model


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_trace_is_what_the_layers_of_torch_compute(
    cell: dict[str, Any], shape: dict[str, Any]
) -> None:
    model = network(**cell, **shape)
    tokens, state = torch.randint(7, (3, 9)), some_state(model, 3)
    output, after = model.read(tokens, state)
    found = trace(model, tokens, state)
    torch.testing.assert_close(found.output, output)
    for mine, theirs in zip(found.state.layers, after.layers, strict=True):
        for some, others in zip(mine, theirs, strict=True):
            torch.testing.assert_close(some, others)
    for values in found.layers:
        assert all(value.shape == (3, 9, 6) for value in values.values())
        for gate in GATE_NAMES[model.config.cell]:
            assert ((values[gate] > 0) & (values[gate] < 1)).all()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_trace_in_two_parts_is_the_whole(cell: dict[str, Any]) -> None:
    model = network(**cell, num_layers=2)
    tokens, state = torch.randint(7, (2, 8)), some_state(model, 2)
    whole = trace(model, tokens, state)
    first = trace(model, tokens[:, :3], state)
    second = trace(model, tokens[:, 3:], first.state)
    for layer, values in enumerate(whole.layers):
        for name, value in values.items():
            parts = [first.layers[layer][name], second.layers[layer][name]]
            torch.testing.assert_close(torch.cat(parts, dim=1), value)


def double(number: float) -> Tensor:
    return torch.tensor([[number]], dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_an_lstm_of_one_unit_by_hand() -> None:
    model = one_unit(
        "lstm",
        "tanh",
        {  # in the order of torch: input, forget, candidate, output
            "weight_ih_l0": [0.5, -1.0, 2.0, 0.25],
            "weight_hh_l0": [1.0, 3.0, -0.5, 0.125],
            "bias_ih_l0": [0.1, 0.2, 0.3, 0.4],
            "bias_hh_l0": [0.0, 1.0, 0.0, -1.0],
        },
    )
    h, c = 0.5, -0.75
    found = trace(model, torch.tensor([[0, 1]]), State(((double(h), double(c)),)))
    for step in range(2):
        i = sigmoid(0.5 + 1.0 * h + 0.1)
        f = sigmoid(-1.0 + 3.0 * h + 0.2 + 1.0)
        g = math.tanh(2.0 - 0.5 * h + 0.3)
        o = sigmoid(0.25 + 0.125 * h + 0.4 - 1.0)
        c = f * c + i * g
        h = o * math.tanh(c)
        expected = {"input": i, "forget": f, "candidate": g, "output": o, "cell": c, "hidden": h}
        for name, value in expected.items():
            assert found.layers[0][name][0, step, 0].item() == pytest.approx(value, abs=1e-6), name


def test_a_gru_of_one_unit_by_hand() -> None:
    model = one_unit(
        "gru",
        "tanh",
        {  # in the order of torch: reset, update, candidate
            "weight_ih_l0": [0.5, -1.0, 2.0],
            "weight_hh_l0": [1.0, 3.0, -0.5],
            "bias_ih_l0": [0.1, 0.2, 0.3],
            "bias_hh_l0": [0.0, 1.0, 0.7],
        },
    )
    h = 0.5
    found = trace(model, torch.tensor([[0, 1]]), State(((double(h),),)))
    for step in range(2):
        r = sigmoid(0.5 + 1.0 * h + 0.1)
        z = sigmoid(-1.0 + 3.0 * h + 0.2 + 1.0)
        n = math.tanh(2.0 + 0.3 + r * (-0.5 * h + 0.7))
        h = (1 - z) * n + z * h
        for name, value in {"reset": r, "update": z, "candidate": n, "hidden": h}.items():
            assert found.layers[0][name][0, step, 0].item() == pytest.approx(value, abs=1e-6), name


def test_the_forget_gate_is_the_derivative_of_the_cell() -> None:
    """With h held, dc'/dc is the forget gate; with all else held, dc'/d(candidate) the input gate:
    as autograd has it."""
    model = network(cell="lstm")
    h, c = (part.requires_grad_() for part in some_state(model, 1).layers[0])
    [[values]], _ = unroll(model, torch.tensor([[3]]), State(((h, c),)))
    for part, gate in ((c, "forget"), (values["candidate"], "input")):
        [gradient] = torch.autograd.grad(values["cell"].sum(), part, retain_graph=True)
        torch.testing.assert_close(gradient, values[gate])


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_step_is_all_the_influence_of_its_value(cell: dict[str, Any]) -> None:
    """The gradient at a step in the midst is what a small change there does to the end."""
    model = network(**cell, num_layers=2)
    tokens = torch.randint(7, (1, 6))
    state = model.initial_state(1)

    def end(changed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The sum of the output at the end, where the top layer's h after token 2 is changed; and
        the gradient there."""
        first, _ = unroll(model, tokens[:, :3], state)
        parts = ("hidden", "cell") if model.config.cell == "lstm" else ("hidden",)
        memory = [[steps[-1][part] for part in parts] for steps in first]
        if changed is not None:
            memory[-1][0] = memory[-1][0] + changed
        _, output = unroll(model, tokens[:, 3:], State(tuple(map(tuple, memory))))
        last: Tensor = output[0, -1].sum()
        return last, torch.autograd.grad(last, memory[-1][0])[0]

    before, gradient = end()
    for unit in range(6):
        change = torch.zeros(1, 6, dtype=torch.float64)
        change[0, unit] = 1e-6
        slope = (end(change)[0] - before) / 1e-6
        assert slope.item() == pytest.approx(gradient[0, unit].item(), abs=1e-4)
