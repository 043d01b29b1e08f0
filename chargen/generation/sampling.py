"""Turn next-token logits into token ids, by random numbers that a seed and a row decide. Knows
nothing of models or text.

Shapes: B batch, V vocabulary, N tokens before.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import Philox

from chargen.config import SampleConfig
from chargen.generation.logits import LOOKING_BACK, processors
from chargen.nn.softmax import AnyFloats, Doubles
from chargen.nn.weights import Bools
from chargen.tokenizers.base import Tokens

BUFFERED_NUMBERS = 64  # that a stream is asked for at once
WIDE = 2000  # a vocabulary so large that rows are sampled one by one, each while it is in the cache
NO_NUMBERS = np.empty((0, 1))
BLOCK = 4  # numbers that Philox makes at once


class Numbers(Protocol):
    """Where uniform random numbers come from."""

    def next(self) -> Doubles:
        """(B, 1) numbers from 0 up to but not including 1."""


class Sampler:
    """Samples tokens as a config says, row b by the numbers of row b."""

    def __init__(
        self,
        config: SampleConfig,
        numbers: Numbers,
        banned: Bools | None = None,
        shortlist: Tokens | None = None,
    ) -> None:
        """`banned` are (V,) booleans. Of a `shortlist`, (S,) ids in order and none of them banned,
        only those are looked at; no processor may look back then."""
        self._chain = processors(config, banned if shortlist is None else None)
        self._greedy = config.temperature == 0
        self._numbers = numbers
        self._shortlist = shortlist

    def __call__(self, logits: AnyFloats, before: Tokens) -> Tokens:
        """(B, V) logits of what may be sampled, (B, N) tokens before -> (B,) tokens."""
        if self._shortlist is None:
            return self._sample_rows(logits, before)
        listed = logits.take(self._shortlist, axis=1)  # (B, S)
        tokens: Tokens = self._shortlist[self._sample_rows(listed, before)]
        return tokens

    def _sample_rows(self, logits: AnyFloats, before: Tokens) -> Tokens:
        uniform = NO_NUMBERS if self._greedy else self._numbers.next()
        if logits.shape[1] < WIDE or len(logits) == 1:
            return self._sample(logits, before, uniform)
        rows = [slice(row, row + 1) for row in range(len(logits))]
        return np.concatenate([self._sample(logits[at], before[at], uniform[at]) for at in rows])

    def _sample(self, logits: AnyFloats, before: Tokens, uniform: Doubles) -> Tokens:
        for process in self._chain:
            logits = process(logits, before)
        if self._greedy:
            most_likely: Tokens = logits.argmax(axis=-1)
            return most_likely
        return sample_tokens(logits, uniform)


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
            numbers = np.array([uniform_numbers(generator) for generator in self._generators])
            self._ahead = list(numbers.T[..., None])
            self._at = 0
        self._at += 1
        self.used += 1
        return self._ahead[self._at - 1]


def uniform_numbers(generator: Philox) -> Doubles:
    """The next `BUFFERED_NUMBERS` numbers from 0 up to but not including 1."""
    raw: npt.NDArray[np.uint64] = generator.random_raw(BUFFERED_NUMBERS)
    return (raw >> 11).astype(np.float64) * 2.0**-53  # as many bits as a double has


def spelling_sampler(config: SampleConfig, numbers: Numbers) -> Sampler:
    """Samples one of the ways to spell the end of a prompt by their log-probabilities: what looks
    at tokens does not apply to those."""
    off: dict[str, Any] = dict.fromkeys(LOOKING_BACK) | {"ban": ()}
    return Sampler(replace(config, **off), numbers)


def sample_tokens(logits: AnyFloats, uniform: Doubles) -> Tokens:
    """(B, V) logits, (B, 1) numbers from 0 to 1 - 2^-53 -> (B,) tokens: one a row, by inverting
    the cumulative distribution."""
    # A product of such a number with the total is less than that even when it is rounded, so it
    # never goes past the last token that has a share.
    if len(logits) == 1:  # the same, with as few calls as can be
        row = logits[0]
        shares = np.exp(row - row.item(row.argmax())).astype(np.float64)
        cumulative = np.add.accumulate(shares)  # (V,)
        return np.array([cumulative.searchsorted(uniform.item() * cumulative.item(-1), "right")])
    shares = np.exp(logits - _row_max(logits)).astype(np.float64)
    cumulative = np.add.accumulate(shares, axis=-1)  # (B, V)
    tokens: Tokens = (cumulative > uniform * cumulative[:, -1:]).argmax(axis=-1)
    return tokens


def own_logprobs(logits: AnyFloats, tokens: Tokens) -> list[float]:
    """(B, V) logits of a network, (B,) tokens -> the log-probability of each, in nats, to 1e-6."""
    if len(logits) == 1:  # the same to the last bit, with as few calls as can be
        row = logits[0]
        most = row[row.argmax()]
        total = np.float64(np.add.reduce(np.exp(row - most)))
        return [float(row[tokens.item()] - most) - float(np.log(total))]
    most = _row_max(logits)  # (B, 1)
    totals = np.exp(logits - most).sum(axis=-1).astype(np.float64)
    own = logits[np.arange(len(tokens)), tokens] - most[:, 0]
    found: list[float] = (own - np.log(totals)).tolist()
    return found


def _row_max(logits: AnyFloats) -> AnyFloats:
    """(B, V) -> (B, 1): `max` by way of `argmax`, which numpy is quicker at where rows are
    short."""
    return logits[np.arange(len(logits)), logits.argmax(axis=-1), None]
