"""The configs as keyword arguments: one list of options, which help(), completion, editors and type
checkers all read."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

import pytest

import chargen
from chargen import keywords
from chargen.config import (
    DEVICES,
    PRESETS,
    CorpusConfig,
    ExportConfig,
    InspectConfig,
    LookBackConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
)
from chargen.options import Config, choices_of, field_names, help_of

TRAINING = (CorpusConfig, ModelConfig, TrainConfig)


@pytest.mark.parametrize(
    ("options", "configs"),
    [
        (keywords.CorpusOptions, (CorpusConfig,)),
        (keywords.ModelOptions, (ModelConfig,)),
        (keywords.TrainOptions, TRAINING),
        (keywords.SampleOptions, (SampleConfig,)),
        (keywords.InspectOptions, (InspectConfig,)),
        (keywords.LookBackOptions, (LookBackConfig,)),
        (keywords.ExportOptions, (ExportConfig,)),
    ],
)
def test_keywords_are_the_fields_of_the_configs(
    options: type, configs: tuple[type[Config], ...]
) -> None:
    fields = {
        name: _as_keyword(hint, choices_of(config, name))
        for config in configs
        for name, hint in typing.get_type_hints(config).items()
    }
    assert typing.get_type_hints(options) == fields
    assert not options.__required_keys__  # type: ignore[attr-defined]


def _as_keyword(hint: Any, choices: tuple[str, ...]) -> Any:
    """The type of a field as that of an argument: texts may be one, a choice is one of few."""
    if hint == tuple[str, ...]:
        return keywords.Texts
    if not choices:
        return hint
    literal: Any = Literal.__getitem__(choices)
    return literal | None if isinstance(hint, types.UnionType) else literal


def test_texts_alone_are_asked_for_without_the_options_for_several() -> None:
    several = set(keywords.SampleOptions.__annotations__) - set(
        keywords.TextOptions.__annotations__
    )
    assert several == {"num_samples", "beams"}


def test_names_of_devices_and_presets_are_those_there_are() -> None:
    literal, text = typing.get_args(keywords.Device)
    assert (typing.get_args(literal), text) == (DEVICES, str)
    assert typing.get_args(keywords.Preset) == PRESETS


@pytest.mark.parametrize(
    ("function", "configs"),
    [
        (chargen.train, TRAINING),
        (chargen.TextGenerator.generate, (SampleConfig,)),
        (chargen.TextGenerator.stream, (SampleConfig,)),
        (chargen.inspect, (InspectConfig,)),
        (chargen.look_back, (LookBackConfig,)),
        (chargen.export_html, (ExportConfig,)),
        (chargen.export_checkpoint, (ExportConfig,)),
    ],
)
def test_help_and_completion_know_every_option(
    function: Callable[..., Any], configs: tuple[type[Config], ...]
) -> None:
    parameters = inspect.signature(function).parameters
    shown = inspect.getdoc(function) or ""
    assert max(map(len, shown.splitlines())) <= 96
    options = re.split(r"\n    (?=\w+: )", re.sub(r"\n {8}", " ", shown.split("Options:")[1]))
    for config in configs:
        for name in field_names(config):
            assert parameters[name].kind == inspect.Parameter.KEYWORD_ONLY
            assert parameters[name].default is not inspect.Parameter.empty
            [line] = [line for line in options if line.startswith(f"{name}: ")]
            assert help_of(config, name) in line
            assert all(repr(choice) in line for choice in choices_of(config, name))
    assert not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())


def test_help_speaks_python() -> None:
    shown = f"{chargen.train.__doc__} {chargen.TextGenerator.generate.__doc__}"
    assert (
        "times `bptt`" in shown and "temperature: 0 always" in shown and "(default: 1.0)" in shown
    )
    assert "metadata.sampling" in shown, "a checkpoint may want another temperature"
    assert "--" not in shown.replace("`chargen train`", "")
    assert "hidden_size: units in each layer (default: planned)" in shown
