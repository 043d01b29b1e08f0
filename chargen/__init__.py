"""chargen: train recurrent language models on any text, and talk to them.

    model = chargen.load("checkpoints/everyday")
    print(model.generate("The color of a strawberry is").text)

Everything here is imported when it is first used, so that `import chargen` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chargen import lab
    from chargen.api import train
    from chargen.config import CorpusConfig, ModelConfig, SampleConfig, TrainConfig
    from chargen.errors import ChargenError
    from chargen.evaluation.classification import Classified, classify
    from chargen.evaluation.copies import CopyIndex, CopyReport, open_copies
    from chargen.export.checkpoint import export_checkpoint
    from chargen.export.html import export_html
    from chargen.export.onnx import export_onnx
    from chargen.generation.choices import Choice
    from chargen.generation.completion import Completion, Piece
    from chargen.generation.generator import TextGenerator, load
    from chargen.insight.from_checkpoint import inspect, look_back
    from chargen.keywords import SampleOptions, TrainOptions
    from chargen.scoring.scores import Score
    from chargen.scoring.token_costs import TextScore
    from chargen.session.session import Session
    from chargen.training.run import TrainReport

__version__ = "0.1.0"

_HOMES = {
    "Choice": "generation.choices",
    "CopyIndex": "evaluation.copies",
    "CopyReport": "evaluation.copies",
    "open_copies": "evaluation.copies",
    "CorpusConfig": "config",
    "ModelConfig": "config",
    "SampleConfig": "config",
    "TrainConfig": "config",
    "ChargenError": "errors",
    "Completion": "generation.completion",
    "Piece": "generation.completion",
    "export_checkpoint": "export.checkpoint",
    "export_html": "export.html",
    "export_onnx": "export.onnx",
    "TextGenerator": "generation.generator",
    "load": "generation.generator",
    "inspect": "insight.from_checkpoint",
    "look_back": "insight.from_checkpoint",
    "Classified": "evaluation.classification",
    "classify": "evaluation.classification",
    "Session": "session.session",
    "SampleOptions": "keywords",
    "TrainOptions": "keywords",
    "Score": "scoring.scores",
    "TextScore": "scoring.token_costs",
    "TrainReport": "training.run",
    "train": "api",
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
    "SampleOptions",
    "Score",
    "Session",
    "TextGenerator",
    "TextScore",
    "TrainConfig",
    "TrainOptions",
    "TrainReport",
    "classify",
    "export_checkpoint",
    "export_html",
    "export_onnx",
    "inspect",
    "lab",
    "load",
    "look_back",
    "open_copies",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "lab":
        return import_module("chargen.lab")
    if name not in _HOMES:
        raise AttributeError(f"module 'chargen' has no attribute {name!r}")
    return getattr(import_module(f"chargen.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
