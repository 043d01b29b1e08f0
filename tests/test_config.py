"""Options check themselves at birth and say which one is wrong."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

import numpy as np
import pytest

from chargen.config import PROCESSOR_ORDER, CorpusConfig, ModelConfig, SampleConfig, TrainConfig
from chargen.errors import ConfigError
from chargen.options import Config, build_config, field_names
from chargen.runtime.files import convert, decode_any, encode

KINDS: list[type[Config]] = [CorpusConfig, ModelConfig, TrainConfig, SampleConfig]


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_right_and_jsonable(kind: type[Config]) -> None:
    values = json.loads(json.dumps(dataclasses.asdict(kind())))
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    assert build_config(kind, values) == kind()


def test_a_flag_belongs_to_one_training_config() -> None:
    flags = [name for kind in KINDS[:3] for name in field_names(kind)]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (ModelConfig, {"hidden_size": -3}, "hidden_size must be at least 1, not -3"),
        (ModelConfig, {"hidden_size": 2.5}, "must be a whole number"),
        (ModelConfig, {"hidden_size": True}, "must be a whole number"),
        (ModelConfig, {"dropout": 1}, "must be below 1"),
        (ModelConfig, {"cell": "lstmm"}, "must be one of lstm, gru, rnn"),
        (ModelConfig, {"tie_weights": True}, "`tie_weights` needs `embedding_size`"),
        (TrainConfig, {"learning_rate": float("nan")}, "must be a number"),
        (TrainConfig, {"steps": 10**400}, "must be at most"),
        (TrainConfig, {"epochs": float("inf")}, "must be at most"),
        (TrainConfig, {"minutes": 1, "steps": 5}, "cannot be combined"),
        (TrainConfig, {"minutes": 0}, "must be above 0"),
        (CorpusConfig, {"valid_fraction": 0.6, "test_fraction": 0.4}, "no text to train on"),
        (CorpusConfig, {"user": ""}, "user must not be empty"),
        (CorpusConfig, {"bot": ""}, "bot must not be empty"),
        (CorpusConfig, {"user": "Q\nA"}, "user must be one line without control characters"),
        (CorpusConfig, {"user": "\u2028"}, "must be one line"),
        (CorpusConfig, {"bot": "\x1b[31m"}, "must be one line without control characters"),
        (CorpusConfig, {"bot": "\ud800"}, "must be one line without control characters"),
        (CorpusConfig, {"user": "Bot:"}, "`user` and `bot` must differ"),
        (CorpusConfig, {"user": "> a", "bot": "> a"}, "`user` and `bot` must differ"),
        (SampleConfig, {"temperature": -0.1}, "must be at least 0"),
        (SampleConfig, {"beams": 3, "temperature": 0.5}, "`beams` and `temperature` cannot"),
        (SampleConfig, {"beams": 3, "seed": 1}, "`beams` and `seed` cannot"),
        (SampleConfig, {"stop": ("",)}, "must not be empty"),
        (SampleConfig, {"stop": ("end", 1)}, "must be a text or a list of texts"),
        (SampleConfig, {"stop": {"a": 1}}, "must be a text or a list of texts"),
        (SampleConfig, {"colour": 1}, "there is no option 'colour'"),
    ],
)
def test_wrong_options_are_refused(kind: type[Config], options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("(", "\\(")):
        build_config(kind, options)


@pytest.mark.parametrize("name", [name for name in PROCESSOR_ORDER if name != "ban"])
def test_beam_search_takes_no_option_of_sampling(name: str) -> None:
    value = 2 if name in ("top_k", "no_repeat_ngram") else 0.5
    with pytest.raises(ConfigError, match=f"`beams` and `{name}` cannot"):
        build_config(SampleConfig, {"beams": 2, name: value})


def test_values_may_be_written_as_python_people_do() -> None:
    """And are kept in one way, so that equal options are equal and JSON can hold them."""
    given = SampleConfig(stop="\n", ban=["a", "b"], top_k=np.int64(5), temperature=np.float32(0.5))  # type: ignore[arg-type]
    assert given == SampleConfig(stop=("\n",), ban=("a", "b"), top_k=5, temperature=0.5)
    assert json.dumps(dataclasses.asdict(given))
    with pytest.raises(ConfigError, match="must be a whole number"):
        build_config(SampleConfig, {"top_k": np.float64(5.0)})
    assert build_config(SampleConfig, {"stop": None, "ban": None}) == SampleConfig()


def test_subclasses_of_what_files_hold_are_kept_as_that() -> None:
    """np.float64 is a float and np.str_ a str, yet JSON takes neither."""

    class Size(enum.IntEnum):
        SMALL = 32

    given = {"learning_rate": np.float64(1e-3), "batch_size": Size.SMALL, "steps": np.int32(5)}
    config = build_config(TrainConfig, given)
    assert convert(decode_any(encode(config)), TrainConfig) == config
    texts = build_config(SampleConfig, {"stop": [np.str_("a")], "until": np.str_("line")})
    assert convert(decode_any(encode(texts)), SampleConfig) == texts
