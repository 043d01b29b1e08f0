"""What goes on inside the network: every gate of every layer after every token.

torch computes a row of tokens at once and keeps its gates to itself. Here each cell's equation is
stepped in the open: slower, equal to it, and every step a node of the gradient.

Shapes: B rows, T tokens, E embedding, H hidden, G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.nn.cells import Values, equation_of
from chargen.nn.model import LanguageModel, State


@dataclass(frozen=True)
class Trace:
    """What was in each layer after each token: for each layer its (B, T, H) values by name.

    `output` (B, T, H) is what the output layer reads, `state` what is remembered after the last
    token.
    """

    layers: tuple[Values, ...]
    output: Tensor
    state: State


def trace(model: LanguageModel, tokens: Tensor, state: State, end: int | None = None) -> Trace:
    """Read (B, T) tokens from a state on, as `model.read` does in evaluation, or where the `end` of
    documents is given, `model.read_documents`, and keep all that is on the way."""
    layers, output = unroll(model, tokens, state, end)
    stacked = tuple(
        {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}
        for steps in layers
    )
    parts = ("hidden", "cell") if model.config.cell == "lstm" else ("hidden",)
    after = State(tuple(tuple(steps[-1][part] for part in parts) for steps in layers))
    return Trace(stacked, output, after)


def unroll(
    model: LanguageModel, tokens: Tensor, state: State, end: int | None = None
) -> tuple[list[list[Values]], Tensor]:
    """The same as a list of steps for each layer, of (B, H) values, and the output.

    These values are the very ones that the next step and the layer above read, so the gradient of
    a loss with respect to one of them is all of its influence.
    """
    config = model.config
    equation = equation_of(config)
    x = F.embedding(tokens, model.embedding.weight)  # (B, T, E)
    layers = []
    begins: Sequence[Tensor] = ()  # (B, 1) each: rows whose state is fresh before a token
    if config.fresh_state and end is not None:
        begins = (tokens == end)[:, :, None].unbind(dim=1)
    for index, (layer, before) in enumerate(zip(model.layers, state.layers, strict=True)):
        weights: list[Tensor] = list(layer.parameters())
        # Cut at once: a gradient through so many slices would fill a whole tensor for each.
        reads = F.linear(x, weights[0], weights[2]).unbind(dim=1)  # (B, G * H) each
        steps: list[Values] = []
        for place, read in enumerate(reads):
            if begins:
                before = tuple(part.masked_fill(begins[place], 0) for part in before)
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
