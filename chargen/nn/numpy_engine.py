"""The network in numpy: what writes text on a CPU, without torch.

What the first layer makes of a token is looked up in a table; the sigmoids of a layer are taken
with its tanh, since sigmoid(x) = tanh(x / 2) / 2 + 1/2; and all is written into buffers that are
there already, where each gate lies in one piece. Numbers of rows and units are small here: a call
to numpy costs as much as computing a thousand of them, and twice as much for each row in pieces.

Shapes: B rows, T tokens, V vocabulary, E embedding, H hidden, G gates of a cell, P parts of the
state, K what a product reads, N what it gives. Within a cell N units lie in blocks of W,
(N / W, B, W); elsewhere in rows, (B, N).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chargen.config import ModelConfig
from chargen.nn.engine import LSTM_ORDER, Floats, State, has_table
from chargen.nn.products import Product, block_width, in_blocks
from chargen.nn.softmax import quiet
from chargen.nn.weights import NUM_GATES, Weights
from chargen.runtime.blas import by_one_thread
from chargen.runtime.cores import cores
from chargen.tokenizers.base import Tokens

MAX_THREADS = 4  # what comes between numpy's calls is done by one after the other
# Rows of which each comes out the same whatever the others are: a row alone takes a third longer
# with three more beside it, and a hundred take no longer than by larger products.
ROW_GROUP = 4
NORM_EPSILON = 1e-5  # as nn.LayerNorm has it
# How many of a cell's gates are sigmoids: they come first.
_SIGMOIDS = {"lstm": 3, "gru": 2, "rnn": 0}

_NOTHING = np.empty((0, 0), np.float32)
_HALF = np.array(0.5, np.float32)  # an array: a float would be made into one at each call


@dataclass(frozen=True)
class _Layer:
    """One layer's weights as a step wants them: transposed, those of a sigmoid halved."""

    read: Product  # (E or H, G * H)
    recur: Product  # (H, G * H)
    bias: Floats  # (G * H): of both products, but what stands within a GRU's gate
    inner_bias: Floats  # (H): that
    table: Floats | None  # (V, G * H): embedding @ read + bias for each token
    norm: tuple[Floats, Floats] | None  # weight and bias, (H) each

    @property
    def products(self) -> list[Product]:
        """Those of a step."""
        return [self.recur] if self.table is not None else [self.read, self.recur]


# What makes the next h, `out`, of the one before (it may lie in the same place) and of the layer's
# two products, (G * H / W, B, W): of what it reads, with the biases, and of its state, `recurrent`.
Cell = Callable[[Floats, Floats, Floats], None]


class _Room:
    """Where one layer over B rows computes: its gates, which a cell changes, and what it multiplies
    its own state to; and an LSTM's `c`, (H / W, B, W)."""

    def __init__(
        self, config: ModelConfig, layer: _Layer, rows: int, at_once: int | None = None
    ) -> None:
        """Where so many rows are multiplied `at_once`, all is done in the same way for any number
        of them."""
        kind, size = config.cell, config.hidden_size
        self.at_once = at_once
        self.width = block_width(rows if at_once is None else at_once, size)
        gates, count = NUM_GATES[kind], size // self.width
        self.parts = np.empty((gates + 1, count, rows, self.width), np.float32)  # each gate, and c
        self.gates = self.parts[:gates].reshape(-1, rows, self.width)
        self.sigmoids = self.gates[: _SIGMOIDS[kind] * count]
        self.recurrent = np.empty_like(self.gates)
        self.inner_bias = in_blocks(layer.inner_bias[None], self.width)
        self.c = self.parts[gates]

    def c_in_rows(self) -> Floats:
        """(1, B, H)"""
        c: Floats = self.c.swapaxes(0, 1).reshape(1, self.c.shape[1], -1)
        return c


def _lstm(room: _Room) -> Cell:
    parts, gates, sigmoids, recurrent = room.parts, room.gates, room.sigmoids, room.recurrent
    i, f, o, g, c = parts
    i_and_f, g_and_c = parts[:2], parts[3:]

    def cell(read: Floats, h: Floats, out: Floats) -> None:
        np.add(read, recurrent, gates)
        np.tanh(gates, gates)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.multiply(i_and_f, g_and_c, i_and_f)
        np.add(i, f, c)
        np.tanh(c, g)
        np.multiply(o, g, out)

    return cell


def _gru(room: _Room) -> Cell:
    sigmoids, bias, (r, z, n, _) = room.sigmoids, room.inner_bias, room.parts
    split = len(sigmoids)
    outer, inner = room.recurrent[:split], room.recurrent[split:]

    def cell(read: Floats, h: Floats, out: Floats) -> None:
        np.add(read[:split], outer, sigmoids)
        np.tanh(sigmoids, sigmoids)
        np.multiply(sigmoids, _HALF, sigmoids)
        np.add(sigmoids, _HALF, sigmoids)
        np.add(inner, bias, inner)
        np.multiply(r, inner, r)
        np.add(r, read[split:], n)
        np.tanh(n, n)
        np.subtract(h, n, r)  # h = n + z * (h - n)
        np.multiply(r, z, r)
        np.add(n, r, out)

    return cell


def _rnn_tanh(room: _Room) -> Cell:
    gates, recurrent = room.gates, room.recurrent

    def cell(read: Floats, h: Floats, out: Floats) -> None:
        np.add(read, recurrent, gates)
        np.tanh(gates, out)

    return cell


def _rnn_relu(room: _Room) -> Cell:
    gates, recurrent = room.gates, room.recurrent

    def cell(read: Floats, h: Floats, out: Floats) -> None:
        np.add(read, recurrent, gates)
        np.maximum(gates, 0, out=out)

    return cell


def _cell(config: ModelConfig, room: _Room) -> Cell:
    rnn = _rnn_tanh if config.nonlinearity == "tanh" else _rnn_relu
    return {"lstm": _lstm, "gru": _gru, "rnn": rnn}[config.cell](room)


def _layer_step(
    config: ModelConfig, layer: _Layer, h: Floats, room: _Room
) -> Callable[[Tokens, Floats], Floats]:
    """A layer's part in a step, which changes its state, h (B, H), in place: (B,) tokens, and what
    lies below, (B, E or H), where there is no table -> (B, H)."""
    cell, recur = _cell(config, room), layer.recur.into(room.recurrent, room.at_once)
    h_in_blocks, table, norm = in_blocks(h, room.width), layer.table, layer.norm
    if table is not None:
        found = np.empty((len(h), table.shape[1]), np.float32)
        read = in_blocks(found, room.width)
    else:
        read = np.empty_like(room.gates)
        multiply = layer.read.into(read, room.at_once)
        # As large as what it is added to: that takes a third of the time.
        bias = np.array(np.broadcast_to(in_blocks(layer.bias[None], room.width), read.shape))

    def step(tokens: Tokens, x: Floats) -> Floats:
        if table is not None:
            table.take(tokens, 0, found, "clip")  # "raise" would make a copy
        else:
            multiply(x)
            np.add(read, bias, read)
        recur(h)
        cell(read, h_in_blocks, h_in_blocks)
        return h if norm is None else _normalised(h, norm)

    return step


class NumpyStepper:
    """What the network remembers of B rows, and the room in which a step over them works."""

    def __init__(self, engine: NumpyEngine, state: State, at_once: int | None = None) -> None:
        """Products are of so many rows `at_once`, where that is given."""
        config, rows = engine.config, len(state)
        h, c = _parts_of(state, config)
        self._h = h.copy()  # (L, B, H)
        self._rooms = [_Room(config, layer, rows, at_once) for layer in engine.layers]
        for room, part in zip(self._rooms, c, strict=False):  # there are some in an LSTM alone
            room.c[:] = in_blocks(part, room.width)
        self._has_c = len(c) > 0
        # At one row these are views, of which a copy is quickly made, as is wanted of every token.
        self._parts = self._parts_in_rows() if rows == 1 else None
        self._layers = [
            _layer_step(config, *parts)
            for parts in zip(engine.layers, self._h, self._rooms, strict=True)
        ]
        self._logits = np.empty((rows, engine.vocab_size), np.float32)
        self._head = engine.head.into(self._logits[None], at_once)
        self._engine = engine

    @property
    def state(self) -> State:
        parts = self._parts_in_rows() if self._parts is None else self._parts
        return np.concatenate(parts).swapaxes(0, 1)  # (B, P, H)

    def row(self, index: int) -> State:
        h = self._h[:, index]  # (L, H)
        c = [room.c[:, index].reshape(1, -1) for room in self._rooms if self._has_c]
        return np.concatenate([h, *c])[None]  # (1, P, H)

    def set_row(self, index: int, state: State) -> None:
        h, c = _parts_of(state, self._engine.config)  # (L, 1, H) each
        self._h[:, index] = h[:, 0]
        for room, part in zip(self._rooms, c, strict=False):
            room.c[:, index] = part.reshape(-1, room.width)

    def _parts_in_rows(self) -> list[Floats]:
        """(L, B, H), the h of all layers, and (1, B, H), an LSTM's c of each."""
        return [self._h, *(room.c_in_rows() for room in self._rooms if self._has_c)]

    @quiet
    @by_one_thread
    def step(self, tokens: Tokens) -> Floats:
        engine, logits = self._engine, self._logits
        x = engine.embed(tokens)  # (B, E), then (B, H): what a layer reads
        for layer in self._layers:
            x = engine.above(x, layer(tokens, x))
        self._head(x)
        np.add(logits, engine.head_bias, logits)
        return logits


class NumpyEngine:
    """A network on a CPU, ready to be stepped and to read."""

    @quiet
    @by_one_thread
    def __init__(self, weights: Weights) -> None:
        self.config = weights.config
        self.vocab_size = weights.vocab_size
        self.seen = weights.seen
        self.layers = [_prepare(weights, index) for index in range(self.config.num_layers)]
        self.head = Product(weights.arrays["head.weight"].T)
        self.head_bias = weights.arrays["head.bias"]
        self.threads = min(cores(), MAX_THREADS)
        self._embedding = weights.embedding  # (V, E)

    def start(self, state: State, *, independent: bool = False) -> NumpyStepper:
        return NumpyStepper(self, state, self.row_group if independent else None)

    @cached_property
    @quiet
    @by_one_thread
    def row_group(self) -> int:
        """As many as a product takes alike, which this machine's BLAS has to show."""
        width = block_width(ROW_GROUP, self.config.hidden_size)
        products = [(product, width) for layer in self.layers for product in layer.products]
        products += [(layer.read, layer.read.matrix.shape[1]) for layer in self.layers]
        products.append((self.head, self.vocab_size))
        alike = all(product.treats_rows_alike(width, ROW_GROUP) for product, width in products)
        return ROW_GROUP if alike else 1

    def embed(self, tokens: Tokens) -> Floats:
        """(...) -> (..., E): what the first layer reads; nothing where it has a table."""
        return _NOTHING if self.layers[0].table is not None else self._embedding[tokens]

    def above(self, x: Floats, y: Floats) -> Floats:
        """What is read above a layer that reads x and gives y, (..., H)."""
        return x + y if self.config.residual and x.shape == y.shape else y

    @quiet
    @by_one_thread
    def read(
        self, tokens: Tokens, state: State, *, independent: bool = False
    ) -> tuple[Floats, State]:
        """All of the chunk through one layer, then the next: what each reads is one product, or
        where rows are independent one for each token."""
        config, size, (rows, length) = self.config, self.config.hidden_size, tokens.shape
        at_once = self.row_group if independent else None
        h, c = _parts_of(state, config)
        after = np.empty((len(h) + len(c), rows, size), np.float32)
        x = self.embed(tokens.T)  # (T, B, E), then (T, B, H): what a layer reads
        for index, layer in enumerate(self.layers):
            if layer.table is not None:
                reads = layer.table.take(tokens.T, 0, mode="clip")  # (T, B, G * H)
            else:
                reads = layer.read(x.reshape(length * rows, -1), at_once).reshape(length, rows, -1)
                reads += layer.bias
            room = _Room(config, layer, rows, at_once)
            cell, recur = _cell(config, room), layer.recur.into(room.recurrent, at_once)
            if len(c):
                room.c[:] = in_blocks(c[index], room.width)
            outputs = np.empty((length + 1, rows, size), np.float32)  # the first of before
            outputs[0] = h[index]
            reads, blocks = in_blocks(reads, room.width), in_blocks(outputs, room.width)
            for read, own, before, out in zip(reads, outputs, blocks, blocks[1:], strict=False):
                recur(own)
                cell(read, before, out)
            after[index] = outputs[-1]
            if len(c):
                after[len(h) + index] = room.c_in_rows()[0]
            y = outputs[1:]
            x = self.above(x, y if layer.norm is None else _normalised(y, layer.norm))
        return x.swapaxes(0, 1), after.swapaxes(0, 1)

    @quiet
    @by_one_thread
    def output_logits(self, outputs: Floats) -> Floats:
        logits = self.head(outputs.reshape(-1, outputs.shape[-1]))
        logits += self.head_bias
        return logits.reshape(*outputs.shape[:-1], -1)


def _parts_of(state: State, config: ModelConfig) -> tuple[Floats, Floats]:
    """(B, P, H) -> (L, B, H), the h of each layer, and as many c, none where there are none."""
    parts = state.swapaxes(0, 1)
    return parts[: config.num_layers], parts[config.num_layers :]


def _normalised(y: Floats, norm: tuple[Floats, Floats]) -> Floats:
    """(..., H): layer normalisation (Ba et al. 2016)."""
    weight, bias = norm
    centred = y - y.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    scaled: Floats = centred / np.sqrt(variance + NORM_EPSILON) * weight + bias
    return scaled


def _prepare(weights: Weights, index: int) -> _Layer:
    """The weights of a layer as a step wants them."""
    config, size = weights.config, weights.config.hidden_size
    gates = NUM_GATES[config.cell]
    order = LSTM_ORDER if config.cell == "lstm" else range(gates)
    scale = np.ones(gates * size, np.float32)
    scale[: _SIGMOIDS[config.cell] * size] = 0.5
    read, recur, bias, recur_bias = (
        np.concatenate([array[gate * size : (gate + 1) * size] for gate in order]).T * scale
        for array in weights.layer(index)
    )
    # In a GRU's new gate h @ recur + its bias is multiplied by another gate before it is added.
    split = 2 * size if config.cell == "gru" else len(bias)
    bias[:split] += recur_bias[:split]
    table = None
    if index == 0 and has_table(config, weights.vocab_size):
        table = weights.embedding @ read + bias
    norm = None
    if config.layer_norm:
        norm = weights.arrays[f"norms.{index}.weight"], weights.arrays[f"norms.{index}.bias"]
    return _Layer(Product(read), Product(recur), bias, recur_bias[split:], table, norm)
