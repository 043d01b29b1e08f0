"""What can a network say that sees one letter at a time? No more than counts of pairs say.

Shapes: B rows, T tokens, V vocabulary, H hidden.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Cell, Finding
from chargen.lab.next_letter import most_likely, next_probabilities, visible
from chargen.lab.toy_texts import commonest_after, entropy_after_one, story
from chargen.lab.toy_training import (
    CharVocab,
    make_network,
    train_memoryless,
    train_on_text,
)
from chargen.nn.model import LanguageModel
from chargen.progress import OnProgress, part_of
from chargen.scoring.units import NATS_PER_BIT

# Two and two end in the same letter, though other letters follow.
ENDING_ALIKE = (
    "Mary was working in the g",
    "Mary g",
    "Paul goes to the c",
    "Paul was working in the c",
    "Tom goes to the bathroom to take a b",
    "Judith was working in the kitchen. She b",
    "Anna was w",
    "Anna goes to the bathroom to take a bath. She w",
)


def run(seed: int, on_progress: OnProgress, *, steps: int = 1000, subjects: int = 2500) -> Finding:
    """A network that sees one letter at a time, beside the same with memory, on one text."""
    rng = np.random.default_rng(seed)
    text, fresh = story(rng, subjects).text, story(rng, subjects // 2).text
    vocab = CharVocab("".join([text, fresh, *ENDING_ALIKE]))
    tokens, unread = vocab.encode(text), vocab.encode(fresh)
    models, curves = {}, {}
    for place, name in enumerate(("memoryless", "with memory")):
        on_share = part_of(on_progress, name, place / 2, place / 2 + 0.5)
        models[name] = make_network("lstm", len(vocab), seed=seed, hidden_size=64)
        train = train_on_text if place else train_memoryless
        curves[name] = train(models[name], tokens, seed, steps, on_share)
    bits = {
        name: bits_per_letter(models[name], unread, memory=name != "memoryless") for name in models
    }
    floor = entropy_after_one(fresh)
    commonest = commonest_after(text)
    rows: list[tuple[Cell, ...]] = []
    for beginning in ENDING_ALIKE:
        said = [
            most_likely(next_probabilities(model, vocab, beginning, memory=name != "memoryless"))
            for name, model in models.items()
        ]
        rows.append(
            (
                beginning,
                visible(commonest[beginning[-1]]),
                *(cell for letter, chance in said for cell in (visible(letter), chance)),
            )
        )
    columns = (
        "text so far",
        "commonest after its last letter",
        "memoryless says",
        "its chance",
        "with memory says",
        "this one's chance",
    )
    chart = Chart(
        "Learning with and without memory",
        "step",
        "loss, bits per letter",
        [
            *(
                Line(name, range(1, steps + 1), curve.smoothed_bits())
                for name, curve in curves.items()
            ),
            Line("entropy given one letter", [1, steps], [floor, floor]),
        ],
    )
    every = [
        most_likely(next_probabilities(models["memoryless"], vocab, letter))[0] == commonest[letter]
        for letter in commonest
    ]
    says = summarize(sum(every), len(every), bits["memoryless"], bits["with memory"], floor)
    return Finding("memoryless", columns, tuple(rows), (chart,), says)


def summarize(agree: int, letters: int, alone: float, memory: float, floor: float) -> str:
    """Two sentences: after how many of the letters it says the commonest, bits per letter of both
    networks on fresh text, and the entropy given one letter of that text."""
    always = (
        f"The memoryless network says the commonest letter after all {letters} letters"
        if agree == letters
        else f"The memoryless network says the commonest letter after {agree} of {letters} letters"
    )
    near = (
        f"comes to the floor, {alone:.2f} bits per letter of fresh text where counts allow "
        f"{floor:.2f}"
        if alone - floor < 0.05
        else f"has not come to the floor yet, {alone:.2f} bits per letter of fresh text where "
        f"counts allow {floor:.2f}"
    )
    below = (
        f"With memory it goes below what one letter can tell, to {memory:.2f} bits"
        if memory < floor
        else f"With memory it stays, at {memory:.2f} bits, above what one letter could tell: it "
        "has learned no use of its memory here"
    )
    return f"{always}, whatever stood before, and {near}. {below}."


@torch.inference_mode()
def bits_per_letter(model: LanguageModel, tokens: Tensor, *, memory: bool) -> float:
    """The mean loss, in bits, of each token of a text (N,) but the first; without memory each is
    foreseen from the one before alone."""
    rows = tokens[:-1].view(1, -1) if memory else tokens[:-1].view(-1, 1)
    x, _ = model.read(rows, model.initial_state(len(rows)))
    logits = model.output_logits(x).view(-1, model.vocab_size)
    return float(F.cross_entropy(logits, tokens[1:])) / NATS_PER_BIT
