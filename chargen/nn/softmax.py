"""Logits to log-probabilities, in float64: sums over long texts keep their digits.

Shapes: V vocabulary; `...` stands for rows, or rows and places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chargen.tokenizers.base import Tokens

Doubles = npt.NDArray[np.float64]
AnyFloats = npt.NDArray[np.floating]

# Where a network has diverged there are infinities, and what comes of them is NaN: who asks for
# numbers sees that, without numpy's warnings.
quiet = np.errstate(over="ignore", invalid="ignore")


@quiet
def log_probabilities(logits: AnyFloats) -> Doubles:
    """(..., V) logits, or log-probabilities of parts -> their log-softmax over V. Minus infinity
    stays what it is; one of the others must be finite."""
    shifted = logits - logits.max(axis=-1, keepdims=True).astype(np.float64)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    logprobs: Doubles = shifted - np.log(total)
    return logprobs


@quiet
def softmax(logits: AnyFloats) -> Doubles:
    """(..., V) logits -> probabilities."""
    shares: Doubles = np.exp(logits - logits.max(axis=-1, keepdims=True).astype(np.float64))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


@quiet
def logsumexp(logits: AnyFloats) -> Doubles:
    """(..., V) -> (...): the log of the sum of what these are the logs of; minus infinity where
    all are."""
    most = logits.max(axis=-1, keepdims=True).astype(np.float64)
    most[most == -np.inf] = 0.0
    with np.errstate(divide="ignore"):  # the log of nothing is minus infinity
        total: Doubles = np.log(np.exp(logits - most).sum(axis=-1))
    total += most[..., 0]
    return total


def logprobs_of(log_probabilities: Doubles, tokens: Tokens) -> Doubles:
    """(..., V), (...) tokens -> (...): the log-probability of each, in nats."""
    found: Doubles = np.take_along_axis(log_probabilities, tokens[..., None], axis=-1)[..., 0]
    return found
