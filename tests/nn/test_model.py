"""The network does what its equations say, however its input is cut or stacked."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chargen.config import ModelConfig
from chargen.errors import ConfigError
from chargen.nn.model import LanguageModel, State
from tests.support.networks import CELL_NAMES

VOCAB = 11
CONFIGS = [
    ModelConfig(cell=cell, hidden_size=8, embedding_size=5, num_layers=layers)
    for cell, layers in itertools.product(CELL_NAMES, (1, 2))
] + [
    ModelConfig(cell="rnn", hidden_size=8, embedding_size=5, nonlinearity="relu"),
    ModelConfig(hidden_size=8, embedding_size=8, num_layers=3, layer_norm=True, residual=True),
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


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_spreads_what_the_gates_remember(cell: str) -> None:
    """Of `chrono` tokens, each unit keeps what it holds for 1 to so many: Tallec and Ollivier."""
    [layer] = recurrent(make(ModelConfig(cell=cell, hidden_size=200, embedding_size=4, chrono=50)))
    first, kept, *others = torch.split(layer["bias_ih_l0"] + layer["bias_hh_l0"], 200)
    tokens_kept = 1 / (1 - kept.sigmoid()) - 1
    assert 1 <= tokens_kept.min() < 5 and 45 < tokens_kept.max() <= 50
    assert 22 < tokens_kept.mean() < 29, "all lengths are equally common"
    assert torch.equal(first, -kept if cell == "lstm" else torch.zeros(200))
    assert not torch.cat(others).any()


def test_chrono_needs_gates() -> None:
    with pytest.raises(ConfigError, match="chrono=50 needs gates, and cell rnn has none"):
        ModelConfig(cell="rnn", chrono=50)


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


def test_tied_weights_are_one_matrix() -> None:
    model = make(CONFIGS[-1])
    assert model.embedding.weight is model.head.weight
    assert model.num_parameters == sum(p.numel() for p in set(model.parameters()))


# -- in training alone ------------------------------------------------------------------------

DROPS = ["dropout", "layer_dropout", "embedding_dropout", "token_dropout", "weight_dropout"]


@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_every_dropout_acts_in_training_alone(cell: str, name: str) -> None:
    sizes: dict[str, Any] = {"hidden_size": 8, "embedding_size": 5, "num_layers": 2}
    plain = make(ModelConfig(cell=cell, **sizes))
    model = make(ModelConfig(cell=cell, **(sizes | {name: 0.5})))
    text = tokens(2, 6)
    expected, _ = plain(text, plain.initial_state(2))
    assert torch.equal(model(text, model.initial_state(2))[0], expected)
    model.train()
    torch.manual_seed(3)
    assert not torch.allclose(model(text, model.initial_state(2))[0], expected)


def test_locked_dropout_drops_the_same_units_all_along_a_stream() -> None:
    model = make(ModelConfig(hidden_size=64, dropout=0.25)).train()
    x = torch.ones(3, 7, 64)
    dropped = model._drop(x, 0.25)
    assert (dropped == dropped[:, :1]).all()
    assert not torch.equal(dropped[0], dropped[1])
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0.0, 1 / 0.75])


def test_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    model = make(ModelConfig(hidden_size=10, embedding_size=4, token_dropout=0.3)).train()
    x = torch.ones(20_000, 1, 10)
    assert model._drop(x, 0.3).mean().item() == pytest.approx(1.0, abs=0.01)
    drawn = torch.stack([model._embed(torch.arange(VOCAB)[None]) for _ in range(3000)])
    assert torch.allclose(drawn.mean(0)[0], model.embedding.weight, atol=0.1)


def test_a_dropped_token_is_dropped_wherever_it_stands() -> None:
    model = make(ModelConfig(hidden_size=4, embedding_size=3, token_dropout=0.5)).train()
    x = model._embed(torch.tensor([[1, 2, 1, 3], [3, 1, 2, 2]]))
    gone = {
        token: (x[0] if token != 3 else x[1])[index].abs().sum().item() == 0
        for token, index in ((1, 0), (2, 1), (3, 0))
    }
    for row, text in zip(x, [[1, 2, 1, 3], [3, 1, 2, 2]], strict=True):
        assert [vector.abs().sum().item() == 0 for vector in row] == [gone[t] for t in text]


def test_layer_dropout_is_as_dropout_unless_asked() -> None:
    sizes: dict[str, Any] = {"hidden_size": 8, "embedding_size": 5, "num_layers": 2}
    text = tokens(2, 6)
    found = []
    for between in (None, 0.5, 0.0):
        model = make(ModelConfig(**sizes, dropout=0.5, layer_dropout=between)).train()
        torch.manual_seed(3)
        found.append(model(text, model.initial_state(2))[0])
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_a_residual_layer_adds_to_what_it_read() -> None:
    model = make(ModelConfig(hidden_size=6, embedding_size=6, residual=True))
    text = tokens(2, 5)
    x, _ = model.read(text, model.initial_state(2))
    for parameter in model.layers.parameters():
        nn.init.zeros_(parameter)  # then the layer's own output is nothing
    alone, _ = model.read(text, model.initial_state(2))
    assert torch.equal(alone, model.embedding(text))
    assert not torch.equal(x, alone)


def test_a_normalised_layer_has_no_mean_and_unit_variance() -> None:
    model = make(ModelConfig(hidden_size=32, layer_norm=True))
    x, _ = model.read(tokens(2, 5), model.initial_state(2))
    assert torch.allclose(x.mean(-1), torch.zeros(2, 5), atol=1e-5)
    assert torch.allclose(x.var(-1, correction=0), torch.ones(2, 5), atol=1e-2)
