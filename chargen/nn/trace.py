"""What goes on inside the network: every gate of every layer after every token.

torch computes a row of tokens at once and keeps its gates to itself. Here each cell is its
equation, stepped in the open: slower, equal to it, and every step a node of the gradient.

Shapes: B rows, T tokens, E embedding, H hidden, G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.nn.model import LanguageModel, State

# What of a cell is between 0, shut, and 1, open. An update gate that is open keeps what was there.
GATE_NAMES: dict[str, tuple[str, ...]] = {
    "lstm": ("input", "forget", "output"),
    "gru": ("reset", "update"),
    "rnn": (),
}

Values = dict[str, Tensor]  # by name: "hidden", "cell" in an LSTM, the gates, and "candidate"


@dataclass(frozen=True)
class Trace:
    """What was in each layer after each token: for each layer its (B, T, H) values by name.

    `output` (B, T, H) is what the output layer reads, `state` what is remembered after the last
    token.
    """

    layers: tuple[Values, ...]
    output: Tensor
    state: State


def trace(model: LanguageModel, tokens: Tensor, state: State) -> Trace:
    """Read (B, T) tokens from a state on, as `model.read` does in evaluation, and keep all that is
    on the way."""
    layers, output = unroll(model, tokens, state)
    stacked = tuple(
        {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}
        for steps in layers
    )
    parts = ("hidden", "cell") if model.config.cell == "lstm" else ("hidden",)
    after = State(tuple(tuple(steps[-1][part] for part in parts) for steps in layers))
    return Trace(stacked, output, after)


def unroll(model: LanguageModel, tokens: Tensor, state: State) -> tuple[list[list[Values]], Tensor]:
    """The same as a list of steps for each layer, of (B, H) values, and the output.

    These values are the very ones that the next step and the layer above read, so the gradient of
    a loss with respect to one of them is all of its influence.
    """
    config = model.config
    kind = f"rnn {config.nonlinearity}" if config.cell == "rnn" else config.cell
    equation = _EQUATIONS[kind]
    x = F.embedding(tokens, model.embedding.weight)  # (B, T, E)
    layers = []
    for index, (layer, before) in enumerate(zip(model.layers, state.layers, strict=True)):
        weights: list[Tensor] = list(layer.parameters())
        # Cut at once: a gradient through so many slices would fill a whole tensor for each.
        reads = F.linear(x, weights[0], weights[2]).unbind(dim=1)  # (B, G * H) each
        steps: list[Values] = []
        for read in reads:
            values = equation(read, F.linear(before[0], weights[1], weights[3]), before)
            before = tuple(values[part] for part in ("hidden", "cell") if part in values)
            steps.append(values)
        y = torch.stack([values["hidden"] for values in steps], dim=1)  # (B, T, H)
        if config.layer_norm:
            norm: nn.Module = model.norms[index]
            y = norm(y)
        x = x + y if config.residual and x.shape == y.shape else y
        layers.append(steps)
    return layers, x


# Each takes what comes from below and from the step before, (B, G * H), biases included, and the
# memory before, (B, H) each part; and gives what there is then, (B, H) each.


def _lstm(read: Tensor, recurrent: Tensor, before: tuple[Tensor, ...]) -> Values:
    i, f, g, o = (read + recurrent).chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * before[1] + i * g
    h = o * c.tanh()
    return {"hidden": h, "cell": c, "input": i, "forget": f, "output": o, "candidate": g}


def _gru(read: Tensor, recurrent: Tensor, before: tuple[Tensor, ...]) -> Values:
    r, z, n = read.chunk(3, dim=1)
    r_before, z_before, n_before = recurrent.chunk(3, dim=1)
    r, z = (r + r_before).sigmoid(), (z + z_before).sigmoid()
    n = (n + r * n_before).tanh()
    h = (1 - z) * n + z * before[0]
    return {"hidden": h, "reset": r, "update": z, "candidate": n}


def _rnn_tanh(read: Tensor, recurrent: Tensor, before: tuple[Tensor, ...]) -> Values:
    return {"hidden": (read + recurrent).tanh()}


def _rnn_relu(read: Tensor, recurrent: Tensor, before: tuple[Tensor, ...]) -> Values:
    return {"hidden": (read + recurrent).relu()}


_EQUATIONS: dict[str, Callable[[Tensor, Tensor, tuple[Tensor, ...]], Values]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn tanh": _rnn_tanh,
    "rnn relu": _rnn_relu,
}
