"""A network as arrays: what it is and the numbers that it learned, whichever library computes it.

Needs no torch. Shapes: V vocabulary, E embedding, H hidden, G gates of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chargen.config import ModelConfig

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Bools = npt.NDArray[np.bool_]

NUM_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


@dataclass(frozen=True)
class Weights:
    """The weights of a network by name, a tied matrix once, and `seen`: which tokens stood in the
    training text. They are named and shaped as torch does it: a layer's matrices are (G * H, E) or
    (G * H, H), an LSTM's gates in the order i, f, g, o, a GRU's r, z, n."""

    config: ModelConfig
    vocab_size: int
    arrays: Arrays

    @property
    def seen(self) -> Bools:
        """(V,) true for tokens that stood in the training text: the others are never sampled."""
        return self.arrays["seen"]

    @property
    def embedding(self) -> Array:
        """(V, E): with tied weights the output layer's."""
        tied = self.config.tie_weights
        return self.arrays["head.weight" if tied else "embedding.weight"]

    @property
    def num_parameters(self) -> int:
        return sum(array.size for name, array in self.arrays.items() if name != "seen")

    def layer(self, index: int) -> tuple[Array, Array, Array, Array]:
        """A layer's input to hidden (G * H, E or H), hidden to hidden (G * H, H), their biases."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        one, two, three, four = (self.arrays[f"layers.{index}.{name}_l0"] for name in names)
        return one, two, three, four


def weight_shapes(config: ModelConfig, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """The shapes of such a network's arrays by name; all are float32 but `seen`, booleans."""
    hidden, wide = config.hidden_size, NUM_GATES[config.cell] * config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {"seen": (vocab_size,)}
    if not config.tie_weights:
        shapes["embedding.weight"] = (vocab_size, config.embedding_size)
    for index in range(config.num_layers):
        below = hidden if index else config.embedding_size
        shapes |= {
            f"layers.{index}.weight_ih_l0": (wide, below),
            f"layers.{index}.weight_hh_l0": (wide, hidden),
            f"layers.{index}.bias_ih_l0": (wide,),
            f"layers.{index}.bias_hh_l0": (wide,),
        }
        if config.layer_norm:
            shapes |= {f"norms.{index}.{name}": (hidden,) for name in ("weight", "bias")}
    return shapes | {"head.weight": (vocab_size, hidden), "head.bias": (vocab_size,)}


def count_parameters(config: ModelConfig, vocab_size: int) -> int:
    """The numbers that such a network learns."""
    shapes = weight_shapes(config, vocab_size)
    return sum(math.prod(shape) for name, shape in shapes.items() if name != "seen")
