"""What tests of generation share."""

from __future__ import annotations

import numpy as np
import pytest

from chargen.nn.engine import Floats, State
from chargen.nn.numpy_engine import NumpyEngine
from chargen.tokenizers.base import Tokens


@pytest.fixture
def row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of one row each: those of several give logits that differ in their last digits, as the
    CPU has it, which may tip a sampled token."""
    start = NumpyEngine.start

    class RowByRow:
        def __init__(self, engine: NumpyEngine, state: State) -> None:
            self._rows = [start(engine, row[None]) for row in state]

        @property
        def state(self) -> State:
            return np.concatenate([row.state for row in self._rows])

        def step(self, tokens: Tokens) -> Floats:
            pairs = zip(self._rows, tokens, strict=True)
            return np.concatenate([row.step(np.array([token])) for row, token in pairs])

    monkeypatch.setattr(NumpyEngine, "start", lambda engine, state: RowByRow(engine, state))
