"""After how many others is a first symbol still remembered, and how far back does a gradient go?

Shapes: B rows, T tokens, V vocabulary, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from chargen.insight.charts import Chart, Line
from chargen.insight.memory import gradient_norms
from chargen.lab.echo_state import Reservoir, solve_ridge
from chargen.lab.finding import Cell, Finding
from chargen.lab.toy_training import (
    IGNORE_INDEX,
    Batch,
    make_network,
    train_toy,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, OnShare, no_progress, part_of, share_of
from chargen.reprs import counted

SYMBOLS = 4  # to remember one of; as many others are in between
CHANCE = 1 / SYMBOLS
CUE = 2 * SYMBOLS
DISTANCES = (10, 30, 100, 300)  # symbols in between
CELLS = ("rnn", "rnn relu", "lstm", "gru")
NAMES = {"rnn": "rnn tanh", "rnn relu": "rnn ReLU", "lstm": "lstm", "gru": "gru"}
ECHO_STATE = "echo state network"
GRADIENT_DISTANCE = 100  # symbols back; where it is reported how much of a gradient is left
BPTT = 10  # tokens that a truncated gradient goes back
TEST_SEQUENCES = 512  # sequences after training, at each distance
MIN_ACCURACY = (1 + CHANCE) / 2  # learned: right in half of what guessing leaves
ROWS = 32
LEARNING_RATE = 0.004
READ_AT_ONCE = 256  # sequences that the reservoir reads side by side
RIDGES = (1e-8, 1e-6, 1e-4, 1e-2)

Accuracies = tuple[float, ...]  # a share for each of the distances


@dataclass(frozen=True)
class Curriculum:
    """A way to train: at one distance alone, or at random ones up to 10, then 30, 100, 300."""

    name: str
    short_first: bool
    bptt: int | None = None


CURRICULA = (
    Curriculum("each distance alone", short_first=False),
    Curriculum("short ones first", short_first=True),
    Curriculum(f"short ones first, cut after {BPTT}", short_first=True, bptt=BPTT),
)


def recall_batch(random: torch.Generator, distance: int, rows: int) -> Batch:
    """One symbol, `distance` of another alphabet, a cue; what is asked, after the cue alone, is
    the first. (B, distance + 2) each (Hochreiter and Schmidhuber 1997)."""
    first = torch.randint(SYMBOLS, (rows, 1), generator=random)
    others = torch.randint(SYMBOLS, 2 * SYMBOLS, (rows, distance), generator=random)
    tokens = torch.cat([first, others, torch.full((rows, 1), CUE)], dim=1)
    targets = torch.full_like(tokens, IGNORE_INDEX)
    targets[:, -1] = first[:, 0]
    return tokens, targets


def run(
    seed: int,
    on_progress: OnProgress,
    *,
    steps: int = 400,
    reservoir_size: int = 300,
    back: int = DISTANCES[-1],
) -> Finding:
    """Remember the first symbol after 10, 30, 100, 300 others (Hochreiter 1991; Bengio et al.
    1994). `steps` of 32 sequences each, of every curriculum and, in the first, of every
    distance."""
    found: dict[tuple[str, str], Accuracies] = {}
    # About what each takes, beside the others, to say how far the work is.
    costs = {curriculum: 1.0 if curriculum.short_first else 8.0 for curriculum in CURRICULA}
    whole = len(CELLS) * sum(costs.values()) + 5
    done = 0.0
    for cell in CELLS:
        for curriculum in CURRICULA:
            end = done + costs[curriculum]
            on_share = part_of(
                on_progress, f"{NAMES[cell]}, {curriculum.name}", done / whole, end / whole
            )
            found[cell, curriculum.name] = _train_and_test(cell, curriculum, seed, steps, on_share)
            done = end
    on_share = part_of(on_progress, ECHO_STATE, done / whole, (done + 2) / whole)
    echo = _train_and_test_reservoir(seed, reservoir_size, on_share)
    done += 2
    curves = {}
    for place, cell in enumerate(CELLS):
        begin = done + (whole - done) * place / len(CELLS)
        end = done + (whole - done) * (place + 1) / len(CELLS)
        on_share = part_of(on_progress, f"{NAMES[cell]}, gradient", begin / whole, end / whole)
        curves[cell] = _gradient_back(cell, seed, back, on_share)
    rows: list[tuple[Cell, ...]] = [
        (NAMES[cell], curriculum.name, *found[cell, curriculum.name], CHANCE)
        for curriculum in CURRICULA
        for cell in CELLS
    ]
    rows.append((ECHO_STATE, CURRICULA[0].name, *echo, CHANCE))
    chance = Line("chance", DISTANCES, [CHANCE] * len(DISTANCES))
    charts = [
        Chart(
            f"Trained at distances: {curriculum.name}",
            "distance to the first symbol, symbols",
            "answered rightly, share",
            [
                *(Line(NAMES[cell], DISTANCES, found[cell, curriculum.name]) for cell in CELLS),
                *([] if curriculum.short_first else [Line(ECHO_STATE, DISTANCES, echo)]),
                chance,
            ],
            log_x=True,
        )
        for curriculum in CURRICULA
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
    alone, short, cut = (
        {cell: found[cell, curriculum.name] for cell in CELLS} for curriculum in CURRICULA
    )
    left = {cell: curve[GRADIENT_DISTANCE] / curve[0] for cell, curve in curves.items()}
    says = summarize(alone, short, cut, echo, left, steps)
    return Finding("vanishing", columns, tuple(rows), tuple(charts), says)


def _train_and_test(
    cell: str, curriculum: Curriculum, seed: int, steps: int, on_share: OnShare
) -> Accuracies:
    """Train a network, or one for each distance; its accuracies."""
    if curriculum.short_first:
        model = _train(cell, curriculum, seed, steps, partial(_short_first, steps), on_share)
        return tuple(_accuracy(model, distance, seed) for distance in DISTANCES)
    accuracies = []
    for distance, on_distance in zip(DISTANCES, _by_length(on_share), strict=True):
        alone = partial(_alone, distance)
        model = _train(cell, curriculum, seed, steps, alone, on_distance)
        accuracies.append(_accuracy(model, distance, seed))
    return tuple(accuracies)


def _short_first(steps: int, step: int) -> tuple[int, int]:
    return 1, DISTANCES[step * len(DISTANCES) // steps]


def _alone(distance: int, step: int) -> tuple[int, int]:
    return distance, distance


def _train(
    cell: str,
    curriculum: Curriculum,
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

    model = _network(cell, seed)
    train_toy(
        model, batch, steps, learning_rate=LEARNING_RATE, bptt=curriculum.bptt, on_share=on_share
    )
    return model


def _network(cell: str, seed: int) -> LanguageModel:
    return make_network(cell, CUE + 1, seed=seed, hidden_size=32)


def _by_length(on_share: OnShare) -> list[OnShare]:
    """The progress of each distance: its part of the work is as long as it is."""
    ends = [sum(DISTANCES[:place]) / sum(DISTANCES) for place in range(len(DISTANCES) + 1)]
    return [share_of(on_share, begin, end) for begin, end in pairwise(ends)]


@torch.inference_mode()
def _accuracy(model: LanguageModel, distance: int, seed: int) -> float:
    """The share of fresh sequences at exactly this distance that are answered rightly."""
    tokens, targets = recall_batch(_test_generator(seed), distance, TEST_SEQUENCES)
    x, _ = model.read(tokens, model.initial_state(TEST_SEQUENCES))
    logits = model.output_logits(x[:, -1:])[:, 0]  # (B, V)
    return float((logits.argmax(-1) == targets[:, -1]).float().mean())


def _gradient_back(cell: str, seed: int, back: int, on_share: OnShare) -> list[float]:
    """The norm of a loss's gradient by the distance back, from 0 on, as the first weights have it:
    of the cell of an LSTM, of the output of others."""
    tokens, _ = recall_batch(torch.Generator().manual_seed(seed), 4 * back + 500, 1)
    h, c = gradient_norms(_network(cell, seed), tokens[0].numpy(), back, on_progress=on_share)
    norms: list[float] = (h if c is None else c).tolist()
    return norms


def _test_generator(seed: int) -> torch.Generator:
    """Random numbers that are not those of the training."""
    # Only the lowest 32 bits of a seed count in torch, so another seed is derived.
    return torch.Generator().manual_seed(int(np.random.default_rng([seed, 1]).integers(2**32)))


def _train_and_test_reservoir(seed: int, hidden_size: int, on_share: OnShare) -> Accuracies:
    """The output layer is linear and W turns the state at every step, so each distance has its own;
    a fifth of the training sequences chooses how strongly it is held small."""
    random = torch.Generator().manual_seed(seed)
    reservoir = Reservoir(CUE + 1, hidden_size, random=random)
    count = 6 * hidden_size
    held = count // 5
    accuracies = []
    for distance, on_distance in zip(DISTANCES, _by_length(on_share), strict=True):
        states, firsts = _reservoir_states(reservoir, random, distance, count, on_distance)
        wanted = torch.nn.functional.one_hot(firsts, SYMBOLS)
        scores = []
        for ridge in RIDGES:
            weight = solve_ridge(states[held:], wanted[held:], ridge)
            scores.append(_share_right(states[:held] @ weight, firsts[:held]))
        ridge = RIDGES[int(np.argmax(scores))]
        weight = solve_ridge(states, wanted, ridge)
        states, firsts = _reservoir_states(
            reservoir, _test_generator(seed), distance, TEST_SEQUENCES, no_progress
        )
        accuracies.append(_share_right(states @ weight, firsts))
    on_share(1.0)
    return tuple(accuracies)


def _reservoir_states(
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


def _share_right(scores: Tensor, expected: Tensor) -> float:
    return float((scores.argmax(-1) == expected).float().mean())


def summarize(
    alone: Mapping[str, Accuracies],
    short_first: Mapping[str, Accuracies],
    cut: Mapping[str, Accuracies],
    echo: Accuracies,
    left: Mapping[str, float],
    steps: int,
) -> str:
    """Two sentences on the accuracies of each cell by curriculum, and of the echo state network,
    and on the share of a gradient that is left at GRADIENT_DISTANCE before training."""
    plain = max(farthest(alone[cell]) for cell in alone if cell.startswith("rnn"))
    gated = [cell for cell in alone if not cell.startswith("rnn")]
    ahead = [NAMES[cell] for cell in gated if farthest(alone[cell]) > plain]
    first = f"Trained for {counted(steps, 'step')} at one distance alone, "
    if ahead:
        first += f"{_joined(ahead)} carried a symbol farther than the networks without gates"
    else:
        first += "gates carried a symbol no farther in this run"
    reached = [f"{NAMES[cell]} {_far(alone[cell])}" for cell in alone]
    of = {"lstm": ", of its cell"}
    gradients = [f"{left[cell]:.0e} ({NAMES[cell]}{of.get(cell, '')})" for cell in left]
    first += (
        f" (at least {MIN_ACCURACY:.0%} right: {', '.join(reached)}, {ECHO_STATE} {_far(echo)}); "
        "before anything is learned, what is left of a gradient "
        f"{GRADIENT_DISTANCE} symbols back is {', '.join(gradients)}"
    )
    far = {cell: farthest(short_first[cell]) for cell in short_first}
    far_cut = {cell: farthest(cut[cell]) for cell in cut}
    helped = [NAMES[cell] for cell in far if far[cell] > farthest(alone[cell])]
    second = (
        f"With short distances first {_joined(helped)} got farther"
        if helped
        else "With short distances first no network got farther"
    )
    # The first symbol, those in between and the cue: so many tokens must be gone through.
    over = [NAMES[cell] for cell in far_cut if far_cut[cell] + 2 > BPTT]
    second += (
        f", and with the gradient cut after {BPTT} symbols "
        + (f"{_joined(over)} still remembered beyond the cut" if over else "none got beyond it")
        + ", since "
        + (
            "the state reaches further than the gradient"
            if over
            else "what is not learned within the cut is not carried over it"
        )
    )
    return f"{first}. {second}."


def _far(accuracies: Accuracies) -> str:
    return f"to {distance}" if (distance := farthest(accuracies)) else "none"


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)


def farthest(accuracies: Sequence[float]) -> int:
    """The longest distance that is learned with all that are shorter; 0 is none."""
    reached = 0
    for distance, accuracy in zip(DISTANCES, accuracies, strict=True):
        if accuracy < MIN_ACCURACY:
            break
        reached = distance
    return reached
