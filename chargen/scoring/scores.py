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

from chargen.data.documents import EncodedText
from chargen.errors import CorpusError
from chargen.nn.engine import Engine, Floats, initial_state
from chargen.nn.softmax import log_probabilities, logprobs_of
from chargen.reprs import counted
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import Tokenizer, Tokens

Nats = npt.NDArray[np.float64]

CHUNK_TOKENS = 1024
MAX_LOGITS = 1 << 20  # that are computed at once: memory does not grow with the vocabulary


@dataclass(frozen=True)
class Score:
    """How well a model predicts a text: its total surprise in `nats`, and the numbers of `tokens`,
    UTF-8 `bytes` and `characters` that it is divided by."""

    nats: float
    tokens: int
    bytes: int
    characters: int
    # Where only answers count: how many there are, and those of which every token is the most
    # likely one, so that the model would write them.
    answers: int = 0
    exact: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.nats + other.nats,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.characters + other.characters,
            self.answers + other.answers,
            self.exact + other.exact,
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
    def exact_share(self) -> float | None:
        """Of the answers; None where there are none."""
        return self.exact / self.answers if self.answers else None

    @property
    def bits_per_byte(self) -> float:
        """nats / ln 2 / bytes of UTF-8, which is comparable across tokenizers."""
        return self.nats / NATS_PER_BIT / self.bytes if self.bytes else math.nan

    @property
    def bits_per_character(self) -> float:
        """nats / ln 2 / characters."""
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


def score_text(engine: Engine, tokenizer: Tokenizer, parts: Iterable[EncodedText]) -> Score:
    """The exact score of one text, given in parts; memory does not grow."""
    return sum((score_of(*part) for part in token_nats(engine, tokenizer, parts)), NOTHING)


def token_nats(
    engine: Engine, tokenizer: Tokenizer, parts: Iterable[EncodedText]
) -> Iterator[tuple[EncodedText, Nats]]:
    """The tokens of one text and what each of them costs, in nats, (N,), chunk after chunk."""
    state = initial_state(engine.config)
    previous = tokenizer.end
    for part in parts:
        for at in range(0, len(part), CHUNK_TOKENS):
            chunk = part[at : at + CHUNK_TOKENS]
            targets = chunk.tokens[None]  # (1, T)
            inputs = np.insert(targets[:, :-1], 0, previous, axis=1)
            outputs, state = engine.read(inputs, state)  # (1, T, H)
            yield chunk, _nats(engine, outputs[0], chunk.tokens)
            previous = int(targets[0, -1])


def score_of(text: EncodedText, nats: Nats) -> Score:
    """The score of some text whose tokens cost so much, (N,)."""
    return Score(float(nats.sum()), len(text), int(text.bytes.sum()), int(text.characters.sum()))


def _nats(engine: Engine, outputs: Floats, targets: Tokens) -> Nats:
    """What each of (N,) targets costs, predicted from (N, H) outputs."""
    at_once = max(1, MAX_LOGITS // engine.vocab_size)
    nats = [
        -logprobs_of(
            log_probabilities(engine.output_logits(outputs[at : at + at_once])),
            targets[at : at + at_once],
        )
        for at in range(0, len(targets), at_once)
    ]
    return np.concatenate(nats)
