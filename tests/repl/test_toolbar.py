"""What a session samples with stands below the prompt, however narrow the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.repl.toolbar import toolbar
from chargen.session.session import Session


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_toolbar_fits(checkpoint: Path, columns: int) -> None:
    session = Session(checkpoint)
    session.change("seed", 2**63 - 1)
    session.change("top_p", 0.123456789)
    session.learn(True)
    session.tokens_per_second = 123456.7
    assert len(toolbar(session, columns)) < columns
    if columns == 200:
        for part in ("complete", "learning", "temperature 1", "top-p 0.12", "beams off", "seed 9",
                     "123,457 tokens/s", str(checkpoint)):  # fmt: skip
            assert part in toolbar(session, columns)
