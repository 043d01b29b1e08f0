"""Small networks of every kind, whose biases and norms are not what they are before training: there
most are 0 or 1, and a law could not see them."""

from __future__ import annotations

from typing import Any

import torch

from chargen.config import ModelConfig
from chargen.nn.model import LanguageModel
from chargen.options import choices_of

VOCAB_SIZE = 60
CELL_NAMES = choices_of(ModelConfig, "cell")
CELLS: list[dict[str, Any]] = [
    *({"cell": cell} for cell in CELL_NAMES),
    {"cell": "rnn", "nonlinearity": "relu"},
]
OPTIONS = [
    {},
    {"num_layers": 1},
    {"layer_norm": True},
    {"residual": True},
    {"tie_weights": True, "embedding_size": 48, "residual": True, "layer_norm": True},
    {"dropout": 0.5, "weight_dropout": 0.5, "token_dropout": 0.5, "embedding_dropout": 0.5},
]


def network(**options: Any) -> LanguageModel:
    torch.manual_seed(3)
    sizes = {"hidden_size": 48, "embedding_size": 16, "num_layers": 3}
    model = LanguageModel(ModelConfig(**(sizes | options)), VOCAB_SIZE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model
