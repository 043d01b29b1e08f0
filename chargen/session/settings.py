"""The settings of a session: a dict of every field of SampleConfig, checked whenever one changes.

Knows which of them a beam search ignores and which sampling ignores, so that both sets can be kept
at once and none is lost by switching. Knows nothing of models and texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chargen.config import (
    BEAM_OPTIONS,
    CHAT_TEMPERATURE,
    MODES,
    SAMPLING_OPTIONS,
    SampleConfig,
    SamplingDefaults,
)
from chargen.errors import ConfigError
from chargen.options import build_config

Settings = dict[str, Any]  # never changed in place

# Whether a model can write any text at all under these, only the model can say.
CHECKED_BY_THE_MODEL = ("regex", "charset", "ban")


def default_settings(mode: str = "complete", model: SamplingDefaults | None = None) -> Settings:
    """What holds where the user has set nothing: what a model wants, else what is sane in a
    mode."""
    of_mode = {"temperature": CHAT_TEMPERATURE} if mode == "chat" else {}
    of_model = {} if model is None else model.options
    return asdict(SampleConfig()) | of_mode | of_model


def checked_mode(mode: str | None) -> str:
    """The mode of this name, the first one where none is named. Raises ConfigError."""
    return SamplingDefaults(mode=mode).mode or MODES[0]


def sample_config(settings: Settings) -> SampleConfig:
    """The settings without those that a search, or else sampling, has no use for."""
    idle = BEAM_OPTIONS if settings["beams"] is None else SAMPLING_OPTIONS
    return build_config(SampleConfig, {n: value for n, value in settings.items() if n not in idle})


def without_search(settings: Settings) -> Settings:
    """The same, should the text be sampled after all."""
    return settings | {"beams": None}


def checked_settings(settings: Settings) -> Settings:
    """The settings as configs keep them: those of sampling and those of a search, whichever is on.
    Raises ConfigError."""
    beams = settings["beams"]
    searched = asdict(sample_config(settings | {"beams": 1 if beams is None else beams}))
    sampled = asdict(sample_config(without_search(settings)))
    kept = searched | {name: sampled[name] for name in SAMPLING_OPTIONS}
    kept["beams"] = None if beams is None else kept["beams"]
    return {name: kept[name] for name in settings}


def settings_from_json(values: Mapping[str, Any]) -> Settings:
    """The settings that a file holds, each of them checked. Raises ConfigError, TypeError."""
    settings = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    if settings.keys() != default_settings().keys() or checked_settings(settings) != settings:
        raise ConfigError("its settings are others")
    return settings
