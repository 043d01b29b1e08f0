"""Texts without a prompt begin as the texts of the training do."""

from __future__ import annotations

import random
from pathlib import Path

import chargen

NUM_SAMPLES = 200


def test_a_model_of_names_writes_no_tails_of_names(tmp_path: Path) -> None:
    """Though its streams forget very often, and its text is one document."""
    draw = random.Random(1)
    vowels, consonants = "aeiou", "bdklmnrst"
    names = [
        draw.choice(consonants).upper()
        + "".join(draw.choice(vowels) + draw.choice(consonants) for _ in range(3))
        for _ in range(400)
    ]
    text = tmp_path / "names.txt"
    text.write_text("\n".join(names) + "\n", encoding="utf-8")
    report = chargen.train(
        text,
        out=tmp_path / "names",
        steps=250,
        hidden_size=32,
        embedding_size=16,
        batch_size=8,
        bptt=16,
        reset=0.3,
        learning_rate=0.01,
        valid_fraction=0.0,
        test_fraction=0.0,
    )
    samples = chargen.load(report).generate(num_samples=NUM_SAMPLES, seed=1, max_tokens=7)
    assert sum(sample.text[:1].isupper() for sample in samples) > 0.9 * NUM_SAMPLES
