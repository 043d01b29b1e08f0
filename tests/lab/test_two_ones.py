"""Half of the strings hold two 1s in a row, and nothing else gives them away."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.lab import two_ones
from chargen.lab.toy_training import (
    IGNORE_INDEX,
)


@given(length=st.integers(2, 30), seed=st.integers(0, 999))
@settings(max_examples=60)
def test_strings_hold_two_ones_where_they_say_so_and_half_do(length: int, seed: int) -> None:
    bits, holds = two_ones.strings(np.random.default_rng(seed), 20, length)
    assert bits.shape == (20, length)
    assert holds.sum() == 10
    for row, answer in zip(bits.tolist(), holds.tolist(), strict=True):
        pairs = sum(a == b == 1 for a, b in itertools.pairwise(row))
        assert pairs == (1 if answer else 0)


def test_strings_without_two_ones_are_drawn_evenly() -> None:
    bits, holds = two_ones.strings(np.random.default_rng(1), 16_000, 4)
    without = Counter(map(tuple, bits[~holds].tolist()))
    assert len(without) == 8  # of the 16 of four digits
    assert all(count == pytest.approx(1000, rel=0.15) for count in without.values())
    places = Counter(
        next(at for at in range(3) if row[at] == row[at + 1] == 1) for row in bits[holds].tolist()
    )
    assert all(places[at] == pytest.approx(8000 / 3, rel=0.1) for at in range(3))


def test_lines_ask_after_the_equals_sign() -> None:
    tokens, targets = two_ones.string_batch(np.random.default_rng(1), 8, 6)
    for row, answer in zip(tokens, targets, strict=True):
        line = two_ones.VOCAB.decode(row)
        assert re.fullmatch("[01]{6}=", line)
        assert two_ones.VOCAB.decode(answer[-1:]) == ("y" if "11" in line else "n")
        assert (answer[:-1] == IGNORE_INDEX).all()


def test_two_ones_says_what_was_measured() -> None:
    counting = (0.6, 0.55, 0.5, 0.5)
    all_of_it = dict.fromkeys(("rnn", "lstm", "gru"), (1.0, 1.0, 1.0, 1.0))
    assert "all still keep to it" in two_ones.summarize(all_of_it, counting)
    some = all_of_it | {"rnn": (1.0, 0.6, 0.5, 0.5)}
    says = two_ones.summarize(some, counting)
    assert "All learned" in says
    assert "lstm and gru alone still kept to it: rnn 50.0%" in says
    few = all_of_it | {"rnn": (0.6, 0.6, 0.5, 0.5), "gru": (0.6, 0.6, 0.5, 0.5)}
    assert "Only lstm learned the rule" in two_ones.summarize(few, counting)
    none = dict.fromkeys(all_of_it, (0.6, 0.5, 0.5, 0.5))
    says = two_ones.summarize(none, counting)
    assert "None learned" in says
    assert "none kept to it" in says
