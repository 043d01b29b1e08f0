"""What the model itself says of tokens: exact log-probabilities, before any processor.

Shapes: V vocabulary; `...` stands for rows, or rows and places.
"""

from __future__ import annotations

from torch import Tensor


def log_probabilities(logits: Tensor) -> Tensor:
    """(..., V) logits -> their log-softmax on the CPU, in float64: sums over long texts keep their
    digits."""
    return logits.float().cpu().double().log_softmax(dim=-1)


def logprobs_of(log_probabilities: Tensor, tokens: Tensor) -> Tensor:
    """(..., V), (...) tokens on the CPU -> (...): the log-probability of each, in nats."""
    return log_probabilities.gather(-1, tokens[..., None])[..., 0]
