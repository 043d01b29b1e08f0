"""Streams that read several texts read each of them as if it were alone."""

from __future__ import annotations

import numpy as np
import torch

from chargen.data.batches import BatchLoader
from chargen.data.mixture import MixedLoader


def test_each_text_is_read_as_by_itself() -> None:
    texts = [np.arange(100), np.arange(1000, 1060)]
    loaders = [
        BatchLoader(text, batch_size=rows, bptt=4, end=9999)
        for text, rows in zip(texts, (3, 2), strict=True)
    ]
    mixed = MixedLoader(loaders, [3, 2])
    for place in (0, 4, 96):
        alone = [loader.batch(place, 4) for loader in loaders]
        for together, parts in zip(mixed.batch(place, 4), zip(*alone, strict=True), strict=True):
            assert torch.equal(together, torch.cat(parts))


def test_places_are_those_of_the_text_of_their_stream() -> None:
    texts = [np.arange(100), np.arange(1000, 1060)]
    mixed = MixedLoader(
        [BatchLoader(text, batch_size=1, bptt=4, end=9999) for text in texts], [1, 1]
    )
    inputs, targets = mixed.batch(0, 4, torch.tensor([7, 9]))
    assert targets.tolist() == [[7, 8, 9, 10], [1009, 1010, 1011, 1012]]
    assert inputs[:, 0].tolist() == [9999, 9999]
