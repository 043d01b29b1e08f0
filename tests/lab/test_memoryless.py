"""A network without memory can say no more than counts of pairs of letters."""

from __future__ import annotations

import numpy as np

from chargen.lab import memoryless, toy_texts
from chargen.lab.next_letter import next_probabilities
from chargen.lab.toy_training import (
    CharVocab,
    make_network,
    train_memoryless,
)
from chargen.progress import no_progress


def test_no_memoryless_network_is_below_the_entropy_after_one_letter() -> None:
    text = toy_texts.story(np.random.default_rng(1), 20).text
    vocab = CharVocab(text)
    model = make_network("gru", len(vocab), seed=1, hidden_size=32)
    tokens = vocab.encode(text)
    train_memoryless(model, tokens, 1, 60, no_progress)
    bits = memoryless.bits_per_letter(model, tokens, memory=False)
    floor = toy_texts.entropy_after_one(text)
    assert floor < bits < floor + 0.5
    first, second = (
        next_probabilities(model, vocab, beginning, memory=False)
        for beginning in ("Tom goes", "She fills")
    )
    assert first == second


def test_endings_that_are_alike_stand_in_stories() -> None:
    text = toy_texts.story(np.random.default_rng(1), 4000).text
    alike = memoryless.ENDING_ALIKE
    for one, other in zip(alike[::2], alike[1::2], strict=True):
        assert one[-1] == other[-1]
        assert one in text
        assert other in text


def test_memoryless_says_what_was_measured() -> None:
    shown = memoryless.summarize(20, 20, 2.51, 1.2, 2.5)
    assert "all 20 letters" in shown
    assert "comes to the floor" in shown
    assert "goes below" in shown
    absent = memoryless.summarize(18, 20, 2.9, 2.8, 2.5)
    assert "18 of 20" in absent
    assert "has not come to the floor" in absent
    assert "stays" in absent
