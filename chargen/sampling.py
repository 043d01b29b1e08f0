"""Turn next-token logits into a token id. Knows nothing of models or text.

Shapes: B batch, V vocabulary. A processor takes (B, V) logits and gives (B, V) logits in which
what may not be drawn is minus infinity; it leaves at least one token.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from chargen.config import SampleConfig

Processor = Callable[[Tensor], Tensor]
NEVER = float("-inf")


def processors(config: SampleConfig, seen: Tensor) -> list[Processor]:
    """The chain, in its one order: what was never seen goes first, the temperature comes last."""
    chain = [only(seen.cpu())]
    if config.top_k is not None:
        chain.append(top_k(config.top_k))
    if config.top_p is not None:
        chain.append(top_p(config.top_p))
    if config.min_p is not None:
        chain.append(min_p(config.min_p))
    if config.temperature not in (0, 1):
        chain.append(temperature(config.temperature))
    return chain


class Sampler:
    """Draws tokens as a config says, row b from random stream b."""

    def __init__(
        self, config: SampleConfig, seen: Tensor, streams: Sequence[torch.Generator]
    ) -> None:
        self._chain = processors(config, seen.cpu())
        self._greedy = config.temperature == 0
        self._streams = streams

    def __call__(self, logits: Tensor) -> Tensor:
        """(B, V) logits -> (B,) tokens, on the CPU: that is where the random streams are."""
        logits = logits.float().cpu()
        for process in self._chain:
            logits = process(logits)
        if self._greedy:
            return logits.argmax(dim=-1)
        return draw(logits, self._streams)


def generators(seed: int | None) -> Iterator[torch.Generator]:
    """Random streams without end, one a row; row 17 draws the same whatever stands beside it."""
    root = np.random.SeedSequence(seed)  # no seed asks the operating system for one
    while True:
        [entropy] = root.spawn(1)
        yield torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))


def draw(logits: Tensor, streams: Sequence[torch.Generator]) -> Tensor:
    """One token a row, by inverting the cumulative distribution at one uniform number a row."""
    cumulative = logits.double().softmax(dim=-1).cumsum(dim=-1)  # (B, V)
    total = cumulative[:, -1:]
    uniform = torch.cat([torch.rand(1, 1, generator=g, dtype=torch.double) for g in streams])
    # Rounding must not carry the number past the last token that has a share.
    target = torch.minimum(uniform * total, total.nextafter(total.new_zeros(1)))
    return torch.searchsorted(cumulative, target, right=True)[:, 0]


def only(allowed: Tensor) -> Processor:
    """Keep the tokens that the (V,) boolean `allowed` names."""
    return lambda logits: logits.masked_fill(~allowed, NEVER)


def temperature(value: float) -> Processor:
    """Divide the logits: below 1 the likely become likelier, above 1 all become alike."""
    return lambda logits: (logits - logits.amax(dim=-1, keepdim=True)).double() / value


def top_k(k: int) -> Processor:
    """Keep exactly the k likeliest tokens; of equals at the edge, those with the smaller id."""

    def process(logits: Tensor) -> Tensor:
        if k >= logits.shape[-1]:
            return logits
        order = logits.argsort(dim=-1, descending=True, stable=True)
        return logits.scatter(-1, order[:, k:], NEVER)

    return process


def top_p(share: float) -> Processor:
    """Keep the fewest likeliest tokens that together hold `share` (Holtzman et al. 2020).

    The token that crosses the mark is kept.
    """

    def process(logits: Tensor) -> Tensor:
        order = logits.argsort(dim=-1, descending=True, stable=True)
        sorted_probs = logits.double().softmax(dim=-1).gather(-1, order)
        before = sorted_probs.cumsum(dim=-1) - sorted_probs  # held by the likelier ones
        dropped = before >= share
        dropped[:, 0] = False
        return logits.masked_fill(dropped.scatter(-1, order, dropped), NEVER)

    return process


def min_p(share: float) -> Processor:
    """Drop tokens less likely than `share` of the likeliest (Nguyen et al. 2024)."""

    floor = math.log(share) if share > 0 else NEVER
    return lambda logits: logits.masked_fill(
        logits < logits.amax(dim=-1, keepdim=True) + floor, NEVER
    )
