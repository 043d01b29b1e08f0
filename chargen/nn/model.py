"""The recurrent language model: (tokens, state) -> (logits, state). Knows nothing of text.

Shapes: B batch, T time, V vocabulary, E embedding, H hidden.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import ModelConfig
from chargen.nn.recurrence import is_own, recur
from chargen.nn.weights import NUM_GATES


@dataclass(frozen=True)
class State:
    """What the network remembers: for each layer its (B, H) tensors, h and, in an LSTM, c."""

    layers: tuple[tuple[Tensor, ...], ...]

    def parts(self) -> list[Tensor]:
        """All of the tensors, in order."""
        return [part for layer in self.layers for part in layer]

    def map(self, change: Callable[[Tensor], Tensor]) -> State:
        return State(tuple(tuple(change(part) for part in layer) for layer in self.layers))

    @staticmethod
    def cat(states: Sequence[State]) -> State:
        """The rows of all of them, in order."""
        layers = zip(*(state.layers for state in states), strict=True)
        return State(tuple(tuple(map(torch.cat, zip(*parts, strict=True))) for parts in layers))

    def detach(self) -> State:
        """The same memory without its history: here the gradient is truncated."""
        return self.map(Tensor.detach)

    def select(self, rows: Tensor | slice) -> State:
        """The states of the given rows of the batch, in that order, repeated as asked."""
        return self.map(lambda part: part[rows])

    def reset(self, rows: Tensor) -> State:
        """The same state, zero where the (B,) boolean `rows` says so."""
        return self.map(lambda part: part.masked_fill(rows[:, None], 0))


class LanguageModel(nn.Module):
    """Embedding, stacked recurrent layers, and a linear output layer.

    Cells: `rnn` (Elman 1990), `lstm` (Hochreiter and Schmidhuber 1997, with forget gates), `gru`
    (Cho et al. 2014). Layers are stacked one by one, so that dropout draws from torch's own random
    state, which can be saved, and not from cuDNN's.

    In training alone, each with a share of its own in the config: locked dropout, which drops the
    same units at every place of a step, of embeddings, between layers and of the top layer's
    output; dropout of whole tokens from the embedding (both Gal and Ghahramani 2016); DropConnect
    on recurrent weights (Merity et al. 2018). Always: layer normalisation of each layer's output
    (Ba et al. 2016), residual connections between layers (He et al. 2016), if the config has them.
    """

    seen: Tensor

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.embedding = _embedding(vocab_size, config.embedding_size)
        self.layers = nn.ModuleList(
            _layer(config, config.hidden_size if index else config.embedding_size)
            for index in range(config.num_layers)
        )
        if config.layer_norm:
            self.norms = nn.ModuleList(nn.LayerNorm(config.hidden_size) for _ in self.layers)
        self.head = nn.Linear(config.hidden_size, vocab_size)
        # Which tokens stood in the training text; the others are never sampled.
        self.register_buffer("seen", torch.ones(vocab_size, dtype=torch.bool))
        self._initialise()

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def initial_state(self, batch_size: int) -> State:
        """All zeros: nothing read yet."""
        weight = self.head.weight
        parts = 2 if self.config.cell == "lstm" else 1
        zeros = weight.new_zeros(batch_size, self.config.hidden_size)
        return State(tuple((zeros,) * parts for _ in self.layers))

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits of the next token at every place: (B, T) int64 -> (B, T, V)."""
        x, state = self.read(tokens, state)  # (B, T, H)
        return self.output_logits(x), state  # (B, T, V)

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """`forward` short of the output layer: the top layer's output at every place, (B, T, H)."""
        config = self.config
        x = self._embed(tokens)  # (B, T, E)
        after = []
        for index, (layer, before) in enumerate(zip(self.layers, state.layers, strict=True)):
            if index:
                between = config.dropout if config.layer_dropout is None else config.layer_dropout
                x = self._drop(x, between)
            y, memory = self._recur(layer, x, before)  # (B, T, H)
            if config.layer_norm:
                y = self.norms[index](y)
            x = x + y if config.residual and x.shape == y.shape else y
            after.append(memory)
        return x, State(tuple(after))

    def read_documents(self, tokens: Tensor, state: State, end: int) -> tuple[Tensor, State]:
        """`read`, of a text in which the `end` token may stand between documents: where the config
        has each begin with a fresh state, it does. Waits for the device."""
        if not self.config.fresh_state:
            return self.read(tokens, state)
        ends, outputs = tokens == end, []
        cuts = (ends[:, 1:].any(dim=0).nonzero().flatten() + 1).tolist()
        for start, stop in pairwise([0, *cuts, tokens.shape[1]]):
            x, state = self.read(tokens[:, start:stop], state.reset(ends[:, start]))
            outputs.append(x)
        return torch.cat(outputs, dim=1), state

    def output_logits(self, x: Tensor) -> Tensor:
        """Logits of the next token from what `read` gave: (B, T, H) -> (B, T, V)."""
        logits: Tensor = self.head(self._drop(x, self.config.dropout))
        return logits

    def start_from_counts(self, counts: Tensor) -> None:
        """Begin as the best memoryless model of tokens that stand in the text `counts` (V,) times.

        The output bias becomes the log of the smoothed frequency, so that the first steps are not
        spent on learning it.
        """
        smoothed = counts.double() + 1
        with torch.no_grad():
            self.head.bias.copy_((smoothed / smoothed.sum()).log())
            self.seen.copy_(counts > 0)

    def _embed(self, tokens: Tensor) -> Tensor:
        weight, share = self.embedding.weight, self.config.token_dropout
        if share and self.training:
            kept = weight.new_empty(self.vocab_size, 1).bernoulli_(1 - share)
            weight = weight * kept.div_(1 - share)
        return self._drop(F.embedding(tokens, weight), self.config.embedding_dropout)

    def _drop(self, x: Tensor, share: float) -> Tensor:
        """Locked dropout: what is dropped in a stream is dropped at all its places."""
        if not share or not self.training:
            return x
        kept = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - share)
        return x * kept.div_(1 - share)

    def _recur(
        self, layer: nn.Module, x: Tensor, before: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer over (B, T, .); the only place where cells differ is their memory's shape."""
        weights: list[Tensor] = list(layer.parameters())
        if self.config.weight_dropout and self.training:
            # Input to hidden, hidden to hidden, their biases: that is the order.
            weights[1] = F.dropout(weights[1], self.config.weight_dropout)
        if is_own(self.config.cell, x, self.config.hidden_size):
            return recur(self._function.__name__, x, before, weights)
        one_layer = (True, 1, 0.0, self.training, False, True)  # with biases, batch first
        with _without_float16(x.device), _without_warning(x.is_cuda and self.training):
            x = x.to(weights[0].dtype) if x.is_cuda else x
            memory = tuple(part[None] for part in before)
            y, *after = self._function(
                x, memory if len(memory) > 1 else memory[0], weights, *one_layer
            )
            return y, tuple(part[0] for part in after)

    @property
    def _function(self) -> Callable[..., tuple[Tensor, ...]]:
        """Torch's for all places of a layer."""
        if self.config.cell != "rnn":
            return torch.lstm if self.config.cell == "lstm" else torch.gru
        return torch.rnn_tanh if self.config.nonlinearity == "tanh" else torch.rnn_relu

    @torch.no_grad()
    def _initialise(self) -> None:
        hidden_size = self.config.hidden_size
        for layer in self.layers:
            for name, parameter in layer.named_parameters():
                gates = parameter.view(NUM_GATES[self.config.cell], hidden_size, -1)
                for gate in gates:
                    if name.startswith("weight_hh"):
                        nn.init.orthogonal_(gate)  # Saxe et al. 2014
                    elif name.startswith("weight_ih"):
                        nn.init.xavier_uniform_(gate)  # Glorot and Bengio 2010
                    else:
                        nn.init.zeros_(gate)
                if self.config.chrono and name.startswith("bias_ih"):
                    # A unit forgets within as many tokens as it drew (Tallec and Ollivier 2018):
                    # by the LSTM's forget gate, or the GRU's update gate.
                    kept = torch.empty(hidden_size, 1).uniform_(1, self.config.chrono).log_()
                    gates[1].copy_(kept)
                    if self.config.cell == "lstm":
                        gates[0].copy_(-kept)
                elif self.config.cell == "lstm" and name.startswith("bias_ih"):
                    # Forget-gate bias 1 keeps early gradients alive (Jozefowicz et al. 2015).
                    gates[1].fill_(1)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if self.config.tie_weights:
            # One matrix reads and writes tokens (Press and Wolf 2017).
            self.embedding.weight = self.head.weight


def _without_float16(device: torch.device) -> AbstractContextManager[object]:
    """On CUDA torch's autocast has cuDNN's cells compute in float16, whatever it is asked for, and
    small gradients are lost in that. Without it they multiply in TF32, whose range is float32's."""
    return torch.autocast("cuda", enabled=False) if device.type == "cuda" else nullcontext()


def _without_warning(quiet: bool) -> AbstractContextManager[object]:
    """On CUDA cuDNN wants the weights of a layer in one piece; where some are dropped it copies
    them there and warns. That is in training alone, where no other thread is at work: which
    warnings are shown is a state of the whole process."""
    return _no_warning_of_pieces() if quiet else nullcontext()


@contextmanager
def _no_warning_of_pieces() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "RNN module weights are not part of single contiguous chunk"
        )
        yield


def _embedding(vocab_size: int, embedding_size: int) -> nn.Embedding:
    weight = torch.empty(vocab_size, embedding_size)
    if not weight.is_meta:  # normal_ would import all of torch.compile there, for a second
        nn.init.normal_(weight)
    return nn.Embedding(vocab_size, embedding_size, _weight=weight)


def _layer(config: ModelConfig, input_size: int) -> nn.Module:
    match config.cell:
        case "lstm":
            return nn.LSTM(input_size, config.hidden_size, batch_first=True)
        case "gru":
            return nn.GRU(input_size, config.hidden_size, batch_first=True)
        case _:
            return nn.RNN(
                input_size,
                config.hidden_size,
                nonlinearity=config.nonlinearity,
                batch_first=True,
            )
