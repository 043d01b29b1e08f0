"""What a page is told of a model beside its files: how far back it looks, and which cells follow
something. It is measured on a text that the model itself writes, by a fixed seed, so the same
checkpoint gives the same numbers, wherever its training text is.

Shapes: N tokens of that text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chargen.data.boundaries import JOINTS
from chargen.errors import ChargenError
from chargen.generation.generator import TextGenerator
from chargen.insight.followers import MIN_TO_SEARCH, Follower, find_followers
from chargen.insight.from_checkpoint import SEARCHED
from chargen.insight.memory import measure, needed_tokens
from chargen.progress import OnProgress, no_progress, part_of
from chargen.tokenizers.base import Tokens

TOKENS = 8000  # of the text: with fewer, cells that follow something are missed
MEASURED_TOKENS = 2000  # of these, by which it is measured how far back it looks: seconds
MAX_PARAMETERS = 20_000_000  # of a model that is measured in passing
# Documents that are written at a time, and how often; tokens that one may take.
SIDE_BY_SIDE = {"file": 1, "line": 64, "paragraph": 16}
ROUNDS = 300
LONGEST = {"file": TOKENS, "line": 300, "paragraph": 1500}
LONGEST_CONTEXT, LONGEST_DISTANCE = 256, 128  # tokens
DIGITS = 4  # of a number


@dataclass(frozen=True)
class Measurements:
    """As export.json has them: no cells where none follows anything, no memory where that could not
    be measured."""

    cells: list[dict[str, Any]]
    memory: dict[str, Any] | None


def measure_model(generator: TextGenerator, on_progress: OnProgress = no_progress) -> Measurements:
    """What can be measured: nothing of a model that is too large for it, writes too little, or
    computes what is no number."""
    if generator.weights.num_parameters > MAX_PARAMETERS:
        return Measurements([], None)
    try:
        text, tokens = written(generator, on_progress)
    except ChargenError:
        return Measurements([], None)
    followers = []
    if len(text) >= MIN_TO_SEARCH:
        on_share = part_of(on_progress, "looking for cells")
        followers = find_followers(generator, text[:SEARCHED], on_share)
    return Measurements(
        as_cells(followers), _memory(generator, tokens[:MEASURED_TOKENS], on_progress)
    )


def written(generator: TextGenerator, on_progress: OnProgress = no_progress) -> tuple[str, Tokens]:
    """A text of so many tokens by the model: its documents one after the other, as it knows
    them; and (N,) tokens, the end of a document behind each. Raises ChargenError."""
    documents, end = generator.corpus_options.documents, generator.tokenizer.end
    texts: list[str] = []
    tokens: list[int] = []
    for seed in range(ROUNDS):
        rows = generator.generate(
            num_samples=SIDE_BY_SIDE[documents],
            max_tokens=min(LONGEST[documents], TOKENS - len(tokens)),
            temperature=1.0,
            stop=(),
            seed=seed,
        )
        for row in filter(lambda row: row.text, rows):  # between others, an empty one is none
            texts.append(row.text)
            tokens += [*(token for token in row.tokens if token != end), end]
        on_progress("writing", min(1.0, len(tokens) / TOKENS))
        if len(tokens) >= TOKENS:
            break
    return JOINTS.get(documents, "\n").join(texts), np.array(tokens, dtype=np.int64)


def as_cells(followers: Iterable[Follower]) -> list[dict[str, Any]]:
    """Those that follow something closely enough to be called so."""
    return [
        {
            "feature": follower.feature,
            "layer": follower.layer,
            "unit": follower.unit,
            "correlation": rounded(follower.correlation),
        }
        for follower in followers
        if follower.follows
    ]


def _memory(
    generator: TextGenerator, tokens: Tokens, on_progress: OnProgress
) -> dict[str, Any] | None:
    if len(tokens) < needed_tokens(LONGEST_CONTEXT, LONGEST_DISTANCE):
        return None
    try:
        curves = measure(
            generator.model,
            tokens,
            end=generator.tokenizer.end,
            longest_context=LONGEST_CONTEXT,
            longest_distance=LONGEST_DISTANCE,
            on_progress=part_of(on_progress, "measuring how far back it looks"),
        )
    except ChargenError:  # it wrote ends of documents alone
        return None
    found: dict[str, Any] = {}
    for name, numbers in curves.as_dict().items():
        if isinstance(numbers, list):
            if not all(map(math.isfinite, numbers)):
                return None
            numbers = [rounded(number) for number in numbers]
        found[name] = numbers
    return found | {"measured_on": f"{len(tokens):,} tokens that the model wrote"}


def rounded(number: float) -> float:
    """What of it is worth its bytes."""
    return number if isinstance(number, int) else float(f"{number:.{DIGITS}g}")
