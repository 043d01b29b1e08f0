"""Turn next-token logits into token ids, by random numbers that a seed and a row decide. Knows
nothing of models or text.

Shapes: B batch, V vocabulary, N tokens before.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from chargen.config import SampleConfig
from chargen.generation.logits import processors

BUFFERED_NUMBERS = 64  # that a stream is asked for at once
SKIPPED_AT_ONCE = 1 << 16


class Sampler:
    """Samples tokens as a config says, row b by the numbers of row b."""

    def __init__(
        self,
        config: SampleConfig,
        numbers: UniformBuffer,
        banned: Tensor | None = None,
    ) -> None:
        self._chain = processors(config, banned)
        self._greedy = config.temperature == 0
        self._numbers = numbers

    def __call__(self, logits: Tensor, before: Tensor) -> Tensor:
        """(B, V) logits of what may be sampled, (B, N) tokens before -> (B,) tokens."""
        for process in self._chain:
            logits = process(logits, before)
        if self._greedy:
            return logits.argmax(dim=-1)
        return sample_tokens(logits, self._numbers.next())


@dataclass(frozen=True)
class RandomStream:
    """A stream of random numbers without end: row 17 of a seed samples the same whatever stands
    beside it. `used` of its numbers are consumed already."""

    seed: int
    row: int = 0
    used: int = 0

    def generator(self) -> torch.Generator:
        """Where the next number comes from."""
        root = np.random.SeedSequence(self.seed, spawn_key=(self.row,))
        generator = torch.Generator().manual_seed(int(root.generate_state(1, np.uint64)[0] >> 1))
        for at in range(0, self.used, SKIPPED_AT_ONCE):
            torch.rand(
                min(SKIPPED_AT_ONCE, self.used - at), generator=generator, dtype=torch.double
            )
        return generator


def streams(seed: int | None, first: int = 0) -> Iterator[RandomStream]:
    """The streams of a seed, one a row, from the first row on; without one, of a new seed."""
    seed = new_seed() if seed is None else seed
    return (RandomStream(seed, row) for row in count(first))


def new_seed() -> int:
    """A seed from the operating system's random numbers."""
    return secrets.randbits(63)


class UniformBuffer:
    """Uniform random numbers, row b from stream b, some at once: each call to one is slow."""

    def __init__(self, streams: Sequence[RandomStream]) -> None:
        self._generators = [stream.generator() for stream in streams]
        self._ahead = torch.empty(0, len(streams), 1, dtype=torch.double)
        self._at = 0
        self.used = 0  # of each stream

    def next(self) -> Tensor:
        """(B, 1) numbers from 0 up to but not including 1."""
        if self._at == len(self._ahead):
            rows = [
                torch.rand(BUFFERED_NUMBERS, 1, generator=generator, dtype=torch.double)
                for generator in self._generators
            ]
            self._ahead = torch.stack(rows, dim=1)  # (BUFFERED_NUMBERS, B, 1)
            self._at = 0
        self._at += 1
        self.used += 1
        return self._ahead[self._at - 1]


def sample_tokens(logits: Tensor, uniform: Tensor) -> Tensor:
    """(B, V) logits, (B, 1) numbers below 1 -> (B,) tokens: one a row, by inverting the
    cumulative distribution."""
    cumulative = logits.double().softmax(dim=-1).cumsum(dim=-1)  # (B, V)
    total = cumulative[:, -1:]
    # Rounding must not carry the number past the last token that has a share.
    target = torch.minimum(uniform * total, total.nextafter(total.new_zeros(1)))
    return torch.searchsorted(cumulative, target, right=True)[:, 0]
