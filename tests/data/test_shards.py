"""Shards are read as the one array that they are parts of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.data.shards import Shards, create_shard, open_shards, shard_path

lengths = st.lists(st.integers(0, 4), max_size=5)
bounds = st.none() | st.integers(-25, 25)


def cut(sizes: list[int]) -> tuple[Shards, np.ndarray[tuple[int], np.dtype[np.uint16]]]:
    whole = np.arange(100, 100 + sum(sizes), dtype=np.uint16)
    return Shards(np.split(whole, np.cumsum(sizes)[:-1]) if sizes else [], np.uint16), whole


@given(sizes=lengths, start=bounds, stop=bounds)
def test_slices_are_those_of_the_whole(
    sizes: list[int], start: int | None, stop: int | None
) -> None:
    shards, whole = cut(sizes)
    found = shards[start:stop]
    assert len(shards) == len(whole)
    assert found.dtype == shards.dtype == np.uint16
    assert found.tolist() == whole[start:stop].tolist()


@given(sizes=lengths, data=st.data())
def test_so_is_what_lies_at_some_places(sizes: list[int], data: st.DataObject) -> None:
    shards, whole = cut(sizes)
    place = st.integers(-len(whole), len(whole) - 1) if len(whole) else st.nothing()
    shape = data.draw(
        st.sampled_from([(0,), (2, 0), (3,), (2, 3)] if len(whole) else [(0,), (2, 0)])
    )
    number = int(np.prod(shape))
    places = data.draw(st.lists(place, min_size=number, max_size=number))
    at = np.array(places, dtype=np.int64).reshape(shape)
    assert shards[at].dtype == np.uint16
    assert np.array_equal(shards[at], whole[at])


@pytest.mark.parametrize("sizes", [[3], [2, 1], []])
def test_there_is_nothing_beyond_the_end(sizes: list[int]) -> None:
    shards, _ = cut(sizes)
    for place in (3, -4):
        with pytest.raises(IndexError):
            shards[np.array([[place]])]
    with pytest.raises(ValueError, match="every token"):
        shards[::2]


def test_a_slice_of_one_shard_takes_no_memory() -> None:
    shards, whole = cut([3, 4])
    assert np.shares_memory(shards[3:6], whole)


@pytest.mark.parametrize("verify", [True, False])
def test_what_is_not_what_was_written_is_refused(tmp_path: Path, verify: bool) -> None:
    facts = []
    for index, tokens in enumerate([[1, 2], [], [3]]):
        with create_shard(shard_path(tmp_path, "some", index), np.uint16) as shard:
            for token in tokens:
                shard.write(np.array([token]))
        facts.append(shard.facts)
    assert open_shards(tmp_path, "some", facts, np.uint16, verify=verify)[:].tolist() == [1, 2, 3]
    last = shard_path(tmp_path, "some", 2)
    last.write_bytes(b"\7\0")
    if verify:
        with pytest.raises(ValueError, match="damaged"):
            open_shards(tmp_path, "some", facts, np.uint16, verify=True)
    else:
        assert open_shards(tmp_path, "some", facts, np.uint16, verify=False)[2:].tolist() == [7]
    last.write_bytes(b"\3")
    with pytest.raises(ValueError, match="damaged"):
        open_shards(tmp_path, "some", facts, np.uint16, verify=verify)
    last.unlink()
    with pytest.raises(FileNotFoundError):
        open_shards(tmp_path, "some", facts, np.uint16, verify=verify)
