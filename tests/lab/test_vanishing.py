"""The first symbol is asked after exactly so many others, of fresh sequences."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chargen.lab import vanishing
from chargen.lab.toy_training import (
    IGNORE_INDEX,
)
from tests.support.sentences import sentences


@given(distance=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_what_is_asked_is_the_first_symbol_after_exactly_so_many(distance: int, seed: int) -> None:
    tokens, targets = vanishing.recall_batch(torch.Generator().manual_seed(seed), distance, 6)
    symbols = vanishing.SYMBOLS
    assert tokens.shape == targets.shape == (6, distance + 2)
    assert torch.equal(targets[:, -1], tokens[:, 0])
    assert (targets[:, :-1] == IGNORE_INDEX).all()
    assert (tokens[:, 0] < symbols).all()
    others = tokens[:, 1:-1]
    assert ((others >= symbols) & (others < 2 * symbols)).all()
    assert (tokens[:, -1] == vanishing.CUE).all()


def test_the_farthest_distance_has_all_shorter_ones() -> None:
    assert vanishing.farthest((1.0, 1.0, 0.7, 0.3)) == 100
    assert vanishing.farthest((0.5, 1.0, 1.0, 1.0)) == 0


def accuracies(*farthest: int) -> dict[str, tuple[float, ...]]:
    return {
        cell: tuple(1.0 if distance <= far else 0.25 for distance in vanishing.DISTANCES)
        for cell, far in zip(vanishing.CELLS, farthest, strict=True)
    }


def test_vanishing_says_what_was_measured() -> None:
    echo = (1.0, 0.3, 0.25, 0.25)
    left = dict.fromkeys(vanishing.CELLS, 1e-9)
    shown = vanishing.summarize(
        accuracies(0, 10, 30, 30),
        accuracies(300, 30, 300, 300),
        accuracies(0, 0, 300, 100),
        echo,
        left,
        400,
    )
    assert "lstm and gru carried a symbol farther than" in shown
    assert "lstm and gru still remembered beyond the cut" in shown
    assert "rnn tanh none, rnn ReLU to 10, lstm to 30, gru to 30, echo state network to 10" in shown
    assert "1e-09 (rnn tanh)" in shown and "1e-09 (lstm, of its cell)" in shown
    same, none = accuracies(10, 10, 10, 10), accuracies(0, 0, 0, 0)
    absent = vanishing.summarize(same, same, none, echo, left, 400)
    assert "no farther in this run" in absent
    assert "no network got farther" in absent
    assert "none got beyond it" in absent
    for says in (shown, absent):
        assert len(sentences(says)) == 2


def test_fresh_draws_are_others() -> None:
    draws = [
        vanishing.recall_batch(random, 10, 32)[0].tolist()
        for random in (torch.Generator().manual_seed(1), vanishing._test_generator(1))
    ]
    assert draws[0] != draws[1]
