"""Sessions over characters, and over characters and subwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.session.session import Session
from tests.support.sessions import (
    KINDS,
    seeded,
)


@pytest.fixture(params=KINDS)
def session(request: pytest.FixtureRequest) -> Session:
    return seeded(request.getfixturevalue(request.param))


@pytest.fixture
def talk(checkpoint: Path) -> Session:
    """Over characters."""
    return seeded(checkpoint)


@pytest.fixture(scope="module")
def folders(checkpoint: Path, subword_checkpoint: Path) -> list[Path]:
    return [checkpoint, subword_checkpoint]
