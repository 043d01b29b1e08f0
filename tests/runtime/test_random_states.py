"""torch's global random state is given back to whom it belongs."""

from __future__ import annotations

import pytest
import torch

from chargen.runtime.random_states import (
    preserved_random_states,
    random_states,
    set_random_states,
)

CPU = torch.device("cpu")


def test_a_restored_state_gives_the_same_numbers() -> None:
    with preserved_random_states(CPU):
        states = random_states(CPU)
        expected = torch.rand(5)
        set_random_states(CPU, states)
        assert torch.equal(torch.rand(5), expected)


def test_the_caller_finds_the_state_as_it_was_though_something_failed() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), preserved_random_states(CPU):
        torch.manual_seed(7)
        raise RuntimeError("in the midst of it")
    assert torch.equal(torch.get_rng_state(), before)
