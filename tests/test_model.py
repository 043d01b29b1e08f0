"""The network does what its equations say, however its input is cut or stacked."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from chargen.config import ModelConfig
from chargen.model import LanguageModel, State

VOCAB = 11
CELLS = ("lstm", "gru", "rnn")
CONFIGS = [
    ModelConfig(cell=cell, hidden_size=8, embedding_size=5, num_layers=layers)
    for cell, layers in itertools.product(CELLS, (1, 2))
] + [
    ModelConfig(cell="rnn", hidden_size=8, embedding_size=5, nonlinearity="relu"),
    ModelConfig(cell="gru", hidden_size=8, embedding_size=8, tie_weights=True),
]
everyone = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.cell}{c.num_layers}")


def make(config: ModelConfig) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(config, VOCAB).eval()


def tokens(batch_size: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(VOCAB, (batch_size, length), generator=generator)


def recurrent(model: LanguageModel) -> list[dict[str, nn.Parameter]]:
    """The parameters of each recurrent layer; all cells name theirs alike."""
    return [dict(layer.named_parameters()) for layer in model.layers]


def same(left: State, right: State) -> bool:
    return all(
        torch.allclose(a, b, atol=1e-6)
        for one, other in zip(left.layers, right.layers, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@everyone
def test_chunks_equal_the_whole(config: ModelConfig) -> None:
    model, text = make(config), tokens(3, 12)
    whole, after = model(text, model.initial_state(3))
    state = model.initial_state(3)
    parts = []
    for chunk in torch.split(text, [1, 4, 7], dim=1):
        logits, state = model(chunk, state)
        parts.append(logits)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)
    assert same(state, after)


@everyone
def test_a_batch_equals_its_rows(config: ModelConfig) -> None:
    model, text = make(config), tokens(4, 9)
    whole, after = model(text, model.initial_state(4))
    for row in range(4):
        alone, state = model(text[row : row + 1], model.initial_state(1))
        assert torch.allclose(alone[0], whole[row], atol=1e-5)
        assert same(state, after.select(torch.tensor([row])))


@everyone
def test_the_state_is_an_argument_that_is_not_changed(config: ModelConfig) -> None:
    model, text = make(config), tokens(2, 5)
    _, state = model(text, model.initial_state(2))
    before = state.map(Tensor.clone)
    once, _ = model(text, state)
    again, _ = model(text, state)
    assert torch.equal(once, again)
    assert same(state, before)


@everyone
def test_detaching_cuts_the_gradient_and_keeps_the_memory(config: ModelConfig) -> None:
    model, text = make(config), tokens(2, 5)
    _, state = model(text, model.initial_state(2))
    cut = state.detach()
    assert same(cut, state)
    assert all(part.grad_fn is not None for layer in state.layers for part in layer)
    assert all(part.grad_fn is None for layer in cut.layers for part in layer)


def test_resetting_clears_the_rows_that_are_named() -> None:
    model = make(CONFIGS[0])
    _, state = model(tokens(3, 5), model.initial_state(3))
    cleared = state.reset(torch.tensor([False, True, False]))
    for before, after in zip(state.layers[0], cleared.layers[0], strict=True):
        assert torch.equal(after[[0, 2]], before[[0, 2]])
        assert after[1].abs().sum() == 0 < before[1].abs().sum()


@everyone
def test_weights_start_as_promised(config: ModelConfig) -> None:
    model = make(config)
    hidden = config.hidden_size
    for layer in recurrent(model):
        for gate in torch.split(layer["weight_hh_l0"], hidden):
            assert torch.allclose(gate @ gate.T, torch.eye(hidden), atol=1e-5)
        biases = torch.split(layer["bias_ih_l0"] + layer["bias_hh_l0"], hidden)
        for index, bias in enumerate(biases):
            forget = config.cell == "lstm" and index == 1
            assert torch.equal(bias, torch.full((hidden,), 1.0 if forget else 0.0))


def test_before_training_the_model_knows_the_smoothed_frequencies() -> None:
    model = make(CONFIGS[0])
    counts = torch.arange(VOCAB) * 3
    model.start_from_counts(counts)
    expected = (counts + 1) / (counts + 1).sum()
    assert torch.allclose(model.head.bias.softmax(0), expected, atol=1e-6)
    assert model.seen.tolist() == [False] + [True] * (VOCAB - 1)


def test_an_lstm_step_by_hand() -> None:
    """One unit, all weights known: the equations of Hochreiter and Schmidhuber, with forgetting."""
    config = ModelConfig(cell="lstm", hidden_size=1, embedding_size=1)
    model = LanguageModel(config, 2).eval()
    [layer] = recurrent(model)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.tensor([[0.5], [-1.0]]))
        layer["weight_ih_l0"].copy_(torch.tensor([[0.1], [0.2], [0.3], [0.4]]))
        layer["weight_hh_l0"].copy_(torch.tensor([[0.5], [0.6], [0.7], [0.8]]))
        layer["bias_ih_l0"].copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    h, c = torch.tensor([[0.25]]), torch.tensor([[-0.5]])
    _, state = model(torch.tensor([[1]]), State(((h, c),)))
    x = -1.0
    pre = [w * x + u * 0.25 for w, u in ((0.1, 0.5), (0.2, 0.6), (0.3, 0.7), (0.4, 0.8))]
    enter, forget, write, read = (torch.tensor(value) for value in pre)
    cell = (forget + 1).sigmoid() * -0.5 + enter.sigmoid() * write.tanh()
    assert state.layers[0][1].item() == pytest.approx(cell.item(), abs=1e-6)
    assert state.layers[0][0].item() == pytest.approx(
        (read.sigmoid() * cell.tanh()).item(), abs=1e-6
    )


def test_dropout_acts_in_training_alone() -> None:
    config = ModelConfig(hidden_size=32, dropout=0.5)
    model, text = make(config), tokens(2, 5)
    quiet = [model(text, model.initial_state(2))[0] for _ in range(2)]
    model.train()
    noisy = [model(text, model.initial_state(2))[0] for _ in range(2)]
    assert torch.equal(quiet[0], quiet[1])
    assert not torch.equal(noisy[0], noisy[1])


def test_tied_weights_are_one_matrix() -> None:
    model = make(CONFIGS[-1])
    assert model.embedding.weight is model.head.weight
    assert model.num_parameters == sum(p.numel() for p in set(model.parameters()))
