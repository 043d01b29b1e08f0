"""Does a string of 0s and 1s hold two 1s in a row? Learned on short strings, tested on long ones.

Shapes: B rows, T tokens, N strings, L digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Cell, Finding
from chargen.lab.toy_training import (
    IGNORE_INDEX,
    LEARNING_RATE,
    ROWS,
    Batch,
    CharVocab,
    make_network,
    train_toy,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, OnShare, part_of

MAX_TRAIN_LENGTH = 20  # digits, the longest string that is trained on
TEST_LENGTHS = (MAX_TRAIN_LENGTH, 50, 100, 10 * MAX_TRAIN_LENGTH)
VOCAB = CharVocab("01=yn")
TEST_STRINGS = 1000  # strings of each length
CELLS = ("rnn", "lstm", "gru")


def string_batch(random: np.random.Generator, rows: int, length: int) -> Batch:
    """Lines such as `0100101=n`, without their answer, which is asked after the `=`."""
    bits, holds = strings(random, rows, length)
    tokens = torch.from_numpy(np.concatenate([bits, np.zeros((rows, 1), np.int64)], axis=1))
    zero, one, equals, no, yes = VOCAB.encode("01=ny").tolist()
    tokens = torch.where(tokens == 1, one, zero)
    tokens[:, -1] = equals
    targets = torch.full_like(tokens, IGNORE_INDEX)
    targets[:, -1] = torch.where(torch.from_numpy(holds), yes, no)
    return tokens, targets


def run(
    seed: int, on_progress: OnProgress, *, steps: int = 1500, fresh: int = TEST_STRINGS
) -> Finding:
    """Does a string of 0s and 1s hold two 1s in a row? Trained on strings of 2 to 20, asked on
    strings up to ten times as long."""
    right: dict[str, list[tuple[float, float]]] = {}
    for place, cell in enumerate(CELLS):
        model = make_network(cell, len(VOCAB), seed=seed, hidden_size=32)
        on_share = part_of(on_progress, cell, place / len(CELLS), (place + 1) / len(CELLS))
        _train(model, np.random.default_rng(seed), steps, on_share)
        test_random = np.random.default_rng([seed, 1])
        right[cell] = [_accuracies(model, test_random, fresh, length) for length in TEST_LENGTHS]
    test_random = np.random.default_rng([seed, 1])
    counting = [counting_baseline(test_random, fresh, length) for length in TEST_LENGTHS]
    columns = (
        "network",
        *(f"right at {length} digits, share" for length in TEST_LENGTHS),
        f"right at {TEST_LENGTHS[-1]}, no two 1s",
        f"right at {TEST_LENGTHS[-1]}, two 1s",
    )
    accuracy = {cell: tuple(sum(pair) / 2 for pair in right[cell]) for cell in CELLS}
    rows: list[tuple[Cell, ...]] = [(cell, *accuracy[cell], *right[cell][-1]) for cell in CELLS]
    rows.append(("the number of 1s", *counting, None, None))
    rows.append(("chance", *[0.5] * (len(TEST_LENGTHS) + 2)))
    chart = Chart(
        f"Two 1s in a row: trained on up to {MAX_TRAIN_LENGTH} digits",
        "length, digits",
        "answered rightly, share",
        [
            *(Line(cell, TEST_LENGTHS, accuracy[cell]) for cell in CELLS),
            Line("the number of 1s", TEST_LENGTHS, counting),
            Line("chance", TEST_LENGTHS, [0.5] * len(TEST_LENGTHS)),
        ],
    )
    says = summarize(accuracy, counting)
    return Finding("two-ones", columns, tuple(rows), (chart,), says)


def _train(
    model: LanguageModel, random: np.random.Generator, steps: int, on_share: OnShare
) -> None:
    def batch(step: int) -> Batch:
        return string_batch(random, ROWS, int(random.integers(2, MAX_TRAIN_LENGTH + 1)))

    train_toy(model, batch, steps, learning_rate=LEARNING_RATE, on_share=on_share)


@torch.inference_mode()
def _accuracies(
    model: LanguageModel, random: np.random.Generator, count: int, length: int
) -> tuple[float, float]:
    """The shares that are answered rightly of strings without and with two 1s in a row."""
    tokens, targets = string_batch(random, count, length)
    x, _ = model.read(tokens, model.initial_state(count))
    says = model.output_logits(x[:, -1:])[:, 0].argmax(-1)
    no, yes = ((says == targets[:, -1])[targets[:, -1] == VOCAB.encode(a)] for a in "ny")
    return float(no.float().mean()), float(yes.float().mean())


def counting_baseline(random: np.random.Generator, count: int, length: int) -> float:
    """How often the number of 1s alone would tell: the share that is right of fresh strings, the
    threshold between the two answers chosen on others of the same length."""
    sides = []
    for _ in range(2):
        bits, holds = strings(random, count, length)
        sides.append((bits.sum(axis=1), holds))
    (ones, holds), (fresh_ones, fresh_holds) = sides
    thresholds = range(length + 1)
    threshold = max(thresholds, key=lambda threshold: int(((ones > threshold) == holds).sum()))
    return float(((fresh_ones > threshold) == fresh_holds).mean())


def summarize(accuracy: Mapping[str, Sequence[float]], counting: Sequence[float]) -> str:
    """Two sentences on the share that is right at each of the lengths."""
    short = ", ".join(f"{cell} {accuracy[cell][0]:.1%}" for cell in accuracy)
    long = ", ".join(f"{cell} {accuracy[cell][-1]:.1%}" for cell in accuracy)
    learned = [cell for cell in accuracy if accuracy[cell][0] >= 0.95]
    kept = [cell for cell in learned if accuracy[cell][-1] >= 0.95]
    if not learned:
        first = f"None learned the rule on strings of {MAX_TRAIN_LENGTH} digits ({short}"
    elif len(learned) == len(accuracy):
        first = f"All learned the rule on strings of {MAX_TRAIN_LENGTH} digits ({short}"
    else:
        first = f"Only {' and '.join(learned)} learned the rule on strings of "
        first += f"{MAX_TRAIN_LENGTH} ({short}"
    first += f"; the number of 1s alone would give {counting[0]:.1%})"
    if not kept:
        second = "On strings ten times as long none kept to it"
    elif kept == list(accuracy):
        second = "On strings ten times as long, which none had seen, all still keep to it"
    else:
        second = f"On strings ten times as long {' and '.join(kept)} alone still kept to it"
    return f"{first}. {second}: {long}, where the number of 1s would give {counting[-1]:.1%}."


def strings(
    random: np.random.Generator, count: int, length: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(N, L) 0s and 1s and, (N,), whether two 1s stand in a row: in exactly half of them.

    Those without are drawn evenly from all there are. The others are made from such a string by
    two 1s at a random place, with a 0 on each side, so that they hold exactly one pair of
    neighbouring 1s: in a long string that is drawn evenly they are never missing.
    """
    bits = np.zeros((count, length + 2), dtype=np.int64)  # a 0 on each side
    # strings_without[n]: how many of length n hold no two 1s in a row, a Fibonacci number.
    strings_without = [1, 2]
    while len(strings_without) <= length:
        strings_without.append(strings_without[-1] + strings_without[-2])
    for at in range(1, length + 1):
        left = length - at + 1
        chance = strings_without[max(0, left - 2)] / strings_without[left]
        bits[:, at] = (random.random(count) < chance) & (bits[:, at - 1] == 0)
    holds = np.zeros(count, dtype=np.bool_)
    holds[random.permutation(count)[: count // 2]] = True
    rows = np.flatnonzero(holds)
    first = random.integers(1, length, size=len(rows))  # the place of the first of the two
    for offset, bit in enumerate((0, 1, 1, 0), start=-1):
        bits[rows, first + offset] = bit
    return bits[:, 1:-1], holds
