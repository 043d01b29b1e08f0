"""What is wrong by itself about a run that is asked for is said before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from chargen.errors import ConfigError
from chargen.training.request import RunRequest, paths_of


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"resume": True, "overwrite": True}, "`resume` and `overwrite` cannot be combined"),
        ({"resume": True, "init_from": "x"}, "`resume` and `init_from` cannot be combined"),
        ({"preset": "small", "init_from": "x"}, "`preset` and `init_from` cannot be combined"),
        ({"replay": ["x"]}, "`replay` needs `init_from`"),
        ({"preset": "huge"}, "must be one of small, medium, large, not 'huge'"),
        ({"options": {"colour": "red"}}, "colour"),
    ],
)
def test_what_cannot_be_combined_is_rejected(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RunRequest(["no such text"], **asked)


@pytest.mark.parametrize("wrong", [None, 5, b"x", ["a", 5]])
def test_a_corpus_is_paths(wrong: object) -> None:
    assert paths_of("a") == paths_of(["a"]) == paths_of(iter(["a"])) == ["a"]
    with pytest.raises(ConfigError, match="corpus must be a path or a list of paths"):
        paths_of(wrong)


def test_choices_are_taken_as_configs_have_them() -> None:
    asked = RunRequest([], options={"cell": "LSTM", "steps": 3}, preset="Small")
    assert (asked.options, asked.preset) == ({"cell": "lstm", "steps": 3}, "small")


def test_the_time_counts_from_when_it_was_asked() -> None:
    first, second = RunRequest([]), RunRequest([])
    assert first.started <= second.started
    assert RunRequest([], started=1.5).started == 1.5
