"""The recurrent language model: (tokens, state) -> (logits, state). Knows nothing of text.

Shapes: B batch, T time, V vocabulary, E embedding, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chargen.config import ModelConfig

GATES = {"lstm": 4, "gru": 3, "rnn": 1}


@dataclass(frozen=True)
class State:
    """What the network remembers: for each layer its (B, H) tensors, h and, in an LSTM, c."""

    layers: tuple[tuple[Tensor, ...], ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> State:
        return State(tuple(tuple(change(part) for part in layer) for layer in self.layers))

    def detach(self) -> State:
        """The same memory without its history: here the gradient is truncated."""
        return self.map(Tensor.detach)

    def select(self, rows: Tensor) -> State:
        """The states of the given rows of the batch, in that order, repeated as asked."""
        return self.map(lambda part: part[rows])

    def reset(self, rows: Tensor) -> State:
        """The same state, zero where the (B,) boolean `rows` says so."""
        return self.map(lambda part: part.masked_fill(rows[:, None], 0))


class LanguageModel(nn.Module):
    """Embedding, stacked recurrent layers with dropout after each, and a linear read-out.

    Cells: `rnn` (Elman 1990), `lstm` (Hochreiter and Schmidhuber 1997, with forget gates), `gru`
    (Cho et al. 2014). Layers are stacked one by one, so that dropout draws from torch's own random
    state, which can be saved, and not from cuDNN's.
    """

    seen: Tensor

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, config.embedding_size)
        self.layers = nn.ModuleList(
            _layer(config, config.hidden_size if index else config.embedding_size)
            for index in range(config.num_layers)
        )
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
        return self.head(x), state  # (B, T, V)

    def read(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """`forward` short of the read-out: the top layer's output at every place, (B, T, H)."""
        x = self.embedding(tokens)  # (B, T, E)
        after = []
        for layer, before in zip(self.layers, state.layers, strict=True):
            x, memory = self._recur(layer, x, before)  # (B, T, H)
            x = F.dropout(x, self.config.dropout, self.training)
            after.append(memory)
        return x, State(tuple(after))

    def start_from_counts(self, counts: Tensor) -> None:
        """Begin as the best memoryless model of tokens that stand in the text `counts` (V,) times.

        The output bias becomes the log of the smoothed frequency, so that the first steps are not
        spent on learning it.
        """
        smoothed = counts.double() + 1
        with torch.no_grad():
            self.head.bias.copy_((smoothed / smoothed.sum()).log())
            self.seen.copy_(counts > 0)

    def _recur(
        self, layer: nn.Module, x: Tensor, before: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer over (B, T, .); the only place where cells differ is their memory's shape."""
        if self.config.cell == "lstm":
            h, c = before
            x, (h, c) = layer(x, (h[None], c[None]))
            return x, (h[0], c[0])
        x, h = layer(x, before[0][None])
        return x, (h[0],)

    @torch.no_grad()
    def _initialise(self) -> None:
        hidden_size = self.config.hidden_size
        for layer in self.layers:
            for name, parameter in layer.named_parameters():
                gates = parameter.view(GATES[self.config.cell], hidden_size, -1)
                for gate in gates:
                    if name.startswith("weight_hh"):
                        nn.init.orthogonal_(gate)  # Saxe et al. 2014
                    elif name.startswith("weight_ih"):
                        nn.init.xavier_uniform_(gate)  # Glorot and Bengio 2010
                    else:
                        nn.init.zeros_(gate)
                if self.config.cell == "lstm" and name.startswith("bias_ih"):
                    # Forget-gate bias 1 keeps early gradients alive (Jozefowicz et al. 2015).
                    gates[1].fill_(1)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if self.config.tie_weights:
            # One matrix reads and writes tokens (Press and Wolf 2017).
            self.embedding.weight = self.head.weight


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
