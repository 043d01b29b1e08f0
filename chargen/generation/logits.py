"""The logits processors, and the one order in which they work. Knows nothing of models or text.

Shapes: B batch, V vocabulary, N tokens before. A processor takes (B, V) logits and (B, N) tokens
that stand before, and gives (B, V) logits in which what may not be sampled is minus infinity; it
leaves at least one token of each row. The order of the chain is `config.PROCESSOR_ORDER`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chargen.config import PROCESSOR_ORDER, SampleConfig
from chargen.errors import ChargenError

Processor = Callable[[Tensor, Tensor], Tensor]
NEG_INF = float("-inf")
# The options whose processors look at the tokens before.
LOOKING_BACK = (
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "no_repeat_ngram",
)


def processors(config: SampleConfig, banned: Tensor | None = None) -> list[Processor]:
    """The chain that a config asks for, in its one order; `banned` are (V,) booleans, true where
    a token holds a text of `config.ban`."""
    chain = []
    for name in PROCESSOR_ORDER:
        value = getattr(config, name)
        if name == "ban":
            value = banned
        elif name == "temperature" and value in (0, 1):
            value = None  # greedy needs no scale
        if value is not None:
            chain.append(_MAKERS[name](value))
    return chain


def check_finite(logits: Tensor) -> None:
    """Raises ChargenError where the (B, V) logits of a network are no numbers, as after a state
    that has grown without end."""
    if not math.isfinite(float(logits.amax())):
        raise ChargenError(
            "the network's state has diverged (inf or NaN), so nothing can be sampled",
            hint="start over, or use another model",
        )


def mask_logits(logits: Tensor, dropped: Tensor) -> Tensor:
    """The (B, V) logits without what is dropped; a row that would lose all stays as it was."""
    left = logits.masked_fill(dropped, NEG_INF)
    none = (left == NEG_INF).all(dim=-1, keepdim=True)
    return torch.where(none, logits, left)


def repetition_penalty(value: float) -> Processor:
    """Divide the logits of tokens before by `value`, or multiply where they are negative
    (Keskar et al. 2019)."""

    def process(logits: Tensor, before: Tensor) -> Tensor:
        old = logits.gather(-1, before)
        return logits.scatter(-1, before, torch.where(old > 0, old / value, old * value))

    return process


def presence_penalty(nats: float) -> Processor:
    """Take so much from the logit of each token that stands before."""
    return lambda logits, before: logits - nats * _counts(logits, before).clamp_(max=1)


def frequency_penalty(nats: float) -> Processor:
    """Take so much from the logit of a token for each time that it stands before."""
    return lambda logits, before: logits - nats * _counts(logits, before)


def no_repeat_ngram(size: int) -> Processor:
    """Drop tokens that would end a run of `size` tokens that stands before as a whole.

    Where that would drop all, the row is left as it is.
    """

    def process(logits: Tensor, before: Tensor) -> Tensor:
        if before.shape[1] < size:
            return logits
        runs = before.unfold(1, size, 1)  # (B, N - size + 1, size)
        last = before[:, before.shape[1] - size + 1 :]  # (B, size - 1)
        again = (runs[:, :, :-1] == last[:, None]).all(dim=-1)  # (B, N - size + 1)
        ended = torch.zeros_like(logits).scatter_add_(-1, runs[:, :, -1], again.to(logits))
        return mask_logits(logits, ended > 0)

    return process


def ban(banned: Tensor) -> Processor:
    """Drop the tokens that the (V,) booleans name; where that would drop all of a row, none."""
    return lambda logits, before: mask_logits(logits, banned.expand_as(logits))


def top_k(k: int) -> Processor:
    """Keep exactly the k most likely tokens; of equals at the edge, those with the smaller id."""

    def process(logits: Tensor, before: Tensor) -> Tensor:
        if k >= logits.shape[-1]:
            return logits
        order = logits.argsort(dim=-1, descending=True, stable=True)
        return logits.scatter(-1, order[:, k:], NEG_INF)

    return process


def top_p(share: float) -> Processor:
    """Keep the fewest most likely tokens that together hold `share` (Holtzman et al. 2020).

    The token that crosses the mark is kept.
    """

    def process(logits: Tensor, before: Tensor) -> Tensor:
        order = logits.argsort(dim=-1, descending=True, stable=True)
        return _keep_share(logits, logits.double().softmax(dim=-1), order, share)

    return process


def min_p(share: float) -> Processor:
    """Drop tokens less likely than `share` of the most likely (Nguyen et al. 2024)."""
    floor = math.log(share) if share > 0 else NEG_INF
    return lambda logits, before: logits.masked_fill(
        logits < logits.amax(dim=-1, keepdim=True) + floor, NEG_INF
    )


def typical_p(share: float) -> Processor:
    """Keep the tokens whose surprise is nearest to the expected one, the fewest that together hold
    `share` (Meister et al. 2023). The token that crosses the mark is kept."""

    def process(logits: Tensor, before: Tensor) -> Tensor:
        logprobs = logits.double().log_softmax(dim=-1)
        probs = logprobs.exp()
        entropy = -(probs * logprobs).nansum(dim=-1, keepdim=True)  # what has no share adds none
        order = (-logprobs - entropy).abs().argsort(dim=-1, stable=True)
        return _keep_share(logits, probs, order, share)

    return process


def temperature(value: float) -> Processor:
    """Divide the logits: below 1 the likely become likelier, above 1 all become alike."""
    return lambda logits, before: (logits - logits.amax(dim=-1, keepdim=True)).double() / value


def _counts(logits: Tensor, before: Tensor) -> Tensor:
    """How often each token stands before, (B, V)."""
    return torch.zeros_like(logits).scatter_add_(-1, before, torch.ones_like(before).to(logits))


def _keep_share(logits: Tensor, probs: Tensor, order: Tensor, share: float) -> Tensor:
    """Keep the first tokens, by their `order`, that together hold the `share`; one at least."""
    ordered = probs.gather(-1, order)
    before = ordered.cumsum(dim=-1) - ordered
    dropped = before >= share
    dropped[:, 0] = False
    return logits.masked_fill(dropped.scatter(-1, order, dropped), NEG_INF)


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
