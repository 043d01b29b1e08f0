"""Arrays as bytes and back, and whether they are a network's weights. The only door to safetensors.

Knows nothing of folders and files.
"""

from __future__ import annotations

from math import prod

import numpy as np
import safetensors
import safetensors.numpy

from chargen.config import ModelConfig
from chargen.nn.weights import Array, Arrays, weight_shapes

MAX_NAMES = 1 << 20  # bytes that the names and shapes of a model's arrays take in its file


def num_bytes(config: ModelConfig, vocab_size: int) -> int:
    """What the weights of such a network take."""
    expected = _expected(config, vocab_size).values()
    return sum(prod(shape) * dtype.itemsize for shape, dtype in expected)


def max_model_bytes(config: ModelConfig, vocab_size: int) -> int:
    """What the file of such a network's weights may take."""
    return num_bytes(config, vocab_size) + MAX_NAMES


def check_weights(config: ModelConfig, vocab_size: int, arrays: Arrays) -> None:
    """Raises ValueError where the arrays are not those of such a network, or are not finite."""
    expected = _expected(config, vocab_size)
    found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    if expected != found:
        wrong = sorted(n for n in expected | found if expected.get(n) != found.get(n))
        raise ValueError(f"{wrong[0]} is missing, unknown or has the wrong shape")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite")
    if not arrays["seen"].any():
        raise ValueError("seen names no token, so nothing could be sampled")


def _expected(
    config: ModelConfig, vocab_size: int
) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    """Shape and type of each array, by name."""
    return {
        name: (shape, np.dtype(np.bool_ if name == "seen" else np.float32))
        for name, shape in weight_shapes(config, vocab_size).items()
    }


def arrays_to_bytes(arrays: Arrays, metadata: dict[str, str] | None = None) -> bytes:
    """The content of a safetensors file."""
    # safetensors reads an array's memory from its beginning on, whatever its strides.
    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    return safetensors.numpy.save(ordered, metadata)


def arrays_from_bytes(content: bytes) -> dict[str, Array]:
    """The arrays in the content of a safetensors file. Raises ValueError."""
    try:
        return safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(str(error)) from error
