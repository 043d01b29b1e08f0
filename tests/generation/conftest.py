"""What tests of generation share."""

from __future__ import annotations

import pytest
from torch import Tensor

from chargen.nn.torch_engine import Engine, StepBuffers


@pytest.fixture
def row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of one row each: those of several give logits that differ in their last digits, as the
    CPU has it, which may tip a sampled token."""
    step = Engine.step

    def each_row(engine: Engine, tokens: Tensor, buffers: StepBuffers) -> Tensor:
        for row in range(len(tokens)):
            at = slice(row, row + 1)
            alone = engine.start(buffers.state.select(at))
            buffers.logits[at] = step(engine, tokens[at], alone)
            for part, after in zip(buffers.state.parts(), alone.state.parts(), strict=True):
                part[at] = after
        return buffers.logits

    monkeypatch.setattr(Engine, "step", each_row)
