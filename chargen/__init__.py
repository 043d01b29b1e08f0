"""chargen: train recurrent language models on any text, and talk to them.

    model = chargen.load("checkpoints/everyday")
    print(model.generate("The color of a strawberry is").text)

Everything here is imported when it is first used, so that `import chargen` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chargen.choices import Choice
    from chargen.config import CorpusConfig, ModelConfig, SampleConfig, TrainConfig
    from chargen.copies import CopyIndex, CopyReport, open_copies
    from chargen.errors import ChargenError
    from chargen.generation import TextGenerator, load
    from chargen.inside import inspect, look_back
    from chargen.labels import Classified, classify
    from chargen.runs import TrainReport, train
    from chargen.session import Session
    from chargen.writing import Completion, Piece

__version__ = "0.1.0"

_HOMES = {
    "Choice": "choices",
    "CopyIndex": "copies",
    "CopyReport": "copies",
    "open_copies": "copies",
    "CorpusConfig": "config",
    "ModelConfig": "config",
    "SampleConfig": "config",
    "TrainConfig": "config",
    "ChargenError": "errors",
    "Completion": "writing",
    "Piece": "writing",
    "TextGenerator": "generation",
    "load": "generation",
    "inspect": "inside",
    "look_back": "inside",
    "Classified": "labels",
    "classify": "labels",
    "Session": "session",
    "TrainReport": "runs",
    "train": "runs",
}

__all__ = [
    "ChargenError",
    "Choice",
    "Classified",
    "Completion",
    "CopyIndex",
    "CopyReport",
    "CorpusConfig",
    "ModelConfig",
    "Piece",
    "SampleConfig",
    "Session",
    "TextGenerator",
    "TrainConfig",
    "TrainReport",
    "classify",
    "inspect",
    "load",
    "look_back",
    "open_copies",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'chargen' has no attribute {name!r}")
    return getattr(import_module(f"chargen.{_HOMES[name]}"), name)
