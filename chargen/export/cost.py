"""What fewer bits of the weights cost, on text that the model did not train on."""

from __future__ import annotations

from dataclasses import dataclass

from chargen.checkpoint.metadata import CheckpointMetadata
from chargen.errors import ChargenError
from chargen.evaluation.held_out import SPLIT_WORDS, held_out_text
from chargen.generation.generator import TextGenerator
from chargen.nn.packing import rounded
from chargen.progress import OnProgress, no_progress

MAX_CHARACTERS = 50_000  # of the text


@dataclass(frozen=True)
class RoundingCost:
    """Bits per byte of the model as it is, and once its weights are rounded, on so much text."""

    before: float
    after: float
    characters: int
    split: str  # of its text, in words

    @property
    def share(self) -> float:
        """By how much of the first the second is more, to a hundredth of a percent; below 0 where
        it is less."""
        return round(self.after / self.before - 1, 4) + 0.0  # no -0.00


def rounding_cost(
    generator: TextGenerator,
    about: CheckpointMetadata,
    precision: str,
    on_progress: OnProgress = no_progress,
) -> RoundingCost | None:
    """None where the model's own text is not here."""
    try:
        text, split = held_out_text(about, 1, MAX_CHARACTERS, on_progress)
        before = generator.evaluate([text]).bits_per_byte
        on_progress("scoring", 0.5)
        weights = rounded(generator.weights, precision)
        after = TextGenerator(weights, generator.tokenizer, about).evaluate([text]).bits_per_byte
    except ChargenError:
        return None
    return RoundingCost(before, after, len(text), SPLIT_WORDS[split])
