"""Arrays as bytes and back, and whether they are a network's weights. The only door to safetensors.

Knows nothing of folders and files.
"""

from __future__ import annotations

from math import prod

import numpy as np
import safetensors
import safetensors.numpy

from chargen.config import ModelConfig
from chargen.nn.packing import FLOAT32, Kinds, packed, packed_kinds, unpacked
from chargen.nn.weights import Array, Arrays

MAX_NAMES = 1 << 20  # bytes that the names and shapes of a model's arrays take in its file


def num_bytes(config: ModelConfig, vocab_size: int, precision: str = FLOAT32) -> int:
    """What the weights of such a network take, packed in a precision."""
    kinds = packed_kinds(config, vocab_size, precision).values()
    return sum(prod(shape) * dtype.itemsize for shape, dtype in kinds)


def max_model_bytes(config: ModelConfig, vocab_size: int, precision: str) -> int:
    """What the file of such a network's weights may take."""
    return num_bytes(config, vocab_size, precision) + MAX_NAMES


def weights_to_bytes(arrays: Arrays, precision: str) -> bytes:
    """The content of the file of a network's weights. Raises CheckpointError where they cannot be
    packed so."""
    return arrays_to_bytes(packed(arrays, precision))


def weights_from_bytes(
    config: ModelConfig, vocab_size: int, content: bytes, precision: str
) -> dict[str, Array]:
    """The weights of such a network in float32, from the content of a file that has them in a
    precision. Raises ValueError where they are not those of such a network, or are not finite."""
    arrays = arrays_from_bytes(content)
    _check_kinds(packed_kinds(config, vocab_size, precision), arrays)
    weights = unpacked(arrays)
    check_weights(config, vocab_size, weights)
    return weights


def check_weights(config: ModelConfig, vocab_size: int, arrays: Arrays) -> None:
    """Raises ValueError where the arrays are not those of such a network, or are not finite."""
    _check_kinds(packed_kinds(config, vocab_size), arrays)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite")
    if not arrays["seen"].any():
        raise ValueError("seen names no token, so nothing could be sampled")


def _check_kinds(expected: Kinds, arrays: Arrays) -> None:
    """Raises ValueError where the arrays have other names, shapes or types."""
    found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    if expected != found:
        wrong = sorted(n for n in expected | found if expected.get(n) != found.get(n))
        raise ValueError(f"{wrong[0]} is missing, unknown or has the wrong shape")


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
