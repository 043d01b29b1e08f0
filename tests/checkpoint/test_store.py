"""Arrays come back from bytes as they were, and those of another network are named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chargen.checkpoint.store import (
    MAX_NAMES,
    arrays_from_bytes,
    arrays_to_bytes,
    check_weights,
    max_model_bytes,
    num_bytes,
    weights_from_bytes,
    weights_to_bytes,
)
from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel
from chargen.nn.packing import packed, unpacked
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


# -- in fewer bits ----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_packed_weights_come_back_in_float32(weights: Arrays, precision: str) -> None:
    content = weights_to_bytes(weights, precision)
    few = packed(weights, precision)
    assert num_bytes(*SHAPE, precision) == sum(array.nbytes for array in few.values())
    assert (
        len(content)
        <= max_model_bytes(*SHAPE, precision)
        == num_bytes(*SHAPE, precision) + (MAX_NAMES)
    )
    found = weights_from_bytes(*SHAPE, content, precision)
    check_weights(*SHAPE, found)
    expected = unpacked(few)
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in weights)


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ("float32", "float16"),
        ("float32", "int8"),
        ("float16", "float32"),
        ("float16", "int8"),
        ("int8", "float32"),
        ("int8", "float16"),
    ],
)
def test_weights_of_another_precision_than_is_said_are_refused(
    weights: Arrays, precision: str, said: str
) -> None:
    with pytest.raises(ValueError, match=r"is missing, unknown or has the wrong shape"):
        weights_from_bytes(*SHAPE, weights_to_bytes(weights, precision), said)


HEAD, SCALES = "head.weight", "head.weight.scale"


@pytest.mark.parametrize(
    ("precision", "change", "says"),
    [
        ("int8", lambda few: few.pop(SCALES), r"head\.weight\.scale is missing"),
        ("int8", lambda few: few.update({SCALES: few[SCALES][1:]}), r"head\.weight\.scale is"),
        ("int8", lambda few: few.update({SCALES: few[SCALES].astype(np.float16)}), "scale is"),
        ("int8", lambda few: few.update({"seen.scale": few[SCALES]}), r"seen\.scale is .*unknown"),
        ("int8", lambda few: few.update({HEAD: few[HEAD].astype(np.float32)}), "head.weight is"),
        ("int8", lambda few: few[SCALES].fill(np.nan), "head.weight holds a number that is not"),
        ("int8", lambda few: few[SCALES].fill(np.inf), "head.weight holds a number that is not"),
        ("int8", lambda few: few[SCALES].fill(3e38), "head.weight holds a number that is not"),
        ("float16", lambda few: few[HEAD].fill(np.inf), "head.weight holds a number that is not"),
        ("float16", lambda few: few[HEAD].fill(np.nan), "head.weight holds a number that is not"),
        ("float16", lambda few: few.update({HEAD: few[HEAD].T}), "head.weight is missing, unkn"),
        ("float16", lambda few: few.update({HEAD: few[HEAD].view(np.int16)}), "head.weight is"),
        ("float16", lambda few: few["seen"].fill(False), "seen names no token"),
        ("float16", lambda few: few.update(more=few["seen"]), "more is missing, unknown"),
    ],
)
def test_packed_weights_that_are_none_are_refused(
    weights: Arrays, precision: str, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    few = {name: array.copy() for name, array in packed(weights, precision).items()}
    change(few)
    with pytest.raises(ValueError, match=says):
        weights_from_bytes(*SHAPE, arrays_to_bytes(few), precision)
