"""What does a recurrent weight above 1 do to the gradient, and does clipping help?

Shapes: B rows, T tokens, H hidden.
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
from chargen.insight.memory import gradient_norms
from chargen.lab.finding import Finding
from chargen.lab.toy_texts import word_text
from chargen.lab.toy_training import (
    CharVocab,
    TrainingCurve,
    make_network,
    random_windows,
    train_toy,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, OnShare, part_of

RADII = (0.9, 1.0, 1.1, 1.5, 2.0)
LONGEST = 100  # tokens that the gradient is followed back
# The recurrent weight that is trained. Where half of the ReLUs are off, half of the square of what
# goes back is lost at each step, so the border is not at 1 but near the square root of 2.
TRAINED_RADIUS = 1.5
NUM_INITS = 4  # initial weights, each trained by all rules


@dataclass(frozen=True)
class UpdateRule:
    """How the weights move."""

    optimizer: str
    clip: float | None

    @property
    def name(self) -> str:
        return f"{self.optimizer}, {'no clipping' if self.clip is None else f'clip {self.clip:g}'}"


UPDATE_RULES = (
    UpdateRule("SGD", None),
    UpdateRule("SGD", 1.0),
    UpdateRule("AdamW", None),
    UpdateRule("AdamW", 1.0),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a rule from each of the initial weights: the last loss, None if it diverged."""

    largest_norm: float | None
    losses: tuple[float | None, ...]

    @property
    def diverged(self) -> int:
        return sum(loss is None for loss in self.losses)

    @property
    def median_loss(self) -> float | None:
        """The upper one of two in the middle; None where it is no number."""
        ordered = sorted(math.inf if loss is None else loss for loss in self.losses)
        median = statistics.median_high(ordered)
        return median if math.isfinite(median) else None


def scale_recurrent(model: LanguageModel, spectral_radius: float) -> None:
    """Make W of h = f(W h + ...) an orthogonal matrix times this: every eigenvalue and singular
    value of it has that size, so the gradient's growth has one number. A plain RNN's alone."""
    with torch.no_grad():
        for layer in model.layers:
            weight = layer.weight_hh_l0
            assert isinstance(weight, Tensor)
            torch.nn.init.orthogonal_(weight).mul_(spectral_radius)


def run(seed: int, on_progress: OnProgress, *, steps: int = 300, longest: int = LONGEST) -> Finding:
    """A recurrent weight above 1, with and without clipping (Pascanu et al. 2013)."""
    rng = np.random.default_rng(seed)
    text = word_text(rng, 6000)
    vocab = CharVocab(text)
    tokens = vocab.encode(text)
    seeds = rng.integers(2**31, size=NUM_INITS).tolist()  # a seed for the weights of each
    curves = {}
    for place, radius in enumerate(RADII):
        norms = []
        for start in range(NUM_INITS):
            begin, part = place / 12, 1 / 12 / NUM_INITS
            doing = f"gradient back through {radius:g}"
            on_share = part_of(on_progress, doing, begin + start * part, begin + (start + 1) * part)
            model = _rnn(len(vocab), seeds[start], radius)
            norms.append(gradient_norms(model, tokens.numpy(), longest, on_progress=on_share)[0])
        # Powers of ten differ, so it is their exponents that have a mean.
        curves[radius] = np.exp(np.log(np.maximum(norms, 1e-300)).mean(axis=0)).tolist()
    runs: dict[UpdateRule, list[TrainingCurve]] = {rule: [] for rule in UPDATE_RULES}
    parts = len(UPDATE_RULES) * NUM_INITS
    for start in range(NUM_INITS):
        for place, rule in enumerate(UPDATE_RULES):
            begin = 0.42 + 0.58 * (start * len(UPDATE_RULES) + place) / parts
            on_share = part_of(on_progress, rule.name, begin, begin + 0.58 / parts)
            runs[rule].append(_train(tokens, len(vocab), seeds[start], rule, steps, on_share))
    outcomes = {rule: _outcome(curves, steps) for rule, curves in runs.items()}
    columns = (
        "weights move by",
        "largest norm of a gradient, before clipping",
        f"loss at the end, nats per letter (median of {NUM_INITS} runs)",
        f"runs of {NUM_INITS} whose loss became NaN",
    )
    rows = tuple(
        (rule.name, outcome.largest_norm, outcome.median_loss, outcome.diverged)
        for rule, outcome in outcomes.items()
    )
    back = Chart(
        f"A gradient on its way back (geometric mean of {NUM_INITS} first weights)",
        "distance back, letters",
        "norm of the gradient",
        [Line(f"recurrent weight {r:g}", range(longest + 1), curve) for r, curve in curves.items()],
        log_y=True,
    )
    steps_of = Chart(
        f"Gradients of the first run, recurrent weight {TRAINED_RADIUS:g}",
        "step",
        "norm of the gradient before clipping",
        [Line(rule.name, range(1, len(p[0].norms) + 1), p[0].norms) for rule, p in runs.items()],
        log_y=True,
    )
    says = summarize(curves, outcomes)
    return Finding("exploding", columns, rows, (back, steps_of), says)


def _rnn(vocab_size: int, seed: int, radius: float) -> LanguageModel:
    model = make_network("rnn relu", vocab_size, seed=seed, hidden_size=48)
    scale_recurrent(model, radius)
    return model


def _train(
    tokens: Tensor, vocab_size: int, seed: int, rule: UpdateRule, steps: int, on_share: OnShare
) -> TrainingCurve:
    model = _rnn(vocab_size, seed, TRAINED_RADIUS)
    random = torch.Generator().manual_seed(seed)
    # Adam divides by the size of past gradients, so plain descent shows what a large one does.
    plain = torch.optim.SGD(model.parameters()) if rule.optimizer == "SGD" else None
    return train_toy(
        model,
        lambda step: random_windows(tokens, random, 16, LONGEST),
        steps,
        learning_rate=0.1 if plain else 0.004,
        clip=math.inf if rule.clip is None else rule.clip,
        optimizer=plain,
        on_share=on_share,
    )


def _outcome(curves: Sequence[TrainingCurve], steps: int) -> Outcome:
    norms = [norm for curve in curves for norm in curve.norms if math.isfinite(norm)]
    last = max(1, steps // 10)
    losses = [None if p.diverged else statistics.fmean(p.losses[-last:]) for p in curves]
    return Outcome(max(norms, default=None), tuple(losses))


def summarize(
    curves: Mapping[float, Sequence[float]], outcomes: Mapping[UpdateRule, Outcome]
) -> str:
    """Two sentences on the gradient's norm by distance back for each recurrent weight, and on what
    came of each rule to train."""
    growth = {radius: growth_of(curve) for radius, curve in curves.items()}
    factors = ", ".join(f"{growth[radius]:.2f} ({radius:g})" for radius in growth)
    first = f"On its way back the gradient was multiplied, at every letter, by {factors}"
    exploded = [radius for radius in growth if growth[radius] > 1]
    spared = [radius for radius in growth if radius > 1 and growth[radius] <= 1]
    if exploded:
        first += f": it exploded with a recurrent weight of {min(exploded):g}"
    else:
        first += ": it exploded with none of these recurrent weights"
    if spared:
        first += (
            f", and not with {' and '.join(f'{r:g}' for r in spared)}, for a ReLU that is off lets "
            "none of it through"
        )
    free = [outcomes[rule] for rule in outcomes if rule.clip is None]
    held = [outcomes[rule] for rule in outcomes if rule.clip is not None]
    runs = sum(len(outcome.losses) for outcome in free)
    diverged, diverged_held = (sum(one.diverged for one in side) for side in (free, held))
    losses = ", ".join(
        f"{rule.name} {'NaN' if o.median_loss is None else f'{o.median_loss:.2f}'}"
        for rule, o in outcomes.items()
    )
    ends = f"{diverged} of {runs} runs without clipping and {diverged_held} of {runs} with it"
    better = [
        a.median_loss - b.median_loss
        for a, b in zip(free, held, strict=True)
        if a.median_loss is not None and b.median_loss is not None
    ]  # nats per letter that clipping gains where both rules came to an end
    gains, loses = max(better, default=0.0) > 0.1, min(better, default=0.0) < -0.1
    if diverged == diverged_held and not gains and not loses:
        second = f"Clipping made no difference here: the loss became NaN in {ends}"
    elif diverged >= diverged_held and not loses:
        saved = "" if diverged > diverged_held else ", though it saved no run"
        second = f"Clipping helped{saved}: the loss became NaN in {ends}"
    elif diverged <= diverged_held and not gains:
        second = f"Clipping did not help here: the loss became NaN in {ends}"
    else:
        second = f"Clipping helped in one way and not in another: the loss became NaN in {ends}"
    return f"{first}. {second}, and ended at (nats per letter, median) {losses}."


def growth_of(curve: Sequence[float]) -> float:
    """The mean factor from one distance to the next, the first tenth, where the loss is, left out;
    0 where nothing arrives."""
    begin = len(curve) // 10
    if not curve[begin] or not curve[-1]:
        return 0.0
    return float((curve[-1] / curve[begin]) ** (1 / (len(curve) - 1 - begin)))
