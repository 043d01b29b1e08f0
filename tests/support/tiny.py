"""So few tokens that all texts can be tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from chargen.config import ModelConfig
from chargen.generation.generator import TextGenerator
from chargen.nn.model import LanguageModel
from chargen.tokenizers.base import Tokenizer, Tokens


class FewTokens(Tokenizer):
    """Some pieces of text and the end of the document: few enough to try all texts."""

    kind = "few"

    def __init__(self, *pieces: str) -> None:
        super().__init__([*(piece.encode() for piece in pieces), b""], end=len(pieces))

    def encode_array(self, text: str) -> Tokens:
        """The longest piece that fits, again and again."""
        tokens, left = [], text.encode()
        while left:
            fitting = [t for t, piece in enumerate(self.pieces[:-1]) if left.startswith(piece)]
            tokens.append(max(fitting, key=lambda token: len(self.pieces[token])))
            left = left[len(self.pieces[tokens[-1]]) :]
        return np.array(tokens, dtype=np.int64)


def tiny(seed: int, *pieces: str, seen: Iterable[int] | None = None) -> TextGenerator:
    """A network over a few tokens, untrained, with opinions strong enough to tell texts apart, as
    if it had `seen` these tokens; all of them where None are named."""
    return tiny_over(FewTokens(*pieces), seed, seen)


def tiny_over(tokenizer: Tokenizer, seed: int, seen: Iterable[int] | None = None) -> TextGenerator:
    """The same over any tokenizer."""
    torch.manual_seed(seed)
    network = LanguageModel(ModelConfig(hidden_size=6, embedding_size=3), tokenizer.vocab_size)
    with torch.no_grad():
        network.head.weight.mul_(4)
    if seen is not None:
        network.seen.fill_(False)
        network.seen[[*seen]] = True
    return TextGenerator(network, tokenizer)


def logprob_of(generator: TextGenerator, before: Sequence[int], tokens: Sequence[int]) -> float:
    """The log-probability of tokens after others, from one pass of the plain model."""
    before = [generator.tokenizer.end, *before]
    with torch.inference_mode():
        rows = torch.tensor([[*before, *tokens]])
        logits, _ = generator.model(rows, generator.model.initial_state(1))
    logprobs = logits[0, len(before) - 1 : -1].double().log_softmax(-1)
    return float(logprobs.gather(-1, torch.tensor(tokens)[:, None]).sum())
