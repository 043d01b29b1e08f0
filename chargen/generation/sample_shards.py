"""Samples in parts, so that several machines can share the work: which samples are whose."""

from __future__ import annotations

import re

from chargen.config import SampleConfig
from chargen.errors import ConfigError, named

Shard = tuple[int, int]  # (I, K): the I-th of K parts, counted from 1


def parse_shard(text: str) -> Shard:
    """`"2/8"` is the second of eight parts. Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text):
        raise _wrong(text)
    number, count = map(int, text.split("/"))
    return number, count


def samples_of(config: SampleConfig, shard: Shard | None) -> range:
    """The samples that are in a part; all of them where there is no shard. Raises ConfigError.

    Parts follow one another, as even as can be: of whole batches, so that none is computed twice,
    or of samples where there are fewer batches than parts.
    """
    if shard is None:
        return range(config.num_samples or 1)
    number, count = shard
    if not 1 <= number <= count:
        raise _wrong(f"{number}/{count}")
    total = config.num_samples
    if total is None:
        raise needs("num_samples")
    unit = config.batch_size if _batches(total, config.batch_size) >= count else 1
    units = _batches(total, unit)
    begin, end = (units * before // count * unit for before in (number - 1, number))
    return range(begin, min(end, total))


def smaller_batch_size(config: SampleConfig, shard: Shard | None) -> int | None:
    """The largest batch size that shares the work well where there are fewer batches than parts,
    some of which compute the same ones; None where each has its own."""
    total, (_, count) = config.num_samples or 1, shard or (1, 1)
    if config.batch_size == 1 or _batches(total, config.batch_size) >= count:
        return None
    even = _batches(total, count)
    return even if _batches(total, even) >= count else max(1, total // count)


def needs(option: str) -> ConfigError:
    """That parts cannot be had without an option."""
    return ConfigError(
        named("shard") + " needs " + named(option),
        hint="the same for every part: together they are one file",
    )


def _batches(samples: int, size: int) -> int:
    return -(-samples // size)


def _wrong(given: str) -> ConfigError:
    return ConfigError(
        f"must be the number of a part and of all parts, such as 1/4, not {given!r}",
        option="shard",
    )
