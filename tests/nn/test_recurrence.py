"""The layers that training computes by itself give what torch's give, and so do their gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chargen.config import ModelConfig
from chargen.nn import recurrence
from chargen.nn.model import LanguageModel
from chargen.nn.weights import NUM_GATES
from chargen.runtime.precision import bfloat16_refusal

FUNCTIONS = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def layer_inputs(
    function: str, hidden_size: int, *, batch: int = 3, time: int = 5, dtype: torch.dtype
) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor]]:
    """Inputs, memory and weights of a layer, that all want gradients."""
    generator = torch.Generator().manual_seed(1)

    def sample(*shape: int, scale: float = 1.0) -> Tensor:
        drawn = scale * torch.randn(shape, generator=generator, dtype=dtype)
        return drawn.requires_grad_()

    rows = NUM_GATES[function.split("_")[0]] * hidden_size
    scale = hidden_size**-0.5
    memory = tuple(sample(batch, hidden_size) for _ in range(2 if function == "lstm" else 1))
    shapes = ((rows, 7), (rows, hidden_size), (rows,), (rows,))
    return sample(batch, time, 7), memory, [sample(*shape, scale=scale) for shape in shapes]


def torch_recur(
    function: str, x: Tensor, memory: tuple[Tensor, ...], weights: list[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    before: Any = tuple(part[None] for part in memory)
    before = before if function == "lstm" else before[0]
    y, *after = getattr(torch, function)(x, before, weights, True, 1, 0.0, True, False, True)
    return y, tuple(part[0] for part in after)


def outputs_and_gradients(recur: Any, *given: Any) -> list[Tensor]:
    function, x, memory, weights = given
    y, after = recur(function, x, memory, weights)
    inputs = [x, *memory, *weights]
    weighted = [
        (part.double() * torch.arange(part.numel()).view_as(part).cos()).sum()
        for part in (y, *after)
    ]
    return [y, *after, *torch.autograd.grad(torch.stack(weighted).sum(), inputs)]


@pytest.mark.parametrize("laid_out", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (16, 40)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_outputs_and_gradients_are_torchs(
    function: str, shape: tuple[int, int], laid_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if laid_out and not recurrence._has_layout(torch.float32):
        pytest.skip("this torch has no such layout")
    monkeypatch.setattr(recurrence, "LAID_OUT_FROM", 0 if laid_out else 2**40)
    batch, time = shape
    given = layer_inputs(function, 24, batch=batch, time=time, dtype=torch.float32)
    own = outputs_and_gradients(recurrence.recur, function, *given)
    torchs = outputs_and_gradients(torch_recur, function, *given)
    torch.testing.assert_close(own, torchs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_are_slopes_and_so_are_theirs(function: str) -> None:
    x, memory, weights = layer_inputs(function, 4, batch=2, time=3, dtype=torch.float64)

    def flat(*inputs: Tensor) -> tuple[Tensor, ...]:
        y, after = recurrence.recur(
            function, inputs[0], inputs[1 : 1 + len(memory)], inputs[1 + len(memory) :]
        )
        return y, *after

    assert torch.autograd.gradcheck(flat, (x, *memory, *weights))
    assert torch.autograd.gradgradcheck(flat, (x, *memory, *weights))


@pytest.mark.parametrize("function", FUNCTIONS[:3])  # at zero a relu's gradient jumps
def test_in_bfloat16_gradients_are_nearly_those_in_float32(function: str) -> None:
    given = layer_inputs(function, 40, batch=4, time=20, dtype=torch.float32)
    exact = outputs_and_gradients(recurrence.recur, function, *given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = outputs_and_gradients(recurrence.recur, function, *given)
    for one, other in zip(exact, rounded, strict=True):
        assert (one - other).norm() < 0.03 * one.norm()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("hidden_size", [96, recurrence.OWN_LSTM_FROM])
def test_a_model_learns_in_bfloat16_what_it_learns_in_float32(cell: str, hidden_size: int) -> None:
    if bfloat16_refusal("cpu", cell):
        pytest.skip("this CPU has no bfloat16")
    torch.manual_seed(1)
    model = LanguageModel(ModelConfig(cell=cell, hidden_size=hidden_size, embedding_size=8), 11)
    tokens = torch.randint(11, (2, 4))
    gradients = []
    for is_on in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_on):
            logits, _ = model(tokens[:, :-1], model.initial_state(2))
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        gradients.append([weight.grad.clone() for weight in model.parameters()])  # type: ignore[union-attr]
    for exact, rounded in zip(*gradients, strict=True):
        assert (exact - rounded).norm() < 0.05 * exact.norm()
