"""What is asked stands nowhere in the text, and cannot be copied from it."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from chargen.lab.strawberry import (
    COLOUR_OF,
    HELD_OUT,
    WORDINGS,
    Answer,
    colour_text,
    copy_baseline,
    prompt_of,
    split_pairs,
    summarize,
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_asked_stands_nowhere_in_the_text(seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs, asked = split_pairs(random)
    assert HELD_OUT in asked
    assert prompt_of(HELD_OUT) == "The color of a strawberry is"
    assert sorted(pairs + asked) == sorted(itertools.product(COLOUR_OF, range(len(WORDINGS))))
    assert set(Counter(thing for thing, _ in asked).values()) == {2}
    text = colour_text(random, pairs, 2)
    for pair in asked:
        assert prompt_of(pair) not in text
    for pair in pairs:
        assert text.count(f"{prompt_of(pair)} {COLOUR_OF[pair[0]]}.\n") >= 2


def test_strawberry_says_what_was_measured() -> None:
    right, wrong = (
        Answer(HELD_OUT, "red", 0.99),
        Answer(HELD_OUT, "blue", 0.1),
    )
    assert right.right
    assert not wrong.right
    shown = summarize(right, 84, 96, 1.0, 0.125, 0.1)
    assert 'goes on with " red"' in shown
    assert "It has learned things apart from wordings: 84 of 96" in shown
    assert "longest match in the text 10%" in shown
    part = summarize(wrong, 40, 96, 1.0, 0.125, 0.1)
    assert "which is wrong" in part
    assert "in part" in part
    assert "has not learned" in summarize(wrong, 14, 96, 1.0, 0.125, 0.1)
    # As good as a copier is no more than a copier.
    assert "has not learned" in summarize(wrong, 40, 96, 1.0, 0.125, 0.4)


def test_a_copier_goes_on_after_the_longest_match() -> None:
    text = "A frog looks green.\nEvery toad I saw was brown.\n"
    assert copy_baseline(text, "A frog looks") == "green"
    assert copy_baseline(text, "Every frog I saw was") == "brown"
    assert copy_baseline(text, "My frog") == "looks green"
    assert copy_baseline(text, "zzz") == ""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_colour_can_be_copied(seed: int) -> None:
    """What is left out is answered by no longest match more often than by chance, about 1 of 8."""
    rng = np.random.default_rng(seed)
    pairs, asked = split_pairs(rng)
    text = colour_text(rng, pairs, 3)
    answers = [copy_baseline(text, prompt_of(pair)) for pair in asked]
    right = sum(
        answer == COLOUR_OF[thing] for answer, (thing, _) in zip(answers, asked, strict=True)
    )
    assert right < 25  # of 96
