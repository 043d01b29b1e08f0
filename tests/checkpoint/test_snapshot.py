"""A training state is written and believed by one rule, whichever library held its tensors."""

from __future__ import annotations

from pathlib import Path

from chargen.checkpoint.folder import load_snapshot
from chargen.checkpoint.metadata import open_training
from tests.support.seals import edit_training


def test_it_is_sealed_as_torch_spells_its_tensors(folder: Path) -> None:
    """Files that were written from tensors, and those from arrays, are read by either chargen."""
    with open_training(folder) as (state, _):
        sealed_from_arrays = state.seal
    edit_training(folder)  # seals it anew, from tensors
    with open_training(folder) as (state, _):
        assert state.seal == sealed_from_arrays
    load_snapshot(folder)
