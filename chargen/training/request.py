"""What a run is asked for: values alone, checked when they are put together. Needs no torch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any

from chargen.config import PRESETS, split_options
from chargen.data.roles import AskMe
from chargen.errors import ConfigError, named
from chargen.progress import OnProgress, no_progress


@dataclass(frozen=True)
class RunRequest:
    """A run over the texts `paths`, new or resumed. Raises ConfigError where what is asked for is
    wrong by itself.

    `options` are fields of CorpusConfig, ModelConfig and TrainConfig. `started` is the reading of
    `time.monotonic()` from which the time of the run counts.
    """

    paths: Sequence[str | os.PathLike[str]]
    _: KW_ONLY
    options: Mapping[str, Any] = field(default_factory=dict)
    out: str | os.PathLike[str] | None = None
    resume: bool = False
    overwrite: bool = False
    init_from: str | os.PathLike[str] | None = None
    replay: Sequence[str | os.PathLike[str]] = ()  # texts that a model which is fine-tuned keeps
    preset: str | None = None
    tensorboard: bool = False
    device: str = "auto"
    started: float = field(default_factory=time.monotonic)
    on_progress: OnProgress = no_progress
    ask_me: AskMe | None = None  # which of a chat's people the user is; None: as it seems

    def __post_init__(self) -> None:
        # As configs have them, to be compared with those of another run: choices in lower case.
        read = {
            name: value
            for part in split_options(self.options)
            for name, value in asdict(part).items()
        }
        object.__setattr__(self, "options", {name: read[name] for name in self.options})
        if isinstance(self.preset, str):
            object.__setattr__(self, "preset", self.preset.lower())
        if self.resume:
            for other in ("overwrite", "init_from", "preset"):
                if getattr(self, other):
                    raise ConfigError(
                        named("resume", other) + " cannot be combined",
                        hint="resume continues what is there",
                    )
            return  # the options are compared with those that the run has
        if self.replay and self.init_from is None:
            raise ConfigError(
                named("replay") + " needs " + named("init_from"),
                hint="it mixes some of an old text into what a trained model learns",
            )
        if self.preset is not None and self.init_from is not None:
            raise ConfigError(
                named("preset", "init_from") + " cannot be combined",
                hint="a model that is fine-tuned keeps its size",
            )
        if self.preset is not None and self.preset not in PRESETS:
            raise ConfigError(
                f"must be one of {', '.join(PRESETS)}, not {self.preset!r}", option="preset"
            )


def paths_of(corpus: object, option: str = "corpus") -> list[str | os.PathLike[str]]:
    """One path or several, as a list, of this option. Raises ConfigError for what is none."""
    if isinstance(corpus, str | bytes | os.PathLike) or not isinstance(corpus, Iterable):
        corpus = [corpus]
    paths: list[str | os.PathLike[str]] = []
    for path in corpus:
        if not isinstance(path, str | os.PathLike):
            kind = type(path).__name__
            raise ConfigError(f"must be a path or a list of paths, not {kind}", option=option)
        paths.append(path)
    return paths
