"""Fewer bits: how far a number may move, that it moves once, and what that does to a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.errors import CheckpointError
from chargen.generation.generator import TextGenerator
from chargen.nn.packing import SCALE, STEPS, Kinds, packed, packed_kinds, rounded, unpacked
from chargen.nn.transfer import weights_of
from chargen.nn.weights import Arrays
from tests.support.networks import network
from tests.support.samples import TEXT
from tests.support.tiny import tiny

NETWORKS: list[dict[str, Any]] = [
    {"cell": "lstm", "layer_norm": True},
    {"cell": "gru", "tie_weights": True, "embedding_size": 48},
    {"cell": "rnn"},
]
NUMBERS = st.floats(-1e4, 1e4, width=32)
MATRICES = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(NUMBERS, min_size=columns, max_size=columns), min_size=1, max_size=5
    )
)


def same(one: Arrays, other: Arrays) -> bool:
    """Whether these are the same arrays to the last bit."""
    return kinds_of(one) == kinds_of(other) and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def kinds_of(arrays: Arrays) -> Kinds:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


@given(MATRICES)
def test_a_byte_is_within_half_a_step_of_its_row(rows: list[list[float]]) -> None:
    matrix = np.array(rows, dtype=np.float32)
    arrays = packed({"m": matrix}, "int8")
    steps, scales = arrays["m"], arrays["m" + SCALE]
    assert steps.dtype == np.int8 and scales.dtype == np.float32
    assert (steps.shape, scales.shape) == (matrix.shape, matrix.shape[:1])
    back = unpacked(arrays)
    assert same(packed(back, "int8"), arrays), "once is enough"
    assert list(back) == ["m"] and back["m"].dtype == np.float32
    bound = np.abs(matrix).max(axis=1, keepdims=True) / STEPS
    assert (np.abs(back["m"] - matrix) <= 0.5001 * bound + 1e-40).all()


@given(MATRICES)
def test_half_a_float_is_within_its_last_bit(rows: list[list[float]]) -> None:
    matrix = np.array(rows, dtype=np.float32)
    arrays = packed({"m": matrix}, "float16")
    assert arrays["m"].dtype == np.float16
    assert same(packed(unpacked(arrays), "float16"), arrays), "once is enough"
    back = unpacked(arrays)["m"]
    assert back.dtype == np.float32
    assert (np.abs(back - matrix) <= np.abs(matrix) * 2**-11 + 2**-25).all()


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("options", NETWORKS)
def test_a_network_comes_back_whole(precision: str, options: dict[str, Any]) -> None:
    weights = weights_of(network(**options))
    few = packed(weights.arrays, precision)
    assert packed_kinds(weights.config, weights.vocab_size, precision) == kinds_of(few)
    arrays = unpacked(few)
    assert kinds_of(arrays) == kinds_of(weights.arrays)
    for name, array in weights.arrays.items():
        if array.ndim < 2 or precision == "float32":
            assert np.array_equal(arrays[name], array), "few numbers keep all their bits"
    assert same(rounded(weights, precision).arrays, arrays)
    assert same(packed(arrays, precision), few), "once is enough"


def test_what_float16_does_not_hold_is_reported() -> None:
    with pytest.raises(CheckpointError, match=r"m holds a number that float16 does not: 7e\+04"):
        packed({"m": np.array([[7e4]], dtype=np.float32)}, "float16")
    big = packed({"m": np.array([[7e4, 0]], dtype=np.float32)}, "int8")
    assert unpacked(big)["m"][0].tolist() == pytest.approx([7e4, 0], rel=2**-16)


@pytest.mark.parametrize(("precision", "most"), [("float16", 1e-4), ("int8", 5e-3)])
def test_a_model_predicts_as_well_as_before(precision: str, most: float) -> None:
    whole = tiny(1, *"abcdefgh \n")
    few = TextGenerator(rounded(whole.weights, precision), whole.tokenizer)
    text = "".join(letter for letter in TEXT[:2000] if letter in "abcdefgh \n")
    cost = few.evaluate([text]).bits_per_byte / whole.evaluate([text]).bits_per_byte - 1
    assert abs(cost) < most
