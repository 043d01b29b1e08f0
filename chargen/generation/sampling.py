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
from numpy.random import Philox

from chargen.config import SampleConfig
from chargen.generation.logits import processors
from chargen.nn.softmax import AnyFloats, Doubles
from chargen.nn.weights import Bools
from chargen.tokenizers.base import Tokens

BUFFERED_NUMBERS = 64  # that a stream is asked for at once
BLOCK = 4  # numbers that Philox makes at once


class Sampler:
    """Samples tokens as a config says, row b by the numbers of row b."""

    def __init__(
        self,
        config: SampleConfig,
        numbers: UniformBuffer,
        banned: Bools | None = None,
    ) -> None:
        self._chain = processors(config, banned)
        self._greedy = config.temperature == 0
        self._numbers = numbers

    def __call__(self, logits: AnyFloats, before: Tokens) -> Tokens:
        """(B, V) logits of what may be sampled, (B, N) tokens before -> (B,) tokens."""
        for process in self._chain:
            logits = process(logits, before)
        if self._greedy:
            likeliest: Tokens = logits.argmax(axis=-1)
            return likeliest
        return sample_tokens(logits, self._numbers.next())


@dataclass(frozen=True)
class RandomStream:
    """A stream of random numbers without end: row 17 of a seed samples the same whatever stands
    beside it. `used` of its numbers are consumed already."""

    seed: int
    row: int = 0
    used: int = 0

    def generator(self) -> Philox:
        """Where the next number comes from. Of all the sources in numpy this one can be told to
        skip any number of them at once (Salmon et al. 2011); its raw numbers are the same in each
        version and on each machine."""
        generator = Philox(key=np.array([self.seed, self.row], dtype=np.uint64))
        if self.used:
            generator.advance(self.used // BLOCK)
            generator.random_raw(self.used % BLOCK)
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
        self._ahead: list[Doubles] = []
        self._at = 0
        self.used = 0  # of each stream

    def next(self) -> Doubles:
        """(B, 1) numbers from 0 up to but not including 1."""
        if self._at == len(self._ahead):
            raw = [generator.random_raw(BUFFERED_NUMBERS) for generator in self._generators]
            numbers = np.array(raw, dtype=np.uint64).T >> 11  # as many bits as a double has
            self._ahead = list((numbers * 2.0**-53)[..., None])
            self._at = 0
        self._at += 1
        self.used += 1
        return self._ahead[self._at - 1]


def sample_tokens(logits: AnyFloats, uniform: Doubles) -> Tokens:
    """(B, V) logits, (B, 1) numbers from 0 to 1 - 2^-53 -> (B,) tokens: one a row, by inverting
    the cumulative distribution."""
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))  # the largest is 1
    cumulative = np.add.accumulate(shares, axis=-1, dtype=np.float64)  # (B, V)
    # The product is less than the total even when it is rounded, so it never goes past the last
    # token that has a share.
    tokens: Tokens = (cumulative > uniform * cumulative[:, -1:]).argmax(axis=-1)
    return tokens


def own_logprobs(logits: AnyFloats, tokens: Tokens) -> list[float]:
    """(B, V) logits of a network, (B,) tokens -> the log-probability of each, in nats."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    totals = np.exp(shifted).sum(axis=-1, dtype=np.float64)
    found: list[float] = (shifted[np.arange(len(tokens)), tokens] - np.log(totals)).tolist()
    return found
