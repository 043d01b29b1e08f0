"""Small experiments, each on one property of recurrent networks: tables, charts, a conclusion.

Nothing is timed and no text is read: a seed gives the same finding on the same machine. torch is
imported when a world is run, not when they are listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from chargen.config import TrainConfig
from chargen.errors import ConfigError
from chargen.lab.finding import Finding
from chargen.options import build_config
from chargen.progress import OnProgress, no_progress
from chargen.suggestions import nearest

__all__ = ["WORLDS", "Finding", "OnProgress", "World", "run"]

WorldName = Literal[
    "memoryless", "vanishing", "exploding", "two-ones", "namaskar", "strawberry", "forget"
]


@dataclass(frozen=True)
class World:
    """`run` takes a seed and whom to tell how far it is; what that raises ends it."""

    name: str
    question: str
    run: Callable[[int, OnProgress], Finding]


def run(name: WorldName | str, *, seed: int = 1, on_progress: OnProgress = no_progress) -> Finding:
    """Run an experiment: train its networks from a seed, and report what was measured.

    `on_progress` is called every few steps with what is being done and the share of it that is
    done, 0 to 1. Raises ConfigError if there is no such experiment or no such seed.
    """
    build_config(TrainConfig, {"seed": seed})
    # As people write it: "Two ones", "colour of a strawberry".
    written = f"-{name}".lower().replace(" ", "-").replace("_", "-")
    for world in WORLDS.values():
        if written.endswith(f"-{world.name}"):
            return world.run(seed, on_progress)
    near = nearest(str(name), WORLDS)
    question = f"did you mean {near}? " if near else ""
    hint = f"{question}the experiments are {', '.join(WORLDS)}"
    raise ConfigError(f"there is no experiment {name!r}", hint=hint)


def __dir__() -> list[str]:
    return __all__


def _world(name: str, question: str) -> World:
    def run(seed: int, on_progress: OnProgress) -> Finding:
        from chargen.lab import (
            exploding,
            forget,
            memoryless,
            namaskar,
            strawberry,
            two_ones,
            vanishing,
        )
        from chargen.lab.toy_training import reproducible

        runs: dict[str, Callable[[int, OnProgress], Finding]] = {
            "memoryless": memoryless.run,
            "vanishing": vanishing.run,
            "exploding": exploding.run,
            "two-ones": two_ones.run,
            "namaskar": namaskar.run,
            "strawberry": strawberry.run,
            "forget": forget.run,
        }
        with reproducible():
            found = runs[name](seed, on_progress)
        on_progress("done", 1.0)
        return found

    return World(name, question, run)


WORLDS = {
    world.name: world
    for world in (
        _world("memoryless", "What can a network predict if it sees only one letter at a time?"),
        _world("vanishing", "How many symbols later is the first one still remembered?"),
        _world("exploding", "What does a recurrent weight above 1 do to the gradient?"),
        _world("two-ones", "Does a string of 0s and 1s contain two 1s in a row?"),
        _world("namaskar", "Which is the eighth letter after seven, the sixth after five?"),
        _world("strawberry", "What color is a thing, asked in a wording never seen with it?"),
        _world("forget", "What does the forget gate do where the subject changes?"),
    )
}
