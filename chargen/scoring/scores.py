"""How well a model predicts a text: loss, perplexity, bits per byte and per character.

Every token of a text counts, the first one too: it is predicted after the end-of-document token.
The end of the text itself does not count; of a document within it, it counts for what separates it
from the next, as a line's end where lines are documents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from chargen.data.documents import EncodedText
from chargen.data.shards import Ids, Shards
from chargen.errors import CorpusError
from chargen.nn.model import LanguageModel, State
from chargen.reprs import counted
from chargen.runtime.precision import autocast
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import Tokenizer, Tokens

Nats = npt.NDArray[np.float64]

CHUNK_TOKENS = 1024
MAX_LOGITS = 1 << 24  # that are computed at once: memory does not grow with the vocabulary
# Validation reads a text as so many streams side by side, each of which first reads, uncounted,
# some of what stands before it: the state has then all but forgotten that it began in the middle.
VALIDATION_STREAMS = 32
VALIDATION_BURN_IN = 128


@dataclass(frozen=True)
class Score:
    """The total surprise at a text, and what it is divided by."""

    nats: float
    tokens: int
    bytes: int
    characters: int

    def __add__(self, other: Score) -> Score:
        return Score(
            self.nats + other.nats,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.characters + other.characters,
        )

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.bits_per_byte:.4f} bits per byte, "
            f"perplexity {self.perplexity:.3f}, {counted(self.tokens, 'token')}>"
        )

    @property
    def loss(self) -> float:
        """Nats per token; nan where there is none."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(loss), per token."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float:
        """Comparable across tokenizers: nats / ln 2 / bytes of UTF-8."""
        return self.nats / NATS_PER_BIT / self.bytes if self.bytes else math.nan

    @property
    def bits_per_character(self) -> float:
        return self.nats / NATS_PER_BIT / self.characters if self.characters else math.nan

    def as_dict(self) -> dict[str, float]:
        """The scores as `chargen eval --json` prints them."""
        return {
            "loss": self.loss,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
            "bits_per_character": self.bits_per_character,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "characters": self.characters,
        }


NOTHING = Score(0.0, 0, 0, 0)


def check_not_empty(score: Score) -> None:
    """Raises CorpusError where nothing was scored."""
    if not score.tokens:
        raise CorpusError("the text is empty", hint="there is nothing to score")


def score_text(model: LanguageModel, tokenizer: Tokenizer, parts: Iterable[EncodedText]) -> Score:
    """The exact score of one text, given in parts; memory does not grow."""
    return sum((score_of(*part) for part in token_nats(model, tokenizer, parts)), NOTHING)


@torch.inference_mode()
def token_nats(
    model: LanguageModel, tokenizer: Tokenizer, parts: Iterable[EncodedText]
) -> Iterator[tuple[EncodedText, Nats]]:
    """The tokens of one text and what each of them costs, in nats, (N,), chunk after chunk."""
    state = model.initial_state(1)
    previous = tokenizer.end
    for part in parts:
        for at in range(0, len(part), CHUNK_TOKENS):
            chunk = part[at : at + CHUNK_TOKENS]
            targets = chunk.tokens[None]  # (1, T)
            inputs = np.insert(targets[:, :-1], 0, previous, axis=1)
            nats, state = _nats(model, inputs, targets, state)
            yield chunk, nats[0]
            previous = int(targets[0, -1])


def score_of(text: EncodedText, nats: Nats) -> Score:
    """The score of some text whose tokens cost so much, (N,)."""
    return Score(float(nats.sum()), len(text), int(text.bytes.sum()), int(text.characters.sum()))


def validate(
    model: LanguageModel, tokenizer: Tokenizer, tokens: Shards | Ids, limit: int | None = None
) -> Score:
    """The score of a split, or of its first `limit` tokens: fast, with carried state.

    The split is read as it was in training, end-of-document tokens included, though what they cost
    is not counted.
    """
    return sum(validation(model, tokenizer, tokens, limit), NOTHING)


@torch.inference_mode()
def validation(
    model: LanguageModel, tokenizer: Tokenizer, tokens: Shards | Ids, limit: int | None = None
) -> Iterator[Score]:
    """`validate` part by part: it may take long, and can be left between any two."""
    total = len(tokens) if limit is None else min(limit, len(tokens))
    length = max(-(-total // VALIDATION_STREAMS), VALIDATION_BURN_IN)
    starts = np.arange(0, total, length)
    state = model.initial_state(len(starts))
    for at in range(0, VALIDATION_BURN_IN + length, VALIDATION_BURN_IN):
        columns = np.arange(at, min(at + VALIDATION_BURN_IN, VALIDATION_BURN_IN + length) + 1)
        places = starts[:, None] + columns - VALIDATION_BURN_IN - 1
        rows = tokens[np.clip(places, 0, total - 1)].astype(np.int64)  # (B, T + 1)
        rows[(places < 0) | (places >= total)] = tokenizer.end  # beyond the text
        nats, state = _nats(model, rows[:, :-1], rows[:, 1:], state)
        if at == 0:
            state = state.reset(torch.arange(len(starts), device=model.head.weight.device) == 0)
        else:
            targets, costs = rows[:, 1:].ravel(), nats.ravel()
            spells = targets != tokenizer.end
            yield score_of(EncodedText.spelled(targets[spells], tokenizer), costs[spells])


def _nats(
    model: LanguageModel, inputs: Tokens, targets: Tokens, state: State
) -> tuple[Nats, State]:
    """What each target costs, in nats, (B, T), and the state after them."""
    device = model.head.weight.device
    expected = torch.from_numpy(targets.ravel()).to(device)
    nats = []
    with autocast(device):
        x, state = model.read(torch.from_numpy(inputs).to(device), state)  # (B, T, H)
        x = x.flatten(0, 1)[None]  # (1, B * T, H)
        at_once = max(1, MAX_LOGITS // model.vocab_size)
        for at in range(0, len(expected), at_once):
            logits = model.output_logits(x[:, at : at + at_once])[0].float()  # (N, V)
            nats.append(F.cross_entropy(logits, expected[at : at + at_once], reduction="none"))
    return torch.cat(nats).cpu().double().numpy().reshape(targets.shape), state
