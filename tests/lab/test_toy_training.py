"""Small networks are trained by the gradient that was asked, on windows of a text."""

from __future__ import annotations

import math

import pytest
import torch

from chargen.lab.toy_training import (
    CharVocab,
    TrainingCurve,
    make_network,
    random_windows,
    train_toy,
)
from chargen.lab.vanishing import recall_batch


def test_an_alphabet_comes_back() -> None:
    vocab = CharVocab("strawberry")
    assert vocab.characters == "aberstwy"
    assert len(vocab) == 8
    assert vocab.decode(vocab.encode("berry")) == "berry"


@pytest.mark.parametrize("cell", ["rnn", "rnn relu", "lstm", "gru"])
def test_a_cut_gradient_is_the_whole_one_where_it_is_not_cut(cell: str) -> None:
    batch = recall_batch(torch.Generator().manual_seed(1), 9, 4)  # 11 tokens
    norms = {}
    for bptt in (None, 11, 50, 3):
        model = make_network(cell, 9, seed=1, hidden_size=5)
        curve = train_toy(model, lambda step: batch, 1, learning_rate=0.1, bptt=bptt)
        norms[bptt] = curve.norms[0]
        losses = curve.losses[0]
        assert losses == pytest.approx(loss_of(cell, batch), rel=1e-5)
    assert norms[11] == norms[50] == norms[None]
    assert norms[3] != pytest.approx(norms[None], rel=1e-3)


def loss_of(cell: str, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    tokens, targets = batch
    model = make_network(cell, 9, seed=1, hidden_size=5)
    logits, _ = model(tokens, model.initial_state(len(tokens)))
    return torch.nn.functional.cross_entropy(logits[:, -1], targets[:, -1]).item()


def test_training_ends_where_the_loss_is_not_finite() -> None:
    batch = recall_batch(torch.Generator().manual_seed(1), 3, 4)
    model = make_network("lstm", 9, seed=1, hidden_size=5)
    with torch.no_grad():
        model.head.bias.fill_(math.nan)
    curve = train_toy(model, lambda step: batch, 10, learning_rate=0.1)
    assert curve.diverged
    assert len(curve.losses) == len(curve.norms) == 1


def test_windows_are_the_text_and_what_follows() -> None:
    tokens = torch.arange(50)
    inputs, targets = random_windows(tokens, torch.Generator().manual_seed(1), 200, 7)
    assert torch.equal(inputs + 1, targets)
    assert inputs.min() == 0
    assert targets.max() == 49
    starts = torch.tensor([3, 20, 49])  # from the last no window fits
    inputs, _ = random_windows(tokens, torch.Generator().manual_seed(1), 50, 7, starts)
    assert set(inputs[:, 0].tolist()) == {3, 20}


def test_smoothed_losses_are_means_in_bits() -> None:
    curve = TrainingCurve(tuple(math.log(2) * bits for bits in (4.0, 2.0, 1.0, 1.0)), (1.0,) * 4)
    assert curve.smoothed_bits(width=2) == pytest.approx([4.0, 3.0, 1.5, 1.0])
