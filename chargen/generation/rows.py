"""Rows of a step that come and go: each what the network remembers of one text, and the token that
it reads next. Knows no texts.

Shapes: B rows, V vocabulary, P parts of the state, H hidden.
"""

from __future__ import annotations

import numpy as np

from chargen.nn.engine import Engine, Floats, State, Stepper, initial_state

SLACK = 8  # up to one row in so many stands idle before a step gets smaller


class StepRows:
    """Of the steps of one network, `capacity` rows at most, independent of each other."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine, self._capacity = engine, capacity
        size = self._size(0)
        self.tokens = np.zeros(size, np.int64)  # (B,) that the next step reads
        self._stepper: Stepper = engine.start(initial_state(engine.config, size), independent=True)

    def set(self, row: int, state: State, token: int) -> None:
        """Go on in this row after a (1, P, H) state, by this token."""
        self._stepper.set_row(row, state)
        self.tokens[row] = token

    def state(self, row: int) -> State:
        """(1, P, H) of a row, before its token."""
        return self._stepper.row(row)

    def move(self, row: int, to: int) -> None:
        """A row takes the place of another one."""
        self.set(to, self._stepper.row(row), self.tokens.item(row))

    def step(self) -> Floats:
        """(B, V) logits of what follows the tokens."""
        return self._stepper.step(self.tokens)

    def resize(self, count: int) -> None:
        """Make room in a step for so many rows, and not for many more: each costs."""
        size, needed = len(self.tokens), self._size(count)
        if needed <= size <= needed + max(needed // SLACK, self._size(1)):
            return
        kept = min(size, needed)
        state = initial_state(self._engine.config, needed)
        state[:kept] = self._stepper.state[:kept]
        tokens = np.zeros(needed, np.int64)
        tokens[:kept] = self.tokens[:kept]
        self.tokens = tokens
        self._stepper = self._engine.start(state, independent=True)

    def _size(self, count: int) -> int:
        """How many rows a step has that is to have room for so many."""
        group = self._engine.row_group
        if group is None:
            return self._capacity
        return -(-max(count, 1) // group) * group
