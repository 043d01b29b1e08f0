"""Made-up texts are what they say, and so are their statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chargen.lab import toy_texts


def test_the_entropy_after_one_letter() -> None:
    assert toy_texts.entropy_after_one("abababab") == 0
    # After a: b, b, c of three; after b: a, a; after c: nothing follows but a. "ababaca".
    expected = (3 / 6) * -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert toy_texts.entropy_after_one("ababaca") == pytest.approx(expected)
    assert toy_texts.commonest_after("ababaca") == {"a": "b", "b": "a", "c": "a"}


def test_a_story_is_its_sentences() -> None:
    told = toy_texts.story(np.random.default_rng(1), 50)
    ends = [*told.starts[1:], len(told.text)]
    assert told.kinds.count("subject") == 50
    for start, end, kind in zip(told.starts, ends, told.kinds, strict=True):
        sentence = told.text[start:end]
        assert sentence.endswith(". ")
        assert sentence.count(".") == 1
        assert (sentence.split()[0] in ("She", "He")) == (kind == "pronoun")
