"""Arrays come back from bytes as they were, and those of another network are named."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.checkpoint.store import (
    arrays_from_bytes,
    arrays_to_bytes,
    check_weights,
    num_bytes,
)
from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel
from chargen.nn.transfer import weights_of
from chargen.nn.weights import Arrays

TIED = ModelConfig(hidden_size=4, embedding_size=4, tie_weights=True)
SHAPE = TIED, 5


@pytest.fixture
def weights() -> Arrays:
    return weights_of(LanguageModel(*SHAPE)).arrays


def test_weights_come_back_from_bytes_and_a_tied_matrix_stays_one(weights: Arrays) -> None:
    assert "embedding.weight" not in weights
    found = arrays_from_bytes(arrays_to_bytes(weights))
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in weights)
    assert num_bytes(*SHAPE) == sum(array.nbytes for array in weights.values())
    check_weights(*SHAPE, found)


def test_arrays_come_back_whatever_their_memory() -> None:
    row, square = np.ones(3, np.float32), np.arange(4, dtype=np.float32).reshape(2, 2)
    number = np.array(7, np.uint8)
    arrays: Arrays = {"one": row, "other": row, "turned": square.T, "number": number}
    found = arrays_from_bytes(arrays_to_bytes(arrays))
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100])
def test_bytes_that_are_no_arrays_are_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        arrays_from_bytes(content)


def test_weights_of_another_network_are_named(weights: Arrays) -> None:
    bias = weights["head.bias"]
    with pytest.raises(ValueError, match=r"head\.bias is missing"):
        check_weights(*SHAPE, {n: a for n, a in weights.items() if n != "head.bias"})
    wrong = [bias[1:], bias.astype(np.float64), np.zeros(5, np.bool_)]
    for other in wrong:
        with pytest.raises(ValueError, match=r"head\.bias is missing, unknown or has the wrong"):
            check_weights(*SHAPE, {**weights, "head.bias": other})
    with pytest.raises(ValueError, match=r"seen is missing, unknown or has the wrong shape"):
        check_weights(*SHAPE, {**weights, "seen": bias})
    with pytest.raises(ValueError, match=r"head\.bias holds a number that is not finite"):
        check_weights(*SHAPE, {**weights, "head.bias": np.full_like(bias, np.nan)})
