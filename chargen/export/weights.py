"""A network's weights with fewer bits, and back to float32: what a page computes, Python can score.

Matrices shrink; biases and norms are few and stay as they are, and so does `seen`. Knows nothing of
files.

Shapes: R rows of a matrix, C columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chargen.errors import CheckpointError, setting
from chargen.nn.weights import Array, Arrays, Weights

Floats = npt.NDArray[np.float32]

SCALE = ".scale"  # after a matrix's name, that of its rows' scales
STEPS = 127  # of an int8 on either side of 0, so that the numbers are symmetric


def packed(arrays: Arrays, precision: str) -> dict[str, Array]:
    """The arrays of a network in a precision of ExportConfig: float16 halves the matrices,
    int8 has a byte a number, and `NAME.scale` (R,) beside them, float32, by which each row is to be
    multiplied. Raises CheckpointError where a number is too large for float16."""
    if precision == "float32":
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
    """The arrays that a page makes of packed ones, in float32."""
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.dtype == np.int8:
            found[name] = array.astype(np.float32) * arrays[name + SCALE][:, None]
        elif array.dtype == np.float16:
            found[name] = array.astype(np.float32)
        elif not name.endswith(SCALE):
            found[name] = array
    return found


def rounded(weights: Weights, precision: str) -> Weights:
    """A network as it is after it was packed and unpacked. Raises CheckpointError."""
    arrays = unpacked(packed(weights.arrays, precision))
    return Weights(weights.config, weights.vocab_size, arrays)


def _rows_of_bytes(matrix: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """The (R, C) matrix as whole numbers, and the scale of each row, whose largest number is the
    last step."""
    scales = np.abs(matrix).max(axis=1) / np.float32(STEPS)  # (R,)
    steps = np.rint(matrix / np.where(scales > 0, scales, 1)[:, None])
    return np.clip(steps, -STEPS, STEPS).astype(np.int8), scales
