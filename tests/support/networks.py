"""Small networks of every kind, whose biases and norms are not what they are before training: there
most are 0 or 1, and a law could not see them."""

from __future__ import annotations

from typing import Any

import torch

from chargen.config import ModelConfig
from chargen.generation.generator import TextGenerator
from chargen.nn.model import LanguageModel
from chargen.options import choices_of
from chargen.tokenizers.base import Tokenizer

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


def random_generator(
    tokenizer: Tokenizer, seen: str, *, seed: int = 1, **options: Any
) -> TextGenerator:
    """An untrained network with opinions strong enough that no two tokens are nearly alike, as if
    it had seen the tokens that spell a text, and the end of a document."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 24, "embedding_size": 12, "num_layers": 2}
    network = LanguageModel(ModelConfig(**(sizes | options)), tokenizer.vocab_size)
    with torch.no_grad():
        network.head.weight.mul_(12)
        network.seen.fill_(False)
        network.seen[[*tokenizer.encode(seen), tokenizer.end]] = True
    return TextGenerator(network, tokenizer)
