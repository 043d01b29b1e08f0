"""A small world about the forget gate: what it does where the subject changes.

Shapes: N tokens of a text, H hidden.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Cell, Finding
from chargen.lab.toy_texts import CHANGE_OF_SUBJECT, Story, story
from chargen.lab.toy_training import CharVocab, make_network, train_on_text
from chargen.nn.model import LanguageModel
from chargen.nn.trace import trace
from chargen.progress import OnProgress, OnShare, no_progress, part_of

KEPT_AFTER = 5  # characters: a full stop, its space, and the first three of the next sentence
FOLLOWED = 12  # characters that the cell is followed for, from a full stop on
READ_AT_ONCE = 500  # characters
SKIPPED = 5  # characters of a sentence before "inside" it begins


@dataclass(frozen=True)
class Mean:
    """A mean over sentences and its standard error; `count` sentences."""

    mean: float
    error: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        if len(values) < 2:
            return cls(values[0] if values else math.nan, math.nan, len(values))
        return cls(
            statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)), len(values)
        )


def run(
    seed: int, on_progress: OnProgress, *, steps: int = 1500, subjects: int = 2500, fresh: int = 400
) -> Finding:
    """What an LSTM's forget gate (Gers et al. 2000) does where the subject changes."""
    rng = np.random.default_rng(seed)
    text, others = story(rng, subjects).text, story(rng, fresh)
    vocab = CharVocab(text + others.text + CHANGE_OF_SUBJECT)
    model = make_network("lstm", len(vocab), seed=seed, hidden_size=64)
    on_share = part_of(on_progress, "learning the stories", 0, 0.85)
    train_on_text(model, vocab.encode(text), seed, steps, on_share, length=96)
    on_share = part_of(on_progress, "reading others", 0.85, 1)
    gates, cells = read_gates(model, vocab.encode(others.text), on_share)
    stop = CHANGE_OF_SUBJECT.index(".")
    one = Story(CHANGE_OF_SUBJECT, (0, stop + 2), ("subject", "subject"))
    one_gates, one_cells = read_gates(model, vocab.encode(one.text))
    by_place, by_place_one = means_by_place(others, gates), means_by_place(one, one_gates)
    kept = kept_after(others, gates, cells)
    kept_one = kept_after(one, one_gates, one_cells)["into a new subject"]
    rows: list[tuple[Cell, ...]] = []
    for place, values in by_place.items():
        mean, here = Mean.of(values), Mean.of(by_place_one[place])
        rows.append((place, here.mean if here.count else None, mean.mean, mean.error, mean.count))
    kept_means = {}
    for way, curves in kept.items():
        kept_means[way] = mean = Mean.of([curve[KEPT_AFTER - 1] for curve in curves])
        here_kept = kept_one[0][KEPT_AFTER - 1] if way == "into a new subject" else None
        what = f"cell kept over {KEPT_AFTER} characters, {way}"
        rows.append((what, here_kept, mean.mean, mean.error, mean.count))
    columns = (
        "where",
        "in the one sentence, mean, 0 to 1",
        "in fresh stories, mean, 0 to 1",
        "standard error",
        "sentences",
    )
    units = one_gates.mean(dim=1).tolist()
    charts = (
        Chart(
            f"Forget gate at each character of: {CHANGE_OF_SUBJECT}",
            f"character (the full stop is {stop + 1})",
            "forget gate, mean of all units, 0 to 1",
            [Line("forget gate", range(1, len(units) + 1), units)],
        ),
        Chart(
            "What is left of the cell, from a full stop on",
            "characters, the full stop is 1",
            "share of the cell that is still there",
            [
                *(
                    Line(way, range(1, FOLLOWED + 1), np.mean(curves, axis=0).tolist())
                    for way, curves in kept.items()
                ),
                Line("the one sentence", range(1, FOLLOWED + 1), kept_one[0]),
            ],
        ),
    )
    says = summarize(
        {place: Mean.of(values) for place, values in by_place.items()}, kept_means, kept_one[0]
    )
    return Finding("forget", columns, tuple(rows), charts, says)


@torch.inference_mode()
def read_gates(
    model: LanguageModel, tokens: Tensor, on_share: OnShare = no_progress
) -> tuple[Tensor, Tensor]:
    """The forget gate at each token of a text (N,), and the cell before it, (N, H) each."""
    state = model.initial_state(1)
    gates, cells = [], [state.layers[0][1]]
    for at in range(0, len(tokens), READ_AT_ONCE):
        read = trace(model, tokens[None, at : at + READ_AT_ONCE], state)
        state = read.state
        gates.append(read.layers[0]["forget"][0])
        cells.append(read.layers[0]["cell"][0])
        on_share(at / len(tokens))
    return torch.cat(gates), torch.cat(cells)[:-1]


def means_by_place(read: Story, gates: Tensor) -> dict[str, list[float]]:
    """The mean forget gate of each sentence at its letters, spaces, full stop and beginning, by
    what kind of place it is. The first sentence has nothing before it, so its beginning is left
    out; so is a full stop that nothing follows."""
    units = gates.mean(dim=1).tolist()
    names = {"subject": "a new subject", "pronoun": "the same subject"}
    found: dict[str, list[float]] = {"inside words": [], "spaces": []}
    for what in ("full stop before", "first three letters of"):
        found |= {f"{what} {name}": [] for name in names.values()}
    ends = [*(start - 2 for start in read.starts[1:]), len(read.text)]
    for place, (start, end) in enumerate(zip(read.starts, ends, strict=True)):
        inside = range(start + SKIPPED, end)
        for name, wanted in (("inside words", str.isalpha), ("spaces", str.isspace)):
            if values := [units[at] for at in inside if at < len(units) and wanted(read.text[at])]:
                found[name].append(statistics.fmean(values))
        if place:
            name = names[read.kinds[place]]
            found[f"full stop before {name}"].append(units[start - 2])
            found[f"first three letters of {name}"].append(
                statistics.fmean(units[start : start + 3])
            )
    return found


def kept_after(read: Story, gates: Tensor, cells: Tensor) -> dict[str, list[list[float]]]:
    """How much of the cell before a full stop is still there 1, 2 ... characters later, by what
    comes after it, and the same for as many characters inside a sentence: each time the product
    of the forget gates of each unit, weighed by how much the unit held, |c|."""
    names = {"subject": "into a new subject", "pronoun": "on with the same subject"}
    inside = "inside a sentence"
    found: dict[str, list[list[float]]] = {name: [] for name in (*names.values(), inside)}
    places = [(start - 2, names[kind]) for start, kind in zip(read.starts, read.kinds, strict=True)]
    places = places[1:] + [(start + SKIPPED, inside) for start in read.starts]
    for begin, name in places:
        if begin + FOLLOWED > len(gates):
            continue
        left = gates[begin : begin + FOLLOWED].cumprod(dim=0)  # (FOLLOWED, H)
        weight = cells[begin].abs()
        found[name].append((left @ weight / weight.sum().clamp(min=1e-9)).tolist())
    return found


def summarize(gates: Mapping[str, Mean], kept: Mapping[str, Mean], one: Sequence[float]) -> str:
    """Two sentences on the forget gate by place, on what is kept of the cell over some characters
    by what comes, and on how that was at the one sentence."""
    stop, inside = gates["full stop before a new subject"], gates["inside words"]
    other = gates["full stop before the same subject"]
    new = gates["first three letters of a new subject"]
    numbers = (
        f"it is {stop.mean:.4f} \u00b1 {stop.error:.4f} at a full stop before a new subject and "
        f"{other.mean:.4f} \u00b1 {other.error:.4f} at one before a pronoun, "
        f"{inside.mean:.4f} \u00b1 {inside.error:.4f} inside words, and {new.mean:.4f} \u00b1 "
        f"{new.error:.4f} in the first three letters of a new subject"
    )
    if is_lower(stop, inside):
        first = "The forget gate closes in part at the end of a sentence"
    elif is_lower(inside, stop):
        first = "The forget gate opens at the end of a sentence, rather than close"
    else:
        first = "The forget gate does nothing of its own at the end of a sentence"
    first += (
        ", and at the name of a new subject it is lower than inside words: "
        if is_lower(new, inside)
        else ", and it does not close at the name of a new subject: "
    ) + numbers
    change, same = kept["into a new subject"], kept["on with the same subject"]
    numbers = (
        f"{change.mean:.1%} \u00b1 {change.error:.1%} of the cell is left after {KEPT_AFTER} "
        f"characters, {same.mean:.1%} \u00b1 {same.error:.1%} where a pronoun goes on with "
        "the old subject, "
        f"{kept['inside a sentence'].mean:.1%} inside a sentence, and {one[KEPT_AFTER - 1]:.1%} "
        "in the sentences on Sophie and Lynn"
    )
    if is_lower(change, same):
        second = f"More is forgotten when a new subject comes: {numbers}"
    elif is_lower(same, change):
        second = f"No more is forgotten when a new subject comes, rather less: {numbers}"
    else:
        second = f"A new subject makes it forget no more than an old one: {numbers}"
    return f"{first}. {second}."


def is_lower(one: Mean, other: Mean) -> bool:
    """Whether `one` is lower than `other` by more than three standard errors of the difference."""
    return other.mean - one.mean > 3 * math.hypot(one.error, other.error)
