"""Small worlds about the way of a gradient through time: where it vanishes, where it explodes.

Shapes: B rows, T tokens, H hidden.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from chargen.insight.charts import Chart, Line
from chargen.insight.memory import gradient_norms
from chargen.lab.echo_state import Reservoir, solve_ridge
from chargen.lab.finding import Cell, Finding
from chargen.lab.toy_texts import word_text
from chargen.lab.toy_training import (
    NOT_ASKED,
    Batch,
    CharVocab,
    Practice,
    make_network,
    random_windows,
    train_toy,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, OnShare, part_of

# -- vanishing --------------------------------------------------------------------------------

SYMBOLS = 4  # to remember one of; as many others are in between
CHANCE = 1 / SYMBOLS
CUE = 2 * SYMBOLS
DISTANCES = (10, 30, 100, 300)  # symbols in between
CELLS = ("rnn", "rnn relu", "lstm", "gru")
NAMES = {"rnn": "rnn tanh", "rnn relu": "rnn ReLU", "lstm": "lstm", "gru": "gru"}
RESERVOIR = "echo state network"
LEFT_AT = 100  # symbols back; what of a gradient is left there is said
REACH = 10  # tokens that a cut gradient goes back
FRESH = 512  # sequences that are asked after training, at each distance
LEARNED = (1 + CHANCE) / 2  # answered rightly: half of what guessing leaves
ROWS = 32
LEARNING_RATE = 0.004
READ_AT_ONCE = 256  # sequences that the reservoir reads side by side
RIDGES = (1e-8, 1e-6, 1e-4, 1e-2)

Accuracies = tuple[float, ...]  # a share for each of the distances


@dataclass(frozen=True)
class Course:
    """A way to train: at one distance alone, or at random ones up to 10, then 30, 100, 300."""

    name: str
    short_first: bool
    reach: int | None = None


COURSES = (
    Course("each distance alone", short_first=False),
    Course("short ones first", short_first=True),
    Course(f"short ones first, cut after {REACH}", short_first=True, reach=REACH),
)


def recall_batch(random: torch.Generator, distance: int, rows: int) -> Batch:
    """One symbol, `distance` of another alphabet, a cue; what is asked, after the cue alone, is
    the first. (B, distance + 2) each (Hochreiter and Schmidhuber 1997)."""
    first = torch.randint(SYMBOLS, (rows, 1), generator=random)
    others = torch.randint(SYMBOLS, 2 * SYMBOLS, (rows, distance), generator=random)
    tokens = torch.cat([first, others, torch.full((rows, 1), CUE)], dim=1)
    targets = torch.full_like(tokens, NOT_ASKED)
    targets[:, -1] = first[:, 0]
    return tokens, targets


def vanishing(
    seed: int,
    on_progress: OnProgress,
    *,
    steps: int = 400,
    reservoir_size: int = 300,
    back: int = DISTANCES[-1],
) -> Finding:
    """Remember the first symbol after 10, 30, 100, 300 others (Hochreiter 1991; Bengio et al.
    1994). `steps` of 32 sequences each, of every course and, in the first, of every distance."""
    found: dict[tuple[str, str], Accuracies] = {}
    # About what each takes, beside the others, to say how far the work is.
    costs = {course: 1.0 if course.short_first else 8.0 for course in COURSES}
    whole = len(CELLS) * sum(costs.values()) + 5
    done = 0.0
    for cell in CELLS:
        for course in COURSES:
            end = done + costs[course]
            on_share = part_of(
                on_progress, f"{NAMES[cell]}, {course.name}", done / whole, end / whole
            )
            found[cell, course.name] = _recall(cell, course, seed, steps, on_share)
            done = end
    on_share = part_of(on_progress, RESERVOIR, done / whole, (done + 2) / whole)
    echo = _echo_recall(seed, reservoir_size, on_share)
    done += 2
    curves = {}
    for place, cell in enumerate(CELLS):
        begin = done + (whole - done) * place / len(CELLS)
        end = done + (whole - done) * (place + 1) / len(CELLS)
        on_share = part_of(on_progress, f"{NAMES[cell]}, gradient", begin / whole, end / whole)
        curves[cell] = _gradient_back(cell, seed, back, on_share)
    rows: list[tuple[Cell, ...]] = [
        (NAMES[cell], course.name, *found[cell, course.name], CHANCE)
        for course in COURSES
        for cell in CELLS
    ]
    rows.append((RESERVOIR, COURSES[0].name, *echo, CHANCE))
    chance = Line("chance", DISTANCES, [CHANCE] * len(DISTANCES))
    charts = [
        Chart(
            f"Trained at distances: {course.name}",
            "distance to the first symbol, symbols",
            "answered rightly, share",
            [
                *(Line(NAMES[cell], DISTANCES, found[cell, course.name]) for cell in CELLS),
                *([] if course.short_first else [Line(RESERVOIR, DISTANCES, echo)]),
                chance,
            ],
            log_x=True,
        )
        for course in COURSES
    ]
    charts.append(
        Chart(
            "A gradient on its way back, before anything is learned",
            "distance back, symbols",
            "norm of the gradient of h, in an LSTM of c",
            [Line(NAMES[cell], range(back + 1), curve) for cell, curve in curves.items()],
            log_y=True,
        )
    )
    columns = ("network", "trained", *(f"right after {d}, share" for d in DISTANCES), "chance")
    alone, short, cut = ({cell: found[cell, course.name] for cell in CELLS} for course in COURSES)
    left = {cell: curve[LEFT_AT] / curve[0] for cell, curve in curves.items()}
    says = say_vanishing(alone, short, cut, echo, left, steps)
    return Finding("vanishing", columns, tuple(rows), tuple(charts), says)


def _recall(cell: str, course: Course, seed: int, steps: int, on_share: OnShare) -> Accuracies:
    """Train a network, or one for each distance, and ask it."""
    if course.short_first:
        model = _learn(cell, course, seed, steps, partial(_short_first, steps), on_share)
        return tuple(_answered(model, distance, seed) for distance in DISTANCES)
    accuracies = []
    for distance, hears in zip(DISTANCES, _by_length(on_share), strict=True):
        alone = partial(_alone, distance)
        model = _learn(cell, course, seed, steps, alone, hears)
        accuracies.append(_answered(model, distance, seed))
    return tuple(accuracies)


def _short_first(steps: int, step: int) -> tuple[int, int]:
    return 1, DISTANCES[step * len(DISTANCES) // steps]


def _alone(distance: int, step: int) -> tuple[int, int]:
    return distance, distance


def _learn(
    cell: str,
    course: Course,
    seed: int,
    steps: int,
    between: Callable[[int], tuple[int, int]],
    on_share: OnShare,
) -> LanguageModel:
    """A network that was trained on distances from the least to the most that `between` a step
    gives, each step at one."""
    random = torch.Generator().manual_seed(seed)

    def batch(step: int) -> Batch:
        least, most = between(step)
        distance = int(torch.randint(least, most + 1, (1,), generator=random))
        return recall_batch(random, distance, ROWS)

    model = _new_network(cell, seed)
    train_toy(
        model, batch, steps, learning_rate=LEARNING_RATE, reach=course.reach, on_share=on_share
    )
    return model


def _new_network(cell: str, seed: int) -> LanguageModel:
    return make_network(cell, CUE + 1, seed=seed, hidden_size=32)


def _by_length(on_share: OnShare) -> list[OnShare]:
    """Whom to tell at each distance: its part of the work is as long as it is."""

    def part(begin: float, share: float) -> OnShare:
        return lambda done: on_share(begin + share * done)

    whole = sum(DISTANCES)
    return [part(sum(DISTANCES[:place]) / whole, d / whole) for place, d in enumerate(DISTANCES)]


@torch.inference_mode()
def _answered(model: LanguageModel, distance: int, seed: int) -> float:
    """The share of fresh sequences at exactly this distance that are answered rightly."""
    tokens, targets = recall_batch(_fresh(seed), distance, FRESH)
    x, _ = model.read(tokens, model.initial_state(FRESH))
    logits = model.read_out(x[:, -1:])[:, 0]  # (B, V)
    return float((logits.argmax(-1) == targets[:, -1]).float().mean())


def _gradient_back(cell: str, seed: int, back: int, on_share: OnShare) -> list[float]:
    """The norm of a loss's gradient by the distance back, from 0 on, as the first weights have it:
    of the cell of an LSTM, of the output of others."""
    tokens, _ = recall_batch(torch.Generator().manual_seed(seed), 4 * back + 500, 1)
    h, c = gradient_norms(_new_network(cell, seed), tokens[0].numpy(), back, on_progress=on_share)
    norms: list[float] = (h if c is None else c).tolist()
    return norms


def _fresh(seed: int) -> torch.Generator:
    """Draws that are not those of the training."""
    # Only the lowest 32 bits of a seed count in torch, so another one is drawn.
    return torch.Generator().manual_seed(int(np.random.default_rng([seed, 1]).integers(2**32)))


def _echo_recall(seed: int, hidden_size: int, on_share: OnShare) -> Accuracies:
    """The read-out is linear and W turns the state at every step, so each distance has its own; a
    fifth of the training sequences chooses how strongly it is held small."""
    random = torch.Generator().manual_seed(seed)
    reservoir = Reservoir(CUE + 1, hidden_size, random=random)
    count = 6 * hidden_size
    held = count // 5
    accuracies = []
    for distance, reading in zip(DISTANCES, _by_length(on_share), strict=True):
        states, firsts = _echoes(reservoir, random, distance, count, reading)
        wanted = torch.nn.functional.one_hot(firsts, SYMBOLS)
        scores = []
        for ridge in RIDGES:
            weight = solve_ridge(states[held:], wanted[held:], ridge)
            scores.append(_right(states[:held] @ weight, firsts[:held]))
        ridge = RIDGES[int(np.argmax(scores))]
        weight = solve_ridge(states, wanted, ridge)
        states, firsts = _echoes(reservoir, _fresh(seed), distance, FRESH, lambda share: None)
        accuracies.append(_right(states @ weight, firsts))
    on_share(1.0)
    return tuple(accuracies)


def _echoes(
    reservoir: Reservoir, random: torch.Generator, distance: int, rows: int, on_share: OnShare
) -> tuple[Tensor, Tensor]:
    """States at the cue with a constant 1 beside them, (B, H + 1), and the first symbols, (B,)."""
    tokens, targets = recall_batch(random, distance, rows)
    states = []
    for at in range(0, rows, READ_AT_ONCE):
        states.append(reservoir.read(tokens[at : at + READ_AT_ONCE]).double())
        on_share(at / rows)
    ones = torch.ones(rows, 1, dtype=torch.float64)
    return torch.cat([torch.cat(states), ones], dim=1), targets[:, -1]


def _right(scores: Tensor, expected: Tensor) -> float:
    return float((scores.argmax(-1) == expected).float().mean())


def say_vanishing(
    alone: Mapping[str, Accuracies],
    short_first: Mapping[str, Accuracies],
    cut: Mapping[str, Accuracies],
    echo: Accuracies,
    left: Mapping[str, float],
    steps: int,
) -> str:
    """Two sentences on the accuracies of each cell by course, and of the echo state network, and
    on the share of a gradient that is left at LEFT_AT before training."""
    plain = max(farthest(alone[cell]) for cell in alone if cell.startswith("rnn"))
    gated = [cell for cell in alone if not cell.startswith("rnn")]
    ahead = [NAMES[cell] for cell in gated if farthest(alone[cell]) > plain]
    first = f"Trained for {steps} steps at one distance alone, "
    if ahead:
        first += f"{_listing(ahead)} carried a symbol farther than the networks without gates"
    else:
        first += "gates carried a symbol no farther in this run"
    reached = [f"{NAMES[cell]} {_far(alone[cell])}" for cell in alone]
    of = {"lstm": ", of its cell"}
    gradients = [f"{left[cell]:.0e} ({NAMES[cell]}{of.get(cell, '')})" for cell in left]
    first += (
        f" (at least {LEARNED:.0%} right: {', '.join(reached)}, {RESERVOIR} {_far(echo)}); before "
        f"anything is learned, what is left of a gradient {LEFT_AT} symbols back is "
        f"{', '.join(gradients)}"
    )
    far = {cell: farthest(short_first[cell]) for cell in short_first}
    far_cut = {cell: farthest(cut[cell]) for cell in cut}
    helped = [NAMES[cell] for cell in far if far[cell] > farthest(alone[cell])]
    second = (
        f"With short distances first {_listing(helped)} got farther"
        if helped
        else "With short distances first no network got farther"
    )
    # The first symbol, those in between and the cue: so many tokens must be gone through.
    over = [NAMES[cell] for cell in far_cut if far_cut[cell] + 2 > REACH]
    second += (
        f", and with the gradient cut after {REACH} symbols "
        + (f"{_listing(over)} still remembered beyond the cut" if over else "none got beyond it")
        + ", since "
        + (
            "the state goes on where the gradient does not"
            if over
            else "what is not learned within the cut is not carried over it"
        )
    )
    return f"{first}. {second}."


def _far(accuracies: Accuracies) -> str:
    return f"to {distance}" if (distance := farthest(accuracies)) else "none"


def _listing(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)


def farthest(accuracies: Sequence[float]) -> int:
    """The longest distance that is learned with all that are shorter; 0 is none."""
    reached = 0
    for distance, accuracy in zip(DISTANCES, accuracies, strict=True):
        if accuracy < LEARNED:
            break
        reached = distance
    return reached


# -- exploding --------------------------------------------------------------------------------

RADII = (0.9, 1.0, 1.1, 1.5, 2.0)
LONGEST = 100  # tokens that the gradient is followed back
# The recurrent weight that is trained. Where half of the ReLUs are off, half of the square of what
# goes back is lost at each step, so the border is not at 1 but near the square root of 2.
TOO_LARGE = 1.5
STARTS = 4  # first weights, each trained in all ways


@dataclass(frozen=True)
class Way:
    """How the weights move."""

    optimizer: str
    clip: float | None

    @property
    def name(self) -> str:
        return f"{self.optimizer}, {'no clipping' if self.clip is None else f'clip {self.clip:g}'}"


WAYS = (Way("SGD", None), Way("SGD", 1.0), Way("AdamW", None), Way("AdamW", 1.0))


@dataclass(frozen=True)
class Outcome:
    """What came of a way from all the first weights: the last loss, None if no number."""

    largest_norm: float | None
    losses: tuple[float | None, ...]

    @property
    def broken(self) -> int:
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


def exploding(
    seed: int, on_progress: OnProgress, *, steps: int = 300, longest: int = LONGEST
) -> Finding:
    """A recurrent weight above 1, with and without clipping (Pascanu et al. 2013)."""
    rng = np.random.default_rng(seed)
    text = word_text(rng, 6000)
    alphabet = CharVocab(text)
    tokens = alphabet.encode(text)
    starts = rng.integers(2**31, size=STARTS).tolist()  # a seed for the weights of each
    curves = {}
    for place, radius in enumerate(RADII):
        norms = []
        for start in range(STARTS):
            begin, part = place / 12, 1 / 12 / STARTS
            doing = f"gradient back through {radius:g}"
            on_share = part_of(on_progress, doing, begin + start * part, begin + (start + 1) * part)
            model = _rnn(len(alphabet), starts[start], radius)
            norms.append(gradient_norms(model, tokens.numpy(), longest, on_progress=on_share)[0])
        # Powers of ten differ, so it is their exponents that have a mean.
        curves[radius] = np.exp(np.log(np.maximum(norms, 1e-300)).mean(axis=0)).tolist()
    runs: dict[Way, list[Practice]] = {way: [] for way in WAYS}
    parts = len(WAYS) * STARTS
    for start in range(STARTS):
        for place, way in enumerate(WAYS):
            begin = 0.42 + 0.58 * (start * len(WAYS) + place) / parts
            on_share = part_of(on_progress, way.name, begin, begin + 0.58 / parts)
            runs[way].append(_train(tokens, len(alphabet), starts[start], way, steps, on_share))
    outcomes = {way: _outcome(practices, steps) for way, practices in runs.items()}
    columns = (
        "weights move by",
        "largest norm of a gradient, before clipping",
        f"loss at the end, nats per letter (median of {STARTS} runs)",
        f"runs of {STARTS} whose loss became no number",
    )
    rows = tuple(
        (way.name, outcome.largest_norm, outcome.median_loss, outcome.broken)
        for way, outcome in outcomes.items()
    )
    back = Chart(
        f"A gradient on its way back (geometric mean of {STARTS} first weights)",
        "distance back, letters",
        "norm of the gradient",
        [Line(f"recurrent weight {r:g}", range(longest + 1), curve) for r, curve in curves.items()],
        log_y=True,
    )
    steps_of = Chart(
        f"Gradients of the first run, recurrent weight {TOO_LARGE:g}",
        "step",
        "norm of the gradient before clipping",
        [Line(way.name, range(1, len(p[0].norms) + 1), p[0].norms) for way, p in runs.items()],
        log_y=True,
    )
    says = say_exploding(curves, outcomes)
    return Finding("exploding", columns, rows, (back, steps_of), says)


def _rnn(vocab_size: int, seed: int, radius: float) -> LanguageModel:
    model = make_network("rnn relu", vocab_size, seed=seed, hidden_size=48)
    scale_recurrent(model, radius)
    return model


def _train(
    tokens: Tensor, vocab_size: int, seed: int, way: Way, steps: int, on_share: OnShare
) -> Practice:
    model = _rnn(vocab_size, seed, TOO_LARGE)
    random = torch.Generator().manual_seed(seed)
    # Adam divides by the size of past gradients, so plain descent shows what a large one does.
    plain = torch.optim.SGD(model.parameters()) if way.optimizer == "SGD" else None
    return train_toy(
        model,
        lambda step: random_windows(tokens, random, 16, LONGEST),
        steps,
        learning_rate=0.1 if plain else 0.004,
        clip=math.inf if way.clip is None else way.clip,
        optimizer=plain,
        on_share=on_share,
    )


def _outcome(practices: Sequence[Practice], steps: int) -> Outcome:
    norms = [norm for practice in practices for norm in practice.norms if math.isfinite(norm)]
    last = max(1, steps // 10)
    losses = [None if p.broke else statistics.fmean(p.losses[-last:]) for p in practices]
    return Outcome(max(norms, default=None), tuple(losses))


def say_exploding(curves: Mapping[float, Sequence[float]], outcomes: Mapping[Way, Outcome]) -> str:
    """Two sentences on the gradient's norm by distance back for each recurrent weight, and on what
    came of each way to train."""
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
    free = [outcomes[way] for way in outcomes if way.clip is None]
    held = [outcomes[way] for way in outcomes if way.clip is not None]
    runs = sum(len(outcome.losses) for outcome in free)
    broken, broken_held = (sum(one.broken for one in side) for side in (free, held))
    losses = ", ".join(
        f"{way.name} {'no number' if o.median_loss is None else f'{o.median_loss:.2f}'}"
        for way, o in outcomes.items()
    )
    ends = f"{broken} of {runs} runs without clipping and {broken_held} of {runs} with it"
    better = [
        a.median_loss - b.median_loss
        for a, b in zip(free, held, strict=True)
        if a.median_loss is not None and b.median_loss is not None
    ]  # nats per letter that clipping gains where both ways came to an end
    gains, loses = max(better, default=0.0) > 0.1, min(better, default=0.0) < -0.1
    if broken == broken_held and not gains and not loses:
        second = f"Clipping made no difference here: the loss became no number in {ends}"
    elif broken >= broken_held and not loses:
        saved = "" if broken > broken_held else ", though it saved no run"
        second = f"Clipping helped{saved}: the loss became no number in {ends}"
    elif broken <= broken_held and not gains:
        second = f"Clipping did not help here: the loss became no number in {ends}"
    else:
        second = (
            f"Clipping helped in one way and not in another: the loss became no number in {ends}"
        )
    return f"{first}. {second}, and ended at (nats per letter, median) {losses}."


def growth_of(curve: Sequence[float]) -> float:
    """The mean factor from one distance to the next, the first tenth, where the loss is, left out;
    0 where nothing arrives."""
    begin = len(curve) // 10
    if not curve[begin] or not curve[-1]:
        return 0.0
    return float((curve[-1] / curve[begin]) ** (1 / (len(curve) - 1 - begin)))
