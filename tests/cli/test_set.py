"""How a checkpoint is sampled where nobody says otherwise is shown and changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chargen.checkpoint.metadata import read_metadata
from chargen.config import SamplingDefaults
from tests.support.command import Chargen


@pytest.fixture
def own(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "checkpoints" / "own"))


def test_what_is_set_is_kept_shown_and_removed(run_chargen: Chargen, own: Path) -> None:
    for words, expected in (
        (["temperature", "0.5"], SamplingDefaults(temperature=0.5)),
        (["stop", "\\nYou:", "."], SamplingDefaults(temperature=0.5, stop=("\nYou:", "."))),
        (["temperature=0.5"], SamplingDefaults(temperature=0.5, stop=("\nYou:", "."))),
        (["mode", "Chat"], SamplingDefaults(temperature=0.5, stop=("\nYou:", "."), mode="chat")),
        (["temperature", "default"], SamplingDefaults(stop=("\nYou:", "."), mode="chat")),
        (["min_p", "0.1"], SamplingDefaults(min_p=0.1, stop=("\nYou:", "."), mode="chat")),
    ):
        assert run_chargen("set", "own", *words).returncode == 0
        assert read_metadata(own).sampling == expected
    assert run_chargen("set", "own").stdout.split() == [
        "temperature", "default", "min_p", "0.1", "stop", "'\\nYou:'", "'.'", "mode", "chat",
    ]  # fmt: skip
    assert run_chargen("set", "own", "mode").stdout.split() == ["mode", "chat"]
    assert json.loads(run_chargen("set", "own", "--json").stdout) == {
        "temperature": None, "min_p": 0.1, "stop": ["\nYou:", "."], "mode": "chat",
    }  # fmt: skip
    assert "min_p 0.1, stop '\\nYou:' '.', mode chat" in run_chargen("info", "own").stdout
    facts = json.loads(run_chargen("info", "own", "--json").stdout)
    assert facts["sampling"] == {"min_p": 0.1, "stop": ["\nYou:", "."], "mode": "chat"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tempratur", "1"], "did you mean temperature?"),
        (["temp=1"], "did you mean temperature?"),
        (["temperature", "hot"], "chargen: temperature must be a number, not 'hot'"),
        (["temperature", "-1"], "temperature must be at least 0"),
        (["temperature", "1", "2"], "temperature is one value, not 2"),
        (["mode", "sing"], "mode must be one of complete, story, chat"),
        (["stop", ""], "stop must not be empty"),
    ],
)
def test_a_wrong_value_changes_nothing(
    run_chargen: Chargen, own: Path, words: list[str], says: str
) -> None:
    before = (own / "config.json").read_bytes()
    done = run_chargen("set", "own", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert (own / "config.json").read_bytes() == before
