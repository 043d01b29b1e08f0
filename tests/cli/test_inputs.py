"""What a command line points to."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.cli.inputs import is_file, read_prompt, split_at_commas
from chargen.errors import ConfigError, CorpusError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("red,green", ["red", "green"]),
        (" red, green", [" red", " green"]),
        ('"a,b",c', ["a,b", "c"]),
        ("a\\n,b\\tc", ["a\n", "b\tc"]),
        ("a\nb,c", ["a\nb", "c"]),
        ("a,,b", ["a", "", "b"]),
        ("", []),
    ],
)
def test_texts_are_split_at_commas(text: str, parts: list[str]) -> None:
    assert split_at_commas("choices", text) == parts


def test_a_quote_that_is_not_closed_is_rejected() -> None:
    with pytest.raises(ConfigError, match="`choices` cannot be split at its commas"):
        split_at_commas("choices", '"a,b')


def test_a_prompt_is_given_itself_or_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\n")
    assert read_prompt(None, str(path)) == "café\n"
    assert read_prompt(" red", None) == " red"
    assert read_prompt(None, None) == ""


def test_a_text_is_itself_unless_a_file_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    assert is_file(str(path))
    assert is_file("-")
    assert not is_file("some words")
    assert capsys.readouterr().err == ""
    assert not is_file("nowhere.txt")
    assert "no file nowhere.txt; reading it as text" in capsys.readouterr().err
    with pytest.raises(CorpusError, match="is a folder"):
        is_file(str(tmp_path))
