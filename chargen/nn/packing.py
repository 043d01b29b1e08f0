"""A network's weights with fewer bits, and back to float32, in which everything is computed.

Matrices shrink; biases and norms are few and stay as they are, and so does `seen`. Knows nothing of
files.

Shapes: R rows of a matrix, C columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chargen.config import ModelConfig
from chargen.errors import CheckpointError, setting
from chargen.nn.weights import Array, Arrays, Weights, weight_shapes

Floats = npt.NDArray[np.float32]
Kinds = dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]  # shape and type of arrays by name

FLOAT32 = "float32"  # all bits: nothing is packed
SCALE = ".scale"  # after a matrix's name, that of its rows' scales
STEPS = 127  # of an int8 on either side of 0, so that the numbers are symmetric
_SPARE = np.uint32(127)  # the last bits of a scale


def packed(arrays: Arrays, precision: str) -> dict[str, Array]:
    """The arrays of a network in a precision of ExportConfig: float16 halves the matrices,
    int8 has a byte a number, and `NAME.scale` (R,) beside them, float32, by which each row is to be
    multiplied. What was packed before comes out as it was. Raises CheckpointError where a number is
    too large for float16."""
    if precision == FLOAT32:
        return dict(arrays)
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.ndim < 2:
            found[name] = array
        elif precision == "float16":
            if np.abs(array).max() > np.finfo(np.float16).max:
                raise CheckpointError(
                    f"{name} holds a number that float16 does not: {np.abs(array).max():.3g}",
                    hint="export with " + setting("weights", "int8"),
                )
            found[name] = array.astype(np.float16)
        else:
            found[name], found[name + SCALE] = _rows_of_bytes(array)
    return found


def unpacked(arrays: Arrays) -> dict[str, Array]:
    """The arrays of a network in float32, from packed ones. What is no number, or too large for
    one, is none afterwards, either."""
    found: dict[str, Array] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        for name, array in arrays.items():
            if array.dtype == np.int8:
                found[name] = array.astype(np.float32) * arrays[name + SCALE][:, None]
            elif array.dtype == np.float16:
                found[name] = array.astype(np.float32)
            elif not name.endswith(SCALE):
                found[name] = array
    return found


def packed_kinds(config: ModelConfig, vocab_size: int, precision: str = FLOAT32) -> Kinds:
    """What arrays such a network has once it is packed: shape and type of each, by name."""
    found: Kinds = {}
    for name, shape in weight_shapes(config, vocab_size).items():
        is_matrix = len(shape) > 1
        dtype = "bool" if name == "seen" else precision if is_matrix else FLOAT32
        found[name] = shape, np.dtype(dtype)
        if dtype == "int8":
            found[name + SCALE] = shape[:1], np.dtype(FLOAT32)
    return found


def rounded(weights: Weights, precision: str) -> Weights:
    """A network as it is after it was packed and unpacked. Raises CheckpointError."""
    arrays = unpacked(packed(weights.arrays, precision))
    return Weights(weights.config, weights.vocab_size, arrays)


def _rows_of_bytes(matrix: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """The (R, C) matrix as whole numbers, and the scale of each row, whose largest number is the
    last step."""
    scales = np.abs(matrix).max(axis=1) / np.float32(STEPS)  # (R,)
    # Rounded up to 17 bits, so that steps of a scale are exact: packed once more, they stay.
    scales = ((scales.view(np.uint32) + _SPARE) & ~_SPARE).view(np.float32)
    steps = np.rint(matrix / np.where(scales > 0, scales, 1)[:, None])
    return np.clip(steps, -STEPS, STEPS).astype(np.int8), scales
