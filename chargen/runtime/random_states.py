"""torch's global random state, which dropout alone draws from: saved, restored, given back.

`F.dropout` takes no generator, so this state is a part of what a training is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the random numbers that dropout draws from, by kind of device."""
    states = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(device: torch.device, states: dict[str, Tensor]) -> None:
    """Go on where `random_states` was called, as far as it was on such a device."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def preserved_random_states(device: torch.device) -> Iterator[None]:
    """Whatever is sampled or seeded within, the caller finds its random states as they were."""
    states = random_states(device)
    try:
        yield
    finally:
        set_random_states(device, states)
