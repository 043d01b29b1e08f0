"""A training step that a GPU replays as one CUDA graph: what differs from step to step lies in
tensors that stay where they are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chargen.runtime.cuda_graphs import GraphedStep
from chargen.runtime.device import send


class GraphedTrainStep:
    """`work(place, elsewhere)` of so many `streams`, which finds both in tensors on the device."""

    def __init__(
        self, work: Callable[[Tensor, Tensor], None], streams: int, device: torch.device
    ) -> None:
        self._place = torch.zeros((), dtype=torch.int64, device=device)
        self._elsewhere = torch.zeros(streams, dtype=torch.int64, device=device)
        self._device = device
        self._graph = GraphedStep(lambda: work(self._place, self._elsewhere), device)

    @property
    def is_captured(self) -> bool:
        return self._graph.is_captured

    @property
    def is_settled(self) -> bool:
        """Whether the next steps are run as the last one was."""
        return self._graph.is_settled

    def __call__(self, place: int, elsewhere: Tensor) -> None:
        self._place.fill_(place)
        self._elsewhere.copy_(send(elsewhere, self._device))
        self._graph()
