"""The network in numpy: what writes text on a CPU, without torch.

What the first layer makes of a token is looked up in a table; a step's two products are one, over
what lies below and the state side by side; the sigmoids of a layer are taken with its tanh, since
sigmoid(x) = tanh(x / 2) / 2 + 1/2; and all is written into buffers that are there already. Numbers
of rows and units are small here: a call to numpy costs as much as computing a thousand of them.

Shapes: B rows, T tokens, V vocabulary, E embedding, H hidden, G gates of a cell, P parts of the
state, K what a product reads, N what it gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chargen.config import ModelConfig
from chargen.nn.engine import Floats, State
from chargen.nn.weights import NUM_GATES, Array, Weights
from chargen.tokenizers.base import Tokens

MAX_TABLE_BYTES = 1 << 28  # the first layer of a larger vocabulary multiplies instead
NORM_EPSILON = 1e-5  # as nn.LayerNorm has it
# torch has an LSTM's gates in the order i, f, g, o; here the three sigmoids stand together.
_LSTM_ORDER = (0, 1, 3, 2)
# How many of a cell's gates are sigmoids: they come first.
_SIGMOIDS = {"lstm": 3, "gru": 2, "rnn": 0}
# OpenBLAS copies a matrix before it multiplies, which for few rows takes longer than to multiply;
# not so where the product is this small. So for few rows the matrix is cut into columns.
SMALL_PRODUCT = 1_000_000  # multiplications
MIN_COLUMNS, MAX_COLUMNS = 32, 64


class Product:
    """x @ matrix, (B, K) -> (B, N), as fast as numpy can for that many rows."""

    def __init__(self, matrix: Array) -> None:
        """Of a (K, N) matrix, which it copies."""
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        self._cut: dict[int, Floats] = {}  # by columns: (N / columns, K, columns)

    def into(self, out: Floats) -> Callable[[Floats], object]:
        """What writes the product into a (B, N) array, whatever (B, K) it is given."""
        rows, (width, length) = len(out), self.matrix.shape
        columns = _columns(rows, width, length)
        if columns is None:
            return lambda x: np.matmul(x, self.matrix, out=out)
        if columns not in self._cut:
            pieces = self.matrix.reshape(width, -1, columns).transpose(1, 0, 2)
            self._cut[columns] = np.ascontiguousarray(pieces)
        matrix, room = self._cut[columns], np.empty((length // columns, rows, columns), np.float32)
        pieces_out = out.reshape(rows, -1, columns).transpose(1, 0, 2)  # a view

        def multiply(x: Floats) -> None:
            np.matmul(x, matrix, out=room)
            np.copyto(pieces_out, room)

        return multiply


def _columns(rows: int, width: int, length: int) -> int | None:
    """Into how many columns at once a matrix is cut; None where it had better not be."""
    if rows == 1 or rows * width * length <= SMALL_PRODUCT:
        return None
    fits = min(MAX_COLUMNS, SMALL_PRODUCT // (rows * width))
    return next((n for n in range(fits, MIN_COLUMNS - 1, -1) if length % n == 0), None)


@dataclass(frozen=True)
class _Layer:
    """One layer's weights as a step wants them: transposed, those of a sigmoid halved."""

    read: Product  # (E or H, G * H)
    recur: Product  # (H, G * H)
    both: Product | None  # one above the other; None in a GRU, where a gate stands between them
    bias: Floats  # (G * H): of both, but in a GRU
    recur_bias: Floats  # (G * H)
    table: Floats | None  # (V, G * H): embedding @ read + bias for each token
    norm: tuple[Floats, Floats] | None  # weight and bias, (H) each


class _Cell:
    """One layer over B rows, step by step. `gates` (B, G * H) become what the layer computes with;
    a GRU keeps what it reads of the step before apart, in `recurrent`."""

    def __init__(self, config: ModelConfig, layer: _Layer, rows: int) -> None:
        size, kind = config.hidden_size, config.cell
        gates = np.empty((rows, NUM_GATES[kind] * size), np.float32)
        self.gates, self.layer = gates, layer
        self.recurrent = np.empty_like(gates) if kind == "gru" else gates
        self._parts = [gates[:, at : at + size] for at in range(0, gates.shape[1], size)]
        self._sigmoids = gates[:, : _SIGMOIDS[kind] * size]
        self._recur = layer.recur.into(self.recurrent)
        self._is_gru = kind == "gru"
        rnn = self._tanh if config.nonlinearity == "tanh" else self._relu
        self._activate = {"lstm": self._lstm, "gru": self._gru, "rnn": rnn}[kind]

    def step(self, read: Floats, h: Floats, c: Floats, out: Floats) -> None:
        """From what it makes of its input, (B, G * H), biases of that product included, and its
        state, (B, H) each, to `out`, the next h, and c, changed in place."""
        self._recur(h)
        if self._is_gru:
            self.recurrent += self.layer.recur_bias
            np.copyto(self.gates, read)
        else:
            self.gates += read
        self._activate(h, c, out)

    def activate(self, h: Floats, c: Floats, out: Floats) -> None:
        """The same where the `gates` hold the sum of the products already."""
        self._activate(h, c, out)

    def _lstm(self, h: Floats, c: Floats, out: Floats) -> None:
        i, f, o, g = self._parts
        np.tanh(self.gates, out=self.gates)
        self._finish_sigmoids()
        c *= f
        i *= g
        c += i
        np.tanh(c, out=g)
        np.multiply(o, g, out=out)

    def _gru(self, h: Floats, c: Floats, out: Floats) -> None:
        r, z, n = self._parts
        size = r.shape[1]
        sigmoids, recurrent = self._sigmoids, self.recurrent[:, 2 * size :]
        sigmoids += self.recurrent[:, : 2 * size]
        np.tanh(sigmoids, out=sigmoids)
        self._finish_sigmoids()
        r *= recurrent
        n += r
        np.tanh(n, out=n)
        np.subtract(h, n, out=r)  # h = n + z * (h - n)
        r *= z
        np.add(n, r, out=out)

    def _tanh(self, h: Floats, c: Floats, out: Floats) -> None:
        np.tanh(self.gates, out=out)

    def _relu(self, h: Floats, c: Floats, out: Floats) -> None:
        np.maximum(self.gates, 0, out=out)

    def _finish_sigmoids(self) -> None:
        sigmoids = self._sigmoids
        sigmoids *= 0.5
        sigmoids += 0.5


class NumpyStepper:
    """What the network remembers of B rows, and the room in which a step over them works."""

    def __init__(self, engine: NumpyEngine, state: State) -> None:
        self.state = np.array(state, dtype=np.float32, order="C")  # a copy, (B, P, H)
        self.step = engine.prepared(self.state)


class NumpyEngine:
    """A network on a CPU, ready to be stepped and to read."""

    def __init__(self, weights: Weights) -> None:
        self.config = weights.config
        self.vocab_size = weights.vocab_size
        self.seen = weights.seen
        self._embedding = weights.embedding  # (V, E)
        self._layers = [_prepare(weights, index) for index in range(self.config.num_layers)]
        self._head = Product(weights.arrays["head.weight"].T)
        self._head_bias = weights.arrays["head.bias"]
        self._bytes = max(layer.recur.matrix.nbytes for layer in self._layers)

    def start(self, state: State) -> NumpyStepper:
        return NumpyStepper(self, state)

    def prepared(self, state: State) -> Callable[[Tokens], Floats]:
        """A step over the rows of a (B, P, H) state, which it changes in place: (B,) tokens ->
        (B, V) logits, always in the same place."""
        rows, parts, size = state.shape
        config = self.config
        flat = state.reshape(rows, parts * size)  # a view: parts side by side
        own = [flat[:, at : at + size] for at in range(0, parts * size, size)]
        steps = [
            self._layer_step(index, own[index], own[(config.num_layers + index) % parts], flat)
            for index in range(config.num_layers)
        ]
        logits = np.empty((rows, self.vocab_size), np.float32)
        head, head_bias, embedding = self._head.into(logits), self._head_bias, self._embedding
        looks_up, residual = self._layers[0].table is not None, config.residual

        def advance(tokens: Tokens) -> Floats:
            x: Any = (
                None if looks_up else embedding[tokens]
            )  # (B, E), then (B, H): what a layer reads
            for step in steps:
                y = step(tokens, x)
                x = x + y if residual and x is not None and x.shape == y.shape else y
            head(x)
            np.add(logits, head_bias, out=logits)
            return logits

        return advance

    def _layer_step(
        self, index: int, h: Floats, c: Floats, flat: Floats
    ) -> Callable[[Tokens, Any], Floats]:
        """A step of one layer: (B,) tokens and what it reads, (B, E or H) -> (B, H)."""
        layer, size = self._layers[index], h.shape[1]
        cell = _Cell(self.config, layer, len(h))
        gates, norm, table = cell.gates, layer.norm, layer.table

        def after() -> Floats:
            return h if norm is None else _normalised(h, norm)

        if table is not None:

            def look_up(tokens: Tokens, x: Floats) -> Floats:
                cell.step(table[tokens], h, c, h)
                return after()

            return look_up
        if layer.both is None:
            room = np.empty_like(gates)
            multiply = layer.read.into(room)

            def read_apart(tokens: Tokens, x: Floats) -> Floats:
                multiply(x)
                np.add(room, layer.bias, out=room)
                cell.step(room, h, c, h)
                return after()

            return read_apart
        multiply = layer.both.into(gates)
        # Where it reads what the layer below remembers, that lies beside its own state.
        is_plain = not (self.config.layer_norm or self.config.residual)
        if index and is_plain:
            beside = flat[:, (index - 1) * size : (index + 1) * size]

            def read_beside(tokens: Tokens, x: Floats) -> Floats:
                multiply(beside)
                np.add(gates, layer.bias, out=gates)
                cell.activate(h, c, h)
                return h

            return read_beside

        def read_both(tokens: Tokens, x: Floats) -> Floats:
            multiply(np.concatenate((x, h), axis=1))
            np.add(gates, layer.bias, out=gates)
            cell.activate(h, c, h)
            return after()

        return read_both

    def read(self, tokens: Tokens, state: State) -> tuple[Floats, State]:
        """All of the chunk through one layer, then the next: what each reads is one product."""
        config, (rows, length) = self.config, tokens.shape
        after = np.array(state, dtype=np.float32, order="C")  # (B, P, H)
        x: Floats | None = None  # (T, B, E), then (T, B, H): what a layer reads
        for index, layer in enumerate(self._layers):
            if layer.table is not None:
                reads = layer.table[tokens.T]  # (T, B, G * H)
            else:
                x = self._embedding[tokens.T] if x is None else x
                reads = np.matmul(x.reshape(length * rows, -1), layer.read.matrix)
                reads = reads.reshape(length, rows, -1)
                reads += layer.bias
            outputs = np.empty((length, rows, config.hidden_size), np.float32)
            h, c = after[:, index], after[:, (config.num_layers + index) % after.shape[1]]
            cell = _Cell(config, layer, rows)
            for read, out in zip(reads, outputs, strict=True):
                cell.step(read, h, c, out)
                h = out
            after[:, index] = h
            y = outputs if layer.norm is None else _normalised(outputs, layer.norm)
            x = x + y if config.residual and x is not None and x.shape == y.shape else y
        assert x is not None, "there is at least one layer"
        return x.swapaxes(0, 1), after

    def output_logits(self, outputs: Floats) -> Floats:
        logits: Floats = np.matmul(outputs, self._head.matrix)
        logits += self._head_bias
        return logits


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
    order = _LSTM_ORDER if config.cell == "lstm" else range(gates)
    scale = np.ones(gates * size, np.float32)
    scale[: _SIGMOIDS[config.cell] * size] = 0.5
    read, recur, bias, recur_bias = (
        np.concatenate([array[gate * size : (gate + 1) * size] for gate in order]).T * scale
        for array in weights.layer(index)
    )
    both = None
    if config.cell != "gru":
        stacked = np.concatenate([read, recur])
        read, recur, both = stacked[: len(read)], stacked[len(read) :], Product(stacked)
        bias = bias + recur_bias
    # Where the embedding itself is added to the output, it must be there.
    adds = config.residual and config.embedding_size == size
    is_small = weights.vocab_size * bias.nbytes <= MAX_TABLE_BYTES
    table = None
    if index == 0 and is_small and not adds:
        table = weights.embedding @ read + bias
    norm = None
    if config.layer_norm:
        norm = weights.arrays[f"norms.{index}.weight"], weights.arrays[f"norms.{index}.bias"]
    return _Layer(Product(read), Product(recur), both, bias, recur_bias, table, norm)
