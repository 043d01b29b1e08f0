"""Which letter a network says comes next."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from chargen.lab.toy_training import CharVocab
from chargen.nn.model import LanguageModel


@torch.inference_mode()
def next_probabilities(
    model: LanguageModel, alphabet: CharVocab, text: str, *, memory: bool = True
) -> dict[str, float]:
    """The probability of each letter after a text, or after its last letter alone."""
    tokens = alphabet.encode(text if memory else text[-1:])
    logits, _ = model(tokens[None], model.initial_state(1))
    probabilities = logits[0, -1].softmax(-1).tolist()
    return dict(zip(alphabet.characters, probabilities, strict=True))


def most_likely(probabilities: Mapping[str, float]) -> tuple[str, float]:
    letter = max(probabilities, key=probabilities.__getitem__)
    return letter, probabilities[letter]


def visible(letter: str) -> str:
    """A letter that can be seen in a table."""
    return {" ": "\u2423", "\n": "\u21b5"}.get(letter, letter)
