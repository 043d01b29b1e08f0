"""Batches whose streams read several texts: the first ones this, the next ones that.

Letters: B parallel streams, T tokens a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chargen.data.batches import BatchLoader


class MixedLoader:
    """Loaders side by side, each of some rows of the batch, in their order; as a BatchLoader is
    read."""

    def __init__(self, loaders: Sequence[BatchLoader], rows: Sequence[int]) -> None:
        """`rows` are how many streams each of them has."""
        self._loaders = loaders
        self._rows = list(rows)

    @property
    def is_resident(self) -> bool:
        """Whether all texts lie on the device."""
        return all(loader.is_resident for loader in self._loaders)

    def make_resident(self) -> None:
        """Have all texts on the device."""
        for loader in self._loaders:
            loader.make_resident()

    def batch(
        self, place: int | Tensor, length: int, elsewhere: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(inputs, targets), each (B, T), after each stream has read `place` tokens of its text;
        the (B,) places in `elsewhere` are in the text of their stream."""
        if elsewhere is None:
            elsewhere = torch.full((sum(self._rows),), -1)
        parts = [
            loader.batch(place, length, sent)
            for loader, sent in zip(self._loaders, torch.split(elsewhere, self._rows), strict=True)
        ]
        inputs, targets = (torch.cat(rows) for rows in zip(*parts, strict=True))
        return inputs, targets
