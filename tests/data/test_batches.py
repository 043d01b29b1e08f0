"""Batches are the text, row after row, and on a device what they are off it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from chargen.data.batches import IGNORE_INDEX, BatchLoader
from chargen.data.shards import Shards
from chargen.errors import CorpusError

CPU = torch.device("cpu")


def test_streams_go_on_where_they_ended_and_cover_the_text() -> None:
    tokens = np.arange(60)
    streams = BatchLoader(tokens, batch_size=3, bptt=4, end=99)
    batches = [streams.batch(place, 4) for place in range(0, 40, 4)]
    for (inputs, targets), (later, _) in pairwise(batches):
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
        assert torch.equal(later[:, 0], targets[:, -1])
    assert batches[0][0][:, 0].tolist() == [99, 19, 39]  # a text begins, but at the others' places
    rows = torch.cat([targets for _, targets in batches[:5]], dim=1)
    assert sorted(rows.flatten().tolist()) == list(range(60))
    # Each stream reads on into the next one's text.
    assert batches[5][1][0].tolist() == batches[0][1][1].tolist()
    # However it is cut, it is the same text.
    cut = [streams.batch(place, length) for place, length in ((0, 1), (1, 5), (6, 2))]
    for index in (0, 1):
        joined = torch.cat([batch[index] for batch in batches[:2]], dim=1)
        assert torch.equal(torch.cat([batch[index] for batch in cut], dim=1), joined)


def test_a_stream_that_is_sent_elsewhere_reads_a_document_there_for_a_batch() -> None:
    streams = BatchLoader(np.arange(60), batch_size=3, bptt=4, end=99)
    inputs, targets = streams.batch(8, 4, torch.tensor([-1, 0, 58]))
    expected, _ = streams.batch(8, 4)
    assert inputs.tolist() == [expected[0].tolist(), [99, 0, 1, 2], [99, 58, 59, 0]]
    assert targets[1:].tolist() == [[0, 1, 2, 3], [58, 59, 0, 1]]


def test_too_short_a_text_says_what_would_fit() -> None:
    with pytest.raises(CorpusError, match=r"300 tokens.*need 1,040; batch_size=8 with bptt=32"):
        BatchLoader(np.arange(300), batch_size=16, bptt=64, end=0)
    BatchLoader(np.arange(300), batch_size=8, bptt=32, end=0)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
@pytest.mark.parametrize("rows", [None, range(1, 3)])
def test_a_text_on_the_device_gives_the_same_batches(kind: Any, rows: range | None) -> None:
    """Wide tokens too, whose bits are those of negative numbers, and once round the text."""
    tokens = (np.arange(97) * 677 + 65_000 - 32_000).astype(kind)
    assert tokens.max() > 1 << 15
    answers = Shards([np.array([0, 1, 0, 2], np.uint8).repeat(25)[:97]], np.uint8)
    plain, resident, unmasked = (
        BatchLoader(tokens, batch_size=3, bptt=8, end=7, answers=some, rows=rows, device=CPU)
        for some in (answers, answers, None)
    )
    resident.make_resident()
    assert resident.is_resident and not plain.is_resident
    for place in (0, 1, 30, 96, 250):
        for elsewhere in (None, torch.tensor([-1, 0, 90])[: 2 if rows else 3]):
            expected = plain.batch(place, 8, elsewhere)
            whole = unmasked.batch(place, 8, elsewhere)
            ignored = expected[1] == IGNORE_INDEX
            assert torch.equal(expected[0], whole[0])
            assert torch.equal(expected[1][~ignored], whole[1][~ignored])
            for where in (place, torch.tensor(place)):
                found = resident.batch(where, 8, elsewhere)
                assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_targets_outside_the_answers_are_ignored() -> None:
    answers = Shards([np.array([0, 1, 2, 0, 0, 1, 1, 2], np.uint8)], np.uint8)
    streams = BatchLoader(np.arange(8), batch_size=2, bptt=3, end=9, answers=answers)
    x = IGNORE_INDEX
    assert streams.batch(0, 3)[1].tolist() == [[x, 1, 2], [x, 5, 6]]
    assert streams.batch(3, 3)[1].tolist() == [[x, x, 5], [7, x, 1]]  # once round the text
    assert streams.batch(0, 3, torch.tensor([5, -1]))[1].tolist() == [[5, 6, 7], [x, 5, 6]]


def test_a_text_is_copied_to_the_device_once() -> None:
    """However many trainings read it, as when a run is planned."""
    tokens = Shards([np.arange(97, dtype=np.uint16)], np.uint16)
    found = [BatchLoader(tokens, batch_size=3, bptt=8, end=7, device=CPU) for _ in range(2)]
    for streams in found:
        streams.make_resident()
    assert found[0]._resident is found[1]._resident is not None


def test_a_copy_is_known_by_the_name_of_its_device() -> None:
    """A tensor made on "cuda" says that it is on "cuda:0"; "cpu:0" becomes "cpu"."""
    tokens = Shards([np.arange(9, dtype=np.uint16)], np.uint16)
    first = torch.device("cpu", 0)
    assert not tokens.is_on(first)
    assert tokens.on(first) is tokens.on(first)
    assert tokens.is_on(first)
