"""The network in torch: what writes text on a GPU.

What the first layer makes of a token is looked up in a table; weights lie as the product reads
them; a step writes into buffers that are there already, which CUDA records once and replays.

Shapes: B batch, V vocabulary, E embedding, H hidden, G gates of a cell.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.nn.engine import LSTM_ORDER, Floats, has_table
from chargen.nn.engine import State as StateArray
from chargen.nn.model import LanguageModel, State
from chargen.nn.transfer import array_of, state_of
from chargen.nn.weights import NUM_GATES
from chargen.runtime.cuda_graphs import GraphedStep
from chargen.tokenizers.base import Tokens

# On a GPU a step is recorded when a text has gone on for so long: recording it takes as long as
# many steps.
CAPTURE_AFTER = 16


@dataclass(frozen=True)
class _Layer:
    """One layer's weights, transposed: below @ `read` + `bias`, and h @ `recur` + `recur_bias`.

    Where `table` is given it has the first of these two for each token.
    """

    read: Tensor  # (E or H, G * H)
    bias: Tensor  # (G * H)
    table: Tensor | None  # (V, G * H)
    recur: Tensor  # (H, G * H)
    recur_bias: Tensor  # (G * H)
    norm: nn.Module | None


class StepBuffers:
    """What the network remembers of B rows, and the room in which a step over them works: unlike
    the model's `State` they are changed in place."""

    def __init__(self, state: State, num_gates: int, vocab_size: int) -> None:
        self.state = state.map(lambda part: part.clone(memory_format=torch.contiguous_format))
        h = self.state.layers[0][0]
        rows, hidden_size = h.shape
        self.gates = h.new_empty(rows, num_gates * hidden_size)
        self.recurrent = torch.empty_like(self.gates)
        self.spare = torch.empty_like(h)
        self.logits = h.new_empty(rows, vocab_size)
        self.tokens = torch.zeros(rows, dtype=torch.int64, device=h.device)
        self.replay: GraphedStep | None = None


class TorchStepper:
    """Steps over B rows, whose state stays where the network is until it is asked for."""

    def __init__(self, engine: TorchEngine, state: StateArray) -> None:
        self._engine = engine
        self.buffers = engine.buffers(state_of(state, engine.model))

    @property
    def state(self) -> StateArray:
        return array_of(self.buffers.state)

    def step(self, tokens: Tokens) -> Floats:
        return _to_array(self._engine.step(torch.tensor(tokens), self.buffers))

    @torch.inference_mode()
    def row(self, index: int) -> StateArray:
        return array_of(self.buffers.state.select(slice(index, index + 1)))

    @torch.inference_mode()
    def set_row(self, index: int, state: StateArray) -> None:
        rows, given = self.buffers.state.layers, state_of(state, self._engine.model).layers
        for parts, new in zip(rows, given, strict=True):
            for part, value in zip(parts, new, strict=True):
                part[index] = value[0]


class TorchEngine:
    """A network where its model is, ready to be stepped and to read (`nn.engine.Engine`). The model
    is to be in eval mode, and to learn no more: the steps have copies of its weights."""

    threads = 1  # for the device is one
    row_group = None

    @torch.inference_mode()
    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.config = model.config
        self.vocab_size = model.vocab_size
        self.device = model.head.weight.device
        self.seen = model.seen.cpu().numpy()
        self._embedding = model.embedding.weight  # (V, E)
        self._layers = [_prepare(model, index) for index in range(model.config.num_layers)]
        self._head = model.head.weight.t().contiguous()  # (H, V)
        self._head_bias = model.head.bias
        cells = {"lstm": self._lstm, "gru": self._gru, "rnn": self._rnn}
        self._cell = cells[model.config.cell]

    def start(self, state: StateArray, *, independent: bool = False) -> TorchStepper:
        return TorchStepper(self, state)

    @torch.inference_mode()
    def read(
        self, tokens: Tokens, state: StateArray, *, independent: bool = False
    ) -> tuple[Floats, StateArray]:
        x, after = self.model.read(
            torch.tensor(tokens, device=self.device), state_of(state, self.model)
        )  # (B, T, H)
        return _to_array(x), array_of(after)

    @torch.inference_mode()
    def output_logits(self, outputs: Floats) -> Floats:
        return _to_array(self.model.output_logits(torch.tensor(outputs, device=self.device)))

    @torch.inference_mode()
    def buffers(self, state: State) -> StepBuffers:
        """For the steps to come after `state`, a (B, H) tensor each of its parts."""
        buffers = StepBuffers(state, NUM_GATES[self.config.cell], self.vocab_size)
        if self.device.type == "cuda":
            # They must not hold themselves, through what they replay: graphs are large.
            own = weakref.proxy(buffers)
            buffers.replay = GraphedStep(lambda: self._advance(own), self.device, CAPTURE_AFTER)
        return buffers

    @torch.inference_mode()
    def step(self, tokens: Tensor, buffers: StepBuffers) -> Tensor:
        """(B,) tokens -> (B, V) logits of the next ones, which the next step overwrites."""
        if buffers.replay is None:
            buffers.tokens = tokens.to(self.device)
            self._advance(buffers)
        else:
            buffers.tokens.copy_(tokens)
            buffers.replay()
        return buffers.logits

    def _advance(self, buffers: StepBuffers) -> None:
        """The step on the device alone, from the buffers' tokens to their logits."""
        tokens, gates = buffers.tokens, buffers.gates
        x: Tensor | None = None  # (B, E), then (B, H): what a layer reads
        for layer, parts in zip(self._layers, buffers.state.layers, strict=True):
            if layer.table is not None:
                torch.index_select(layer.table, 0, tokens, out=gates)
            else:
                x = F.embedding(tokens, self._embedding) if x is None else x
                torch.addmm(layer.bias, x, layer.read, out=gates)
            y = self._cell(layer, parts, buffers)  # (B, H)
            if layer.norm is not None:
                y = layer.norm(y)
            adds = self.config.residual and x is not None and x.shape == y.shape
            x = x + y if adds and x is not None else y
        assert x is not None, "there is at least one layer"
        torch.addmm(self._head_bias, x, self._head, out=buffers.logits)

    def _lstm(self, layer: _Layer, parts: tuple[Tensor, ...], buffers: StepBuffers) -> Tensor:
        h, c = parts
        size = len(h[0])
        gates = buffers.gates.addmm_(h, layer.recur)
        gates[:, : 3 * size].sigmoid_()
        i, f, o, g = gates.chunk(4, dim=1)
        c.mul_(f).addcmul_(i, g.tanh_())
        return torch.mul(o, torch.tanh(c, out=buffers.spare), out=h)

    def _gru(self, layer: _Layer, parts: tuple[Tensor, ...], buffers: StepBuffers) -> Tensor:
        [h] = parts
        size = len(h[0])
        read = buffers.gates
        recurrent = torch.addmm(layer.recur_bias, h, layer.recur, out=buffers.recurrent)
        read[:, : 2 * size].add_(recurrent[:, : 2 * size]).sigmoid_()
        r, z, n = read.chunk(3, dim=1)
        n.addcmul_(r, recurrent[:, 2 * size :]).tanh_()
        return torch.lerp(n, h, z, out=h)

    def _rnn(self, layer: _Layer, parts: tuple[Tensor, ...], buffers: StepBuffers) -> Tensor:
        [h] = parts
        a = buffers.gates.addmm_(h, layer.recur)
        return torch.tanh(a, out=h) if self.config.nonlinearity == "tanh" else h.copy_(a).relu_()


def _prepare(model: LanguageModel, index: int) -> _Layer:
    """The weights of a layer as a step wants them."""
    config = model.config
    weights: list[Tensor] = list(model.layers[index].parameters())
    if config.cell == "lstm":
        weights = [torch.cat([weight.chunk(4)[gate] for gate in LSTM_ORDER]) for weight in weights]
    read, recur, bias, recur_bias = weights
    if config.cell != "gru":  # only there a gate stands between the two
        bias = bias + recur_bias
    read = read.t().contiguous()
    table = None
    if index == 0 and has_table(config, model.vocab_size):
        table = torch.addmm(bias, model.embedding.weight, read)
    norm = model.norms[index] if config.layer_norm else None
    return _Layer(read, bias, table, recur.t().contiguous(), recur_bias, norm)


def _to_array(x: Tensor) -> Floats:
    array: Floats = x.float().cpu().numpy()
    return array
