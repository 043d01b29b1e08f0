"""Each cell as its equation: a step from one state to the next, with every gate in sight.

Shapes: B rows, H hidden, G gates of a cell.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from chargen.config import ModelConfig

# What of a cell is between 0, shut, and 1, open. An update gate that is open keeps what was there.
GATE_NAMES: dict[str, tuple[str, ...]] = {
    "lstm": ("input", "forget", "output"),
    "gru": ("reset", "update"),
    "rnn": (),
}

Values = dict[str, Tensor]  # by name: "hidden", "cell" in an LSTM, the gates, and "candidate"

# Takes what comes from below and from the step before, (B, G * H) each, biases included, and the
# memory before, (B, H) each part; gives what there is then, (B, H) each.
Equation = Callable[[Tensor, Tensor, tuple[Tensor, ...]], Values]


def equation_of(config: ModelConfig) -> Equation:
    """That of the network's cells."""
    kind = f"rnn {config.nonlinearity}" if config.cell == "rnn" else config.cell
    return _EQUATIONS[kind]


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


_EQUATIONS: dict[str, Equation] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn tanh": _rnn_tanh,
    "rnn relu": _rnn_relu,
}
