"""Which is the eighth letter after seven, the sixth after five? NAMASKA-R, GRANN-Y.

Letters: T tokens.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import numpy as np

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Finding
from chargen.lab.next_letter import most_likely, next_probabilities, visible
from chargen.lab.toy_texts import next_letters, word_text
from chargen.lab.toy_training import (
    CharVocab,
    make_network,
    train_memoryless,
    train_on_text,
)
from chargen.progress import OnProgress, part_of

TARGETS = ("NAMASKAR", "GRANNY")
# Beginnings that end as those of the two words do, and what would come if they were those words.
LOOKALIKES = {"KA": "R", "ALASKA": "R", "RAN": "N", "TYRANN": "Y"}


def run(seed: int, on_progress: OnProgress, *, steps: int = 700) -> Finding:
    """The eighth letter after seven: NAMASKA goes on with R, GRANN with Y."""
    rng = np.random.default_rng(seed)
    text = word_text(rng, 8000)
    vocab = CharVocab(text)
    tokens = vocab.encode(text)
    model = make_network("lstm", len(vocab), seed=seed, hidden_size=64)
    train_on_text(model, tokens, seed, steps, part_of(on_progress, "with memory", 0, 0.7))
    alone = make_network("lstm", len(vocab), seed=seed, hidden_size=64)
    train_memoryless(alone, tokens, seed, steps // 2, part_of(on_progress, "memoryless", 0.7, 1))
    to_come = {word[:at]: word[at] for word in TARGETS for at in range(1, len(word))}
    rows, probabilities, best = [], {}, {}
    for beginning, expected in (to_come | LOOKALIKES).items():
        memory = next_probabilities(model, vocab, f" {beginning}")
        without = next_probabilities(alone, vocab, beginning, memory=False)
        counts = next_letters(beginning)
        best[beginning] = counts[expected] / counts.total()
        probabilities[beginning] = (memory[expected], without[expected])
        says = (visible(most_likely(memory)[0]), visible(most_likely(without)[0]))
        rows.append((beginning, expected, best[beginning], *probabilities[beginning], *says))
    columns = (
        "beginning",
        "letter asked about",
        "its share of the words",
        "its chance with memory",
        "its chance, memoryless",
        "with memory says",
        "memoryless says",
    )
    charts = tuple(
        Chart(
            f"{word}: what comes next, from letter to letter",
            "letters read",
            "probability of the right letter",
            [
                Line("with memory", range(1, len(word)), [probabilities[b][0] for b in begins]),
                Line("memoryless", range(1, len(word)), [probabilities[b][1] for b in begins]),
                Line("share of the words", range(1, len(word)), [best[b] for b in begins]),
            ],
        )
        for word in TARGETS
        for begins in [[word[:length] for length in range(1, len(word))]]
    )
    last = {word: probabilities[word[:-1]] for word in TARGETS}
    off = statistics.fmean(abs(probabilities[b][0] - best[b]) for b in probabilities)
    return Finding("namaskar", columns, tuple(rows), charts, summarize(last, off))


def summarize(last: Mapping[str, tuple[float, float]], off: float) -> str:
    """Two sentences on the probability of the last letter of each word, with and without memory,
    and on how far the network is from the shares of the words, on average."""
    ends = " and ".join(f"{w[:-1]} with {w[-1]} at {last[w][0]:.1%}" for w in last)
    alone = " and ".join(f"{last[w][1]:.1%}" for w in last)
    if all(with_memory > 0.5 for with_memory, _ in last.values()):
        first = f"With memory the network continues after {ends}"
    else:
        first = f"Even with memory the network is not sure of a last letter: after {ends}"
    first += f", while one that sees the last letter alone gives them {alone}"
    if off < 0.05:
        second = "From letter to letter it says how many words are still possible"
    else:
        second = "From letter to letter it is not yet as sure as the words would let it be"
    return f"{first}. {second}: its probabilities are {off:.3f} off their shares on average."
