"""What was meant by a name that is none of ours."""

from __future__ import annotations

import pytest

from chargen.config import CorpusConfig, ModelConfig, SampleConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.options import build_config, field_names
from chargen.suggestions import OTHER_TOOLS, nearest

OPTIONS = [
    name
    for config in (CorpusConfig, ModelConfig, TrainConfig, SampleConfig)
    for name in field_names(config)
]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("temprature", "temperature"), ("temp", "temperature"), ("lr", "learning_rate"),
     ("rnn_size", "hidden_size"), ("layers", "num_layers"), ("max_new_tokens", "max_tokens"),
     ("hiddensize", "hidden_size"), ("LR", "learning_rate"), ("colour", ""), ("", "")],
)  # fmt: skip
def test_the_nearest_name(name: str, meant: str) -> None:
    assert nearest(name, OPTIONS) == meant


def test_only_what_is_known_is_suggested() -> None:
    assert nearest("lr", ["seed", "temperature"]) == ""


def test_other_tools_call_options_so_that_there_are() -> None:
    beyond = {"init_from", "out", "device", "prompt", "checkpoint", "corpus"}
    assert set(OTHER_TOOLS) <= {*OPTIONS} | beyond
    names = [name for names in OTHER_TOOLS.values() for name in names.split()]
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"model"}, "that is a cell to train and a checkpoint to sample"


def test_an_unknown_option_suggests_one() -> None:
    with pytest.raises(ConfigError, match="no option 'temprature'; did you mean temperature\\?"):
        build_config(SampleConfig, {"temprature": 1})
    with pytest.raises(ConfigError, match="no option 'colour'; the options are max_tokens"):
        build_config(SampleConfig, {"colour": 1})
