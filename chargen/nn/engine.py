"""What writing needs of a network: arrays in, arrays out. numpy computes it on a CPU
(numpy_engine.py), torch on a GPU (torch_engine.py).

Both give the logits of LanguageModel to 1e-4. Knows nothing of text, samples nothing.

Shapes: B rows, T tokens, V vocabulary, H hidden, P parts of the state.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from chargen.config import ModelConfig
from chargen.nn.weights import NUM_GATES, Bools
from chargen.tokenizers.base import Tokens

Floats = npt.NDArray[np.float32]
# What the network remembers of B rows, (B, P, H): the h of each layer, from below, then, in an
# LSTM, the c of each. It is never changed in place.
State = Floats

READ_AT_ONCE = 1024  # tokens of a prompt: memory does not grow with it
MAX_TABLE_BYTES = 1 << 28
# torch has an LSTM's gates in the order i, f, g, o; an engine has the three sigmoids together.
LSTM_ORDER = (0, 1, 3, 2)


class Stepper(Protocol):
    """What the network remembers of B rows, and the room in which a step over them works: unlike
    a `State` it is changed in place."""

    @property
    def state(self) -> State:
        """(B, P, H) after the last step: a copy."""

    def step(self, tokens: Tokens) -> Floats:
        """(B,) tokens -> (B, V) logits of the next ones, which the next step may overwrite."""

    def row(self, index: int) -> State:
        """(1, P, H): what is remembered of one row, a copy."""

    def set_row(self, index: int, state: State) -> None:
        """Remember a (1, P, H) state of this row from now on."""


class Engine(Protocol):
    """A network that is ready to write. It has copies of what it was made of: train that no
    further."""

    config: ModelConfig
    vocab_size: int
    seen: Bools  # (V,) which tokens stood in the training text; the others are never sampled
    threads: int  # that may use it at once, where that is faster

    @property
    def row_group(self) -> int | None:
        """Of how many rows a multiple has to be started for `independent` ones; None: always the
        same number."""

    def start(self, state: State, *, independent: bool = False) -> Stepper:
        """For the steps to come after a (B, P, H) `state`. Where they are `independent`, each row
        comes out the same to the last bit wherever it stands and whatever stands beside it; for
        that B must be a multiple of `row_group`."""

    def read(
        self, tokens: Tokens, state: State, *, independent: bool = False
    ) -> tuple[Floats, State]:
        """(B, T) tokens, one at least -> the top layer's output after each, (B, T, H), and the
        state after the last. Rows are `independent` as those of a step are, of reads of the same
        length."""

    def output_logits(self, outputs: Floats) -> Floats:
        """(..., H) outputs of `read` -> (..., V) logits of what comes next."""


def initial_state(config: ModelConfig, rows: int = 1) -> State:
    """(B, P, H) of nothing read yet: all zeros."""
    parts = (2 if config.cell == "lstm" else 1) * config.num_layers
    return np.zeros((rows, parts, config.hidden_size), dtype=np.float32)


def has_table(config: ModelConfig, vocab_size: int) -> bool:
    """Whether what the first layer makes of each token is looked up in a (V, G * H) table. A large
    vocabulary multiplies instead; and where the embedding is added to the output, it must be there.
    """
    adds = config.residual and config.embedding_size == config.hidden_size
    numbers = vocab_size * NUM_GATES[config.cell] * config.hidden_size
    return not adds and 4 * numbers <= MAX_TABLE_BYTES


def read_tokens(engine: Engine, tokens: Tokens, state: State) -> tuple[Floats, State]:
    """Read (N,) tokens, one at least, from a (1, P, H) state on: the top layer's output after the
    last of them, (1, H), and the state there. Memory does not grow with them."""
    for at in range(0, len(tokens), READ_AT_ONCE):
        outputs, state = engine.read(tokens[None, at : at + READ_AT_ONCE], state)  # (1, T, H)
    return outputs[:, -1], state
