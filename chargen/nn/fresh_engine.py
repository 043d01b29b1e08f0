"""An engine whose state begins anew where a document ends: for models that learned so.

Shapes: B rows, T tokens, V vocabulary, H hidden, P parts of the state.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chargen.nn.engine import Engine, Floats, State, Stepper, initial_state
from chargen.tokenizers.base import Tokens


class FreshEngine:
    """Another engine, which has forgotten all that it read before it reads the `end` token."""

    def __init__(self, engine: Engine, end: int) -> None:
        self.config = engine.config
        self.vocab_size = engine.vocab_size
        self.seen = engine.seen
        self.threads = engine.threads
        self._engine = engine
        self._end = end

    @property
    def row_group(self) -> int | None:
        return self._engine.row_group

    def start(self, state: State, *, independent: bool = False) -> Stepper:
        stepper = self._engine.start(state, independent=independent)
        return FreshStepper(stepper, self._end, initial_state(self.config))

    def read(
        self, tokens: Tokens, state: State, *, independent: bool = False
    ) -> tuple[Floats, State]:
        ends = tokens == self._end  # (B, T)
        cuts = np.flatnonzero(ends[:, 1:].any(axis=0)) + 1
        outputs = []
        for start, stop in pairwise([0, *cuts.tolist(), tokens.shape[1]]):
            state = np.where(ends[:, start, None, None], np.float32(0), state)
            some, state = self._engine.read(tokens[:, start:stop], state, independent=independent)
            outputs.append(some)  # (B, t, H)
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1), state

    def output_logits(self, outputs: Floats) -> Floats:
        return self._engine.output_logits(outputs)


class FreshStepper:
    """Steps of such an engine; `start` is the state of a document's beginning, (1, P, H)."""

    def __init__(self, stepper: Stepper, end: int, start: State) -> None:
        self._stepper = stepper
        self._end = end
        self._start = start

    @property
    def state(self) -> State:
        return self._stepper.state

    def step(self, tokens: Tokens) -> Floats:
        for row in np.flatnonzero(tokens == self._end).tolist():
            self._stepper.set_row(row, self._start)
        return self._stepper.step(tokens)

    def row(self, index: int) -> State:
        return self._stepper.row(index)

    def set_row(self, index: int, state: State) -> None:
        self._stepper.set_row(index, state)
