"""The cache says what to do where it cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.data.cache import cache_folder
from chargen.errors import CorpusError
from tests.support.texts import write


def test_an_unwritable_cache_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(write(tmp_path, "a file", "x")))
    with pytest.raises(CorpusError, match="set XDG_CACHE_HOME"):
        cache_folder()
