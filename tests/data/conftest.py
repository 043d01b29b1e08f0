"""What several modules read: a text of many parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.data import encoding
from chargen.runtime import workers as processes
from tests.support.texts import write


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A text of many parts, in a cache of its own."""
    monkeypatch.setattr(encoding, "PART_BYTES", 1000)
    monkeypatch.setattr(processes, "cores", lambda: 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines = [f"{n} is é, 漢 or 🍓\r\n" + "\r\n" * (n % 9 == 0) for n in range(700)]
    return write(tmp_path, "many.txt", "".join(lines))
