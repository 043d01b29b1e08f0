"""The cache says what to do where it cannot be used, and is used only where it is needed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from chargen.config import CorpusConfig
from chargen.data.cache import cache_folder, open_sources
from chargen.errors import CorpusError
from tests.support.texts import write


def test_an_unwritable_cache_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(write(tmp_path, "a file", "x")))
    with pytest.raises(CorpusError, match="set XDG_CACHE_HOME"):
        cache_folder()


def test_without_a_home_there_is_no_folder_called_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where nobody knows the user
    with pytest.raises(CorpusError, match=r"no home folder.*set XDG_CACHE_HOME"):
        cache_folder()
    assert not list(tmp_path.iterdir())


def test_a_plain_file_needs_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(write(tmp_path, "a file", "x")))
    with open_sources([write(tmp_path, "a.txt", "text")], CorpusConfig()) as texts:
        [source] = texts.sources
        assert (source.name, source.size) == ("a.txt", 4)
    packed = write(tmp_path, "a.txt.gz", gzip.compress(b"text"))
    with (
        pytest.raises(CorpusError, match="set XDG_CACHE_HOME"),
        open_sources([packed], CorpusConfig()),
    ):
        pass
