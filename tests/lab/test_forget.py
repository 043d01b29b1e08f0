"""Gates and cells are read at the places that they are named for."""

from __future__ import annotations

import math

import pytest
import torch

from chargen.lab import forget
from chargen.lab.forget import Mean
from chargen.lab.toy_texts import Story
from chargen.lab.toy_training import (
    make_network,
)
from tests.support.sentences import sentences


def test_means_are_of_the_places_that_they_name() -> None:
    text = "Tom was here. He sat. Ben ate. "
    story = Story(text, (0, 14, 22), ("subject", "pronoun", "subject"))
    gates = torch.zeros(len(text), 2)
    gates[text.index(". He")] = 0.25
    gates[text.index(". Ben")] = 0.5
    gates[22:25] = torch.tensor([[0.1, 0.3], [0.4, 0.4], [0.6, 0.6]])
    means = forget.means_by_place(story, gates)
    assert means["full stop before the same subject"] == [0.25]
    assert means["full stop before a new subject"] == [0.5]
    assert means["first three letters of a new subject"] == pytest.approx([0.4])
    assert means["first three letters of the same subject"] == [0.0]
    assert len(means["inside words"]) == 3


def test_what_is_kept_is_the_product_of_the_gates() -> None:
    text = "Tom was here and there. He sat and sat on. "
    story = Story(text, (0, 24), ("subject", "pronoun"))
    gates = torch.full((len(text), 2), 0.5)
    gates[:, 1] = 1.0
    cells = torch.ones(len(text), 2)
    cells[:, 1] = -3.0  # what the second unit holds weighs three times as much
    kept = forget.kept_after(story, gates, cells)
    expected = [(0.5**n + 3) / 4 for n in range(1, forget.FOLLOWED + 1)]
    assert kept["on with the same subject"] == [pytest.approx(expected)]
    assert kept["into a new subject"] == []
    assert len(kept["inside a sentence"]) == 2


def test_gates_read_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_network("lstm", 9, seed=1, hidden_size=6)
    tokens = torch.randint(9, (50,), generator=torch.Generator().manual_seed(1))
    whole = forget.read_gates(model, tokens)
    monkeypatch.setattr(forget, "READ_AT_ONCE", 7)
    for one, other in zip(whole, forget.read_gates(model, tokens), strict=True):
        assert one.shape == (50, 6)
        assert torch.allclose(one, other, atol=1e-6)


def test_a_mean_has_its_standard_error() -> None:
    assert Mean.of([1.0, 2.0, 3.0]) == Mean(2.0, 1 / math.sqrt(3), 3)


def test_forget_says_what_was_measured() -> None:
    def gates(stop: float, name: float) -> dict[str, Mean]:
        return {
            "inside words": Mean(0.7, 0.01, 9),
            "full stop before a new subject": Mean(stop, 0.01, 9),
            "full stop before the same subject": Mean(stop, 0.01, 9),
            "first three letters of a new subject": Mean(name, 0.01, 9),
        }

    def kept(change: float) -> dict[str, Mean]:
        return {
            "into a new subject": Mean(change, 0.01, 9),
            "on with the same subject": Mean(0.5, 0.01, 9),
            "inside a sentence": Mean(0.6, 0.01, 9),
        }

    one = [0.9, 0.8, 0.7, 0.6, 0.4]
    shown = forget.summarize(gates(0.4, 0.6), kept(0.3), one)
    assert "closes in part" in shown
    assert "lower than inside words" in shown
    assert "More is forgotten" in shown
    assert "40.0%" in shown
    absent = forget.summarize(gates(0.7, 0.7), kept(0.5), one)
    assert "does nothing of its own" in absent
    assert "does not close at the name" in absent
    assert "no more than an old one" in absent
    other = forget.summarize(gates(0.9, 0.9), kept(0.7), one)
    assert "opens at the end" in other
    assert "rather less" in other
    for says in (shown, absent, other):
        assert len(sentences(says)) == 2
