"""The logits processors, and the one order in which they work. Knows nothing of models or text.

Shapes: B batch, V vocabulary, N tokens before. A processor takes (B, V) logits and (B, N) tokens
that stand before, and gives (B, V) logits in which what may not be sampled is minus infinity; it
leaves at least one token of each row, and what it is given as it was. The order of the chain is
`config.PROCESSOR_ORDER`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from chargen.config import PROCESSOR_ORDER, SampleConfig
from chargen.errors import ChargenError
from chargen.nn.softmax import AnyFloats, log_probabilities
from chargen.nn.weights import Bools
from chargen.tokenizers.base import Tokens

Processor = Callable[[AnyFloats, Tokens], AnyFloats]
NEG_INF = float("-inf")
PLAUSIBLE = 0.1  # of the most likely token's probability: only from there on relevance raises
COLD = 0.1  # below it products with the logits may be too large to keep their last digits
MIN_TEMPERATURE = 1e-30  # below it nothing is different any more, and its reciprocal overflows
# The options whose processors look at the tokens before.
LOOKING_BACK = (
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "no_repeat_ngram",
)


def processors(config: SampleConfig, banned: Bools | None = None) -> list[Processor]:
    """The chain that a config asks for, in its one order; `banned` are (V,) booleans, true where
    a token holds a text of `config.ban`."""
    chain = []
    for name in PROCESSOR_ORDER[1:]:  # the first compares with other logits: see `relevance`
        value = getattr(config, name)
        if name == "ban":
            value = banned
        elif name == "temperature" and value in (0, 1):
            value = None  # greedy needs no scale
        if value is not None:
            chain.append(_MAKERS[name](value))
    return chain


def check_finite(logits: AnyFloats) -> None:
    """Raises ChargenError where the (B, V) logits of a network are no numbers, as after a state
    that has grown without end."""
    if not math.isfinite(logits.item(logits.argmax())):
        raise divergence()


def divergence() -> ChargenError:
    """That the logits of a network are no numbers."""
    return ChargenError(
        "the network's state has diverged (inf or NaN), so nothing can be sampled",
        hint="start over, or use another model",
    )


def mask_logits(logits: AnyFloats, dropped: Bools) -> AnyFloats:
    """The (B, V) logits without what is dropped, (B, V) or for all rows (V,); a row that would
    lose all stays as it was."""
    left = np.where(dropped, NEG_INF, logits)
    none = left.max(axis=-1, keepdims=True) == NEG_INF  # (B, 1)
    return np.where(none, logits, left) if none.any() else left


def relevance(share: float) -> Callable[[AnyFloats, AnyFloats], AnyFloats]:
    """Prefer what is likelier after the prompt than without it: from (B, V) logits and those of the
    same network without the prompt, (B, V), to (B, V) logits, the most likely of which has the
    largest log p - share * log q, p with the prompt and q without (MMI-antiLM, Li et al. 2016).

    All of that is divided by 1 - share, so that a token keeps its logit where the prompt makes no
    difference to it (classifier-free guidance, Sanchez et al. 2023): without that, a temperature
    would mean less and less as the share grows. And of what is implausible nothing is raised
    (contrastive decoding, Li et al. 2023): q of what nobody would write is noise, and from a share
    of about a half on, such tokens would be all that is written (benchmarks/relevance.py).
    """
    strength, floor = share / (1 - share), math.log(PLAUSIBLE)

    def compare(logits: AnyFloats, unprompted: AnyFloats) -> AnyFloats:
        gained = log_probabilities(logits) - log_probabilities(unprompted)
        implausible = logits < logits.max(axis=-1, keepdims=True) + floor
        np.minimum(gained, 0, out=gained, where=implausible)
        return logits + (strength * gained).astype(logits.dtype)

    return compare


def repetition_penalty(value: float) -> Processor:
    """Divide the logits of tokens before by `value`, or multiply where they are negative
    (Keskar et al. 2019)."""

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        left, rows = logits.copy(), _rows(before)
        old = left[rows, before]
        left[rows, before] = np.where(old > 0, old / value, old * value)
        return left

    return process


def presence_penalty(nats: float) -> Processor:
    """Take so much from the logit of each token that stands before."""

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        left, rows = logits.copy(), _rows(before)
        left[rows, before] -= nats  # once, however often a token stands there
        return left

    return process


def frequency_penalty(nats: float) -> Processor:
    """Take so much from the logit of a token for each time that it stands before."""

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        left = logits.copy()
        places = before + _rows(before) * logits.shape[1]
        np.subtract.at(left.reshape(-1), places.ravel(), left.dtype.type(nats))
        return left

    return process


def no_repeat_ngram(size: int) -> Processor:
    """Drop tokens that would end a run of `size` tokens that stands before as a whole.

    Where that would drop all, the row is left as it is.
    """

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        if before.shape[1] < size:
            return logits
        runs = sliding_window_view(before, size, axis=1)  # (B, N - size + 1, size)
        last = before[:, before.shape[1] - size + 1 :]  # (B, size - 1)
        again = (runs[:, :, :-1] == last[:, None]).all(axis=-1)  # (B, N - size + 1)
        rows, places = np.nonzero(again)
        ended = np.zeros(logits.shape, dtype=np.bool_)
        ended[rows, runs[rows, places, -1]] = True
        return mask_logits(logits, ended)

    return process


def ban(banned: Bools) -> Processor:
    """Drop the tokens that the (V,) booleans name; where that would drop all of a row, none."""
    return lambda logits, before: mask_logits(logits, banned)


def top_k(k: int) -> Processor:
    """Keep exactly the k most likely tokens; of equals at the edge, those with the smaller id."""

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        if k >= logits.shape[-1]:
            return logits
        least = np.partition(logits, -k, axis=-1)[:, -k, None]
        return _keep_first(logits, least, np.full((len(logits), 1), k))

    return process


def top_p(share: float) -> Processor:
    """Keep the fewest most likely tokens that together hold `share` (Holtzman et al. 2020).

    The token that crosses the mark is kept; of equals there, those with the smaller id.
    """

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        costs = np.sort(-logits, axis=-1)
        held = np.exp(costs[:, :1] - costs).astype(np.float64).cumsum(axis=-1)
        counts = 1 + (held[:, :-1] < share * held[:, -1:]).sum(axis=-1, keepdims=True)  # (B, 1)
        return _keep_first(logits, -costs[_rows(counts), counts - 1], counts)

    return process


def min_p(share: float) -> Processor:
    """Drop tokens less likely than `share` of the most likely (Nguyen et al. 2024)."""
    floor = math.log(share) if share > 0 else NEG_INF
    return lambda logits, before: np.where(
        logits < logits.max(axis=-1, keepdims=True) + floor, NEG_INF, logits
    )


def typical_p(share: float) -> Processor:
    """Keep the tokens whose surprise is nearest to the expected one, the fewest that together hold
    `share` (Meister et al. 2023). The token that crosses the mark is kept."""

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        logprobs = log_probabilities(logits)
        probs = np.exp(logprobs)
        costs = np.multiply(probs, logprobs, out=np.zeros_like(probs), where=probs > 0)
        entropy = -costs.sum(axis=-1, keepdims=True)  # what has no share adds none
        order = np.abs(-logprobs - entropy).argsort(axis=-1, kind="stable")
        held = np.take_along_axis(probs, order, axis=-1).cumsum(axis=-1)
        dropped = np.zeros(logits.shape, dtype=np.bool_)
        np.put_along_axis(dropped, order[:, 1:], held[:, :-1] >= share, axis=-1)
        return np.where(dropped, NEG_INF, logits)

    return process


def temperature(value: float) -> Processor:
    """Divide the logits: below 1 the likely become likelier, above 1 all become alike."""
    factor = np.float32(1 / max(value, MIN_TEMPERATURE))
    if value >= COLD:
        return lambda logits, before: logits * factor

    def process(logits: AnyFloats, before: Tokens) -> AnyFloats:
        left: AnyFloats = logits - logits.max(axis=-1, keepdims=True)
        with np.errstate(over="ignore"):  # minus infinity is what they then are
            left *= factor
        return left

    return process


def _rows(of_each: Tokens) -> Tokens:
    """(B, 1): the number of each row, to index with."""
    return np.arange(len(of_each))[:, None]


def _keep_first(logits: AnyFloats, least: AnyFloats, counts: Tokens) -> AnyFloats:
    """Keep so many of the most likely tokens of each row, (B, 1), of which the last has the logit
    `least`, (B, 1); of the tokens with that logit those with the smaller id."""
    kept = logits >= least
    if np.count_nonzero(kept) > counts.sum():
        above, equal = logits > least, logits == least
        room = counts - above.sum(axis=-1, keepdims=True)
        kept = above | (equal & (equal.cumsum(axis=-1) <= room))
    return np.where(kept, logits, NEG_INF)


_MAKERS: dict[str, Callable[[Any], Processor]] = {
    "repetition_penalty": repetition_penalty,
    "presence_penalty": presence_penalty,
    "frequency_penalty": frequency_penalty,
    "no_repeat_ngram": no_repeat_ngram,
    "ban": ban,
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
    "typical_p": typical_p,
    "temperature": temperature,
}
