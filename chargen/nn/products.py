"""Matrix products as fast as numpy can for few rows and for many.

Shapes: B rows, K what a product reads, N what it gives. N numbers lie in blocks of W,
(N / W, B, W), or in rows, (B, N).
"""

from __future__ import annotations

import numpy as np

from chargen.nn.engine import Floats
from chargen.nn.weights import Array
from chargen.runtime.blas import Multiply, by_free_threads

# OpenBLAS copies a matrix before it multiplies, which for few rows takes longer than to multiply;
# not so where the product is this small. So for few rows the matrix is cut into blocks of columns.
SMALL_PRODUCT = 1_000_000  # multiplications
MAX_CUT_ROWS = 128
MIN_WIDTH, MAX_WIDTH = 16, 64
# Bytes of a matrix from which on several threads take less time than one, at one row. At more rows
# the last bits would depend on their number; there Python's threads share the rows.
THREADED_MATRIX = 1_500_000


class Product:
    """x @ matrix, (B, K) -> (B, N), as fast as numpy can for that many rows."""

    def __init__(self, matrix: Array) -> None:
        """Of a (K, N) matrix, which it copies where it does not lie as the product reads it."""
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        self._cut: dict[int, Floats] = {}  # by their width: (N / W, 1, K, W)

    def into(self, out: Floats, at_once: int | None = None) -> Multiply:
        """What writes the product in blocks into an (N / W, B, W) array, of (B, K) rows; always so
        many rows `at_once`, where that is given, of which B is a multiple."""
        count, rows, width = out.shape
        if at_once is None and (rows == 1 or count == 1):  # blocks lie as rows do
            whole, flat = self.matrix, out.reshape(rows, count * width)

            def multiply(x: Floats) -> None:
                np.matmul(x, whole, flat)

            if rows == 1 and whole.nbytes >= THREADED_MATRIX:
                return by_free_threads(multiply, whole.shape[1])
        else:
            blocks = self._blocks(width)
            size = at_once or _rows_at_once(rows, len(self.matrix) * width)
            pieces = out.reshape(count, -1, size, width)

            def multiply(x: Floats) -> None:
                np.matmul(x.reshape(-1, size, x.shape[1]), blocks, pieces)

        return multiply

    def treats_rows_alike(self, width: int, at_once: int) -> bool:
        """Whether each of so many rows comes out the same to the last bit wherever it stands among
        them, and whatever the others are."""
        [size, columns] = self.matrix.shape
        generator = np.random.default_rng(0)
        out = np.empty((columns // width, at_once, width), np.float32)
        multiply = self.into(out, at_once)
        row = generator.standard_normal((1, size), np.float32)
        found = []
        for place in range(at_once):
            x = generator.standard_normal((at_once, size), np.float32)
            x[place] = row
            multiply(x)
            found.append(out[:, place].copy())
        return all(np.array_equal(first, found[0]) for first in found)

    def _blocks(self, width: int) -> Floats:
        """(N / W, 1, K, W)"""
        if width not in self._cut:
            columns = self.matrix.reshape(len(self.matrix), -1, 1, width)
            # Of one block no copy is made: it lies so already.
            self._cut[width] = np.ascontiguousarray(columns.transpose(1, 2, 0, 3))
        return self._cut[width]

    def __call__(self, x: Floats, at_once: int | None = None) -> Floats:
        """(B, K) -> (B, N), so many rows `at_once` where that is given."""
        out = np.empty((1, len(x), self.matrix.shape[1]), np.float32)
        self.into(out, at_once)(x)
        product: Floats = out[0]
        return product


def _rows_at_once(rows: int, numbers: int) -> int:
    """By how many rows to multiply a block of so many numbers; all where it is of no use."""
    most = SMALL_PRODUCT // numbers
    if rows <= most or rows > MAX_CUT_ROWS:
        return rows
    return next((n for n in range(most, 7, -1) if rows % n == 0), rows)


def block_width(rows: int, size: int) -> int:
    """How many of a layer's units are a block, so that products of those are small; all of them
    where they cannot be, and where it is of no use."""
    if rows == 1 or rows > MAX_CUT_ROWS:
        return size
    most = min(MAX_WIDTH, max(MAX_WIDTH // 2, SMALL_PRODUCT // (32 * size)))
    return next((n for n in range(most, MIN_WIDTH - 1, -1) if size % n == 0), size)


def in_blocks(x: Floats, width: int) -> Floats:
    """(..., B, N) -> (..., N / W, B, W): a view."""
    return x.reshape(*x.shape[:-1], -1, width).swapaxes(-3, -2)
