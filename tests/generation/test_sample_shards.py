"""Parts of the samples: together they are all, and machines share the work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.errors import ConfigError
from chargen.generation.sample_shards import parse_shard, samples_of, smaller_batch_size

configs = st.builds(SampleConfig, num_samples=st.integers(1, 300), batch_size=st.integers(1, 40))
counts = st.integers(1, 30)


def parts_of(config: SampleConfig, count: int) -> list[range]:
    return [samples_of(config, (number, count)) for number in range(1, count + 1)]


def batches_of(config: SampleConfig, part: range) -> set[int]:
    return {sample // config.batch_size for sample in part}


@given(config=configs, count=counts)
def test_parts_follow_one_another_and_are_all(config: SampleConfig, count: int) -> None:
    joined = [sample for part in parts_of(config, count) for sample in part]
    assert joined == list(samples_of(config, None)) == list(range(config.num_samples or 1))


@given(config=configs, count=counts)
def test_no_batch_is_computed_twice_where_each_part_can_have_one(
    config: SampleConfig, count: int
) -> None:
    parts = parts_of(config, count)
    batches = [batches_of(config, part) for part in parts]
    sizes = [len(some) for some in batches]
    if len(set().union(*batches)) >= count:
        assert sum(sizes) == len(set().union(*batches))
        assert max(sizes) - min(sizes) <= 1
        assert smaller_batch_size(config, (1, count)) is None
    else:
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(config=configs, count=counts)
def test_a_smaller_batch_size_gives_each_part_its_own(config: SampleConfig, count: int) -> None:
    size = smaller_batch_size(config, (1, count))
    if size is not None:
        assert size < config.batch_size
        smaller = replace(config, batch_size=size)
        assert smaller_batch_size(smaller, (1, count)) is None
        batches = [batches_of(smaller, part) for part in parts_of(smaller, count)]
        assert sum(map(len, batches)) == len(set().union(*batches))


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "-1/2", "a/b", "1/2/3", "1/2\n", "\u0661/2"])
def test_what_names_no_part_is_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_shard(text)
    assert str(caught.value).endswith(f"not {text!r}")
    assert parse_shard("02/3") == (2, 3)
