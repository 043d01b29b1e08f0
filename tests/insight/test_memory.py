"""The curves of a network whose memory is known: a register that shifts, so many tokens long."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from chargen.config import ModelConfig
from chargen.errors import CorpusError
from chargen.insight import memory as horizon
from chargen.insight.memory import context_loss, gradient_norms, measure, needed_tokens
from chargen.nn.model import LanguageModel
from tests.nn.test_trace import network
from tests.support.networks import CELLS

SYMBOLS, END = 4, 4
CONTEXTS = [1, 2, 4, 8, 16, 32, 64]


def register(length: int, scale: float) -> LanguageModel:
    """A plain network that says with some certainty: the next token is the one that stood `length`
    tokens before it. It forgets every token after so many steps, and not one earlier."""
    size = SYMBOLS * length
    config = ModelConfig(
        cell="rnn", nonlinearity="relu", hidden_size=size, embedding_size=SYMBOLS + 1
    )
    model = LanguageModel(config, vocab_size=SYMBOLS + 1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embedding.weight.copy_(torch.eye(SYMBOLS + 1))
        read, recurrent = (getattr(model.layers[0], f"weight_{name}_l0") for name in ("ih", "hh"))
        read[:SYMBOLS, :SYMBOLS] = torch.eye(SYMBOLS)  # the newest token
        recurrent[SYMBOLS:, :-SYMBOLS] = torch.eye(size - SYMBOLS)  # the others move on
        model.head.weight[:SYMBOLS, -SYMBOLS:] = scale * torch.eye(
            SYMBOLS
        )  # the oldest is reported
        model.head.bias[END] = -100
    return model


def periodic(period: int, length: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Tokens of which each is the one that stood `period` before it, and tells nothing else."""
    return np.resize(np.random.default_rng(seed).integers(0, SYMBOLS, period), length)


@pytest.mark.parametrize("memory", [1, 2, 3, 4, 8, 16, 32])
def test_the_loss_falls_where_the_answer_comes_into_sight(memory: int) -> None:
    losses = context_loss(register(memory, 20.0), periodic(memory, 2000), CONTEXTS, end=END)
    for context, loss in zip(CONTEXTS, losses, strict=True):
        expected = 0.0 if context >= memory else math.log(SYMBOLS)
        assert loss == pytest.approx(expected, abs=1e-5), context


@pytest.mark.parametrize("memory", [1, 5, 32])
def test_the_gradient_reaches_as_far_as_the_register(memory: int) -> None:
    """At the end its norm is that of softmax minus target. On its way back only a unit that is on
    lets it through, which is that of the right answer, and there nothing is lost."""
    norms, of_cell = gradient_norms(register(memory, 1.0), periodic(memory, 2000), 40)
    assert of_cell is None
    right = math.e / (math.e + SYMBOLS - 1) - 1
    wrong = -right / (SYMBOLS - 1)
    expected = np.where(np.arange(41) < memory, abs(right), 0)
    expected[0] = math.hypot(right, *[wrong] * (SYMBOLS - 1))
    np.testing.assert_allclose(norms, expected, atol=1e-6)


def test_every_context_is_exact_up_to_its_slack() -> None:
    """As one row for each target has it, read token by token from zeros."""
    model = network(cell="gru").float()
    tokens = np.random.default_rng(1).integers(0, 6, 300)
    contexts = [1, 2, 8, 16, 20]
    found = context_loss(model, tokens, contexts, end=6)
    for context, loss in zip(contexts, found, strict=True):
        rows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[20 - context :]
        rows = rows[np.linspace(0, len(rows) - 1, 280).astype(int)]
        inputs = torch.from_numpy(rows.copy())
        logits, _ = model(inputs[:, :-1], model.initial_state(len(rows)))
        assert loss == pytest.approx(F.cross_entropy(logits[:, -1], inputs[:, -1]).item(), abs=1e-5)


@pytest.mark.parametrize("at_once", [1, 500, 1 << 24])
def test_how_many_are_computed_at_once_changes_nothing(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokens = network(cell="lstm", num_layers=2), periodic(40, 700)
    losses = context_loss(model, tokens, CONTEXTS, end=END)
    norms, of_cell = gradient_norms(model, tokens, 12)
    monkeypatch.setattr(horizon, "NUMBERS_AT_ONCE", at_once)
    np.testing.assert_allclose(context_loss(model, tokens, CONTEXTS, end=END), losses)
    again, of_cell_again = gradient_norms(model, tokens, 12)
    np.testing.assert_allclose(again, norms)
    assert of_cell is not None and of_cell_again is not None
    np.testing.assert_allclose(of_cell_again, of_cell)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_gradients_are_those_of_autograd_through_torch(
    cell: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layer: the state between two calls of torch's own layer is all that leads on."""
    monkeypatch.setattr(horizon, "ROWS", 1)
    model, tokens = network(**cell), periodic(50, 200)
    norms, of_cell = gradient_norms(model, tokens, 9)
    rows = torch.from_numpy(tokens[: horizon.BURN_IN + 11])
    for distance in range(1, 10):
        until = horizon.BURN_IN + 10 - distance
        _, state = model.read(rows[None, :until], model.initial_state(1))
        state = state.map(lambda part: part.detach().requires_grad_())
        logits, _ = model(rows[None, until:-1], state)
        gradients = torch.autograd.grad(
            F.cross_entropy(logits[0, -1:], rows[-1:]), state.layers[0], materialize_grads=True
        )
        assert norms[distance] == pytest.approx(gradients[0].norm().item(), rel=1e-9)
        assert (of_cell is None) == (len(gradients) == 1)


def test_ends_of_documents_are_not_counted() -> None:
    tokens = periodic(1, 500)
    tokens[::2] = END
    losses = context_loss(register(1, 0.0), tokens, [1, 2], end=END)
    np.testing.assert_allclose(losses, math.log(SYMBOLS), rtol=1e-6)


def test_ends_of_documents_are_no_targets_of_the_gradient() -> None:
    """Every other token is an end; a register never knows that, so its loss there would be huge."""
    tokens = periodic(1, 800)
    tokens[::2] = END
    norms, _ = gradient_norms(register(1, 1.0), tokens, 3, end=END)
    assert norms[0] < 2
    far, _ = gradient_norms(register(1, 1.0), tokens, 3)
    assert far[0] != pytest.approx(norms[0])
    all_ends, _ = gradient_norms(register(1, 1.0), np.full(800, END), 3, end=END)
    assert np.isfinite(all_ends).all()


def test_the_longest_contexts_have_targets() -> None:
    model = network(cell="rnn", hidden_size=1, embedding_size=1).float()
    longest = 1 << 18
    losses = context_loss(model, periodic(3, needed_tokens(longest, 1)), [1, longest], end=END)
    assert np.isfinite(losses).all()


def test_a_text_too_short_says_how_long_it_must_be() -> None:
    model = register(2, 1.0)
    needed = needed_tokens(64, 40)
    with pytest.raises(CorpusError, match=f"{needed - 1} tokens: .* take {needed}"):
        measure(model, periodic(2, needed - 1), end=END, longest_context=64, longest_distance=40)
    found = measure(model, periodic(2, needed), end=END, longest_context=64, longest_distance=40)
    assert found.contexts == (1, 2, 4, 8, 16, 32, 64)
    assert found.distances == tuple(range(41))
    odd = measure(model, periodic(2, needed), end=END, longest_context=20, longest_distance=3)
    assert odd.contexts == (1, 2, 4, 8, 16, 20)
    with pytest.raises(CorpusError, match="the text is empty"):
        measure(model, np.full(999, END), end=END, longest_context=20, longest_distance=3)
    assert len(found.loss) == 7 and len(found.gradient_norm) == 41
