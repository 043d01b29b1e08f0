"""What config.json says is what was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chargen.checkpoint.filing import set_sampling
from chargen.checkpoint.folder import load_snapshot
from chargen.checkpoint.metadata import read_metadata
from chargen.config import SamplingDefaults
from chargen.errors import CheckpointError
from tests.support.seals import edit_config, edit_training


def test_the_hashes_are_those_of_the_files(checkpoint: Path) -> None:
    hashes = read_metadata(checkpoint).sha256
    assert hashes.keys() == {"model.safetensors", "tokenizer.json", "metrics.jsonl"}
    for name, sha256 in hashes.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == sha256


def test_how_it_is_sampled_is_kept_and_checked(folder: Path) -> None:
    edit_config(folder, lambda config: config.update(format=5))
    edit_training(folder, lambda state: state["config"].update(format=5))
    assert read_metadata(folder).sampling == SamplingDefaults(), "it was not there before format 6"
    assert load_snapshot(folder).sampling == SamplingDefaults()
    set_sampling(folder, SamplingDefaults(temperature=0, stop=("\n",)))
    assert read_metadata(folder).sampling == SamplingDefaults(temperature=0, stop=("\n",))
    (folder / "training.safetensors").unlink()
    for damaged, says in (
        ({"temperature": "hot"}, "temperature must be a number, not 'hot'"),
        ({"warmth": 1}, "no option 'warmth'"),
        ({"mode": "sing"}, "mode must be one of"),
        ({"stop": [""]}, "stop must not be empty"),
        ([], "Expected `object`, got `array`"),
    ):
        edit_config(folder, lambda config, new=damaged: config.update(sampling=new))  # type: ignore[misc]
        with pytest.raises(CheckpointError, match=r"config\.json is damaged") as refused:
            read_metadata(folder)
        assert says in str(refused.value)
