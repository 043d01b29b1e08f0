"""A product in blocks is the product, whatever the number of rows and the size of the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.nn.products import Product, block_width, in_blocks


@pytest.mark.parametrize("rows", [1, 2, 7, 16, 37, 64, 67, 128, 129, 300])
@pytest.mark.parametrize("size", [5, 48, 192, 331, 512, 650])
def test_a_product_in_blocks(rows: int, size: int) -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal((rows, size), dtype=np.float32)
    matrix = random.standard_normal((size, 3 * size), dtype=np.float32)
    width = block_width(rows, size)
    assert size % width == 0
    out = np.empty((3 * size // width, rows, width), np.float32)
    product = Product(matrix)
    product.into(out)(x)
    expected = x @ matrix
    assert np.allclose(out, in_blocks(expected, width), atol=1e-3)
    assert np.allclose(product(x), expected, atol=1e-3)
