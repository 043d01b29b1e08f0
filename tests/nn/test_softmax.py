"""Log-probabilities in float64, against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chargen.nn.softmax import log_probabilities, logprobs_of, logsumexp, softmax


def test_they_are_exact_over_long_sums() -> None:
    logits = np.zeros((1, 3), dtype=np.float32)
    found = log_probabilities(logits)
    assert found.dtype == np.float64
    assert found[0].tolist() == pytest.approx([-math.log(3)] * 3, abs=1e-15)
    assert softmax(logits)[0].tolist() == pytest.approx([1 / 3] * 3, abs=1e-15)


def test_large_and_missing_logits() -> None:
    logits = np.array([[1000.0, 1000.0, -np.inf], [-1000.0, -np.inf, -np.inf]], dtype=np.float32)
    expected = [[-math.log(2), -math.log(2), -math.inf], [0.0, -math.inf, -math.inf]]
    assert log_probabilities(logits).tolist() == pytest.approx(np.array(expected))
    assert logsumexp(logits).tolist() == pytest.approx([1000 + math.log(2), -1000])
    assert logsumexp(np.full((2, 4), -np.inf)).tolist() == [-math.inf, -math.inf]


def test_those_of_tokens() -> None:
    table = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    assert logprobs_of(table, np.array([1, 2])).tolist() == pytest.approx(
        [math.log(0.25), math.log(0.7)]
    )
