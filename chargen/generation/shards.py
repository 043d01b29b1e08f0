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
    """The samples that are in a part: parts follow one another, as even as can be. All of them
    where there is no shard. Raises ConfigError."""
    if shard is None:
        return range(config.num_samples or 1)
    number, count = shard
    if not 1 <= number <= count:
        raise _wrong(f"{number}/{count}")
    for option in ("num_samples", "seed"):
        if getattr(config, option) is None:
            raise ConfigError(
                named("shard") + " needs " + named(option),
                hint="the same for every part: together they are one file",
            )
    total = config.num_samples or 1
    return range(total * (number - 1) // count, total * number // count)


def _wrong(given: str) -> ConfigError:
    return ConfigError(
        f"must be the number of a part and of how many, from 1/4 to 4/4 say, not {given}",
        option="shard",
    )
