"""A wrong value changes nothing, and settings that wait are not lost."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from chargen.checkpoint.filing import set_sampling
from chargen.config import CHAT_TEMPERATURE, SampleConfig, SamplingDefaults
from chargen.errors import ChargenError
from chargen.session.session import Session
from chargen.session.settings import default_settings
from tests.support.sessions import (
    drain,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1), ("temperature", math.nan), ("temperature", "hot"), ("warmth", 1),
        ("max_tokens", 0), ("max_tokens", 2**70), ("stop", ("",)), ("stop", 7), ("until", "page"),
        ("beams", 0), ("seed", 2**63), ("heal", 1), ("regex", "("), ("regex", "\u03a9+"),
        ("charset", "z-a"), ("ban", ("no token holds this",)),
        ("ban", tuple(map(chr, range(1, 0x250)))), ("min_chars", 99), ("regex", ""),
        ("no_repeat_ngram", 300), ("length_penalty", -1),
    ],
)  # fmt: skip
def test_a_wrong_value_changes_nothing(talk: Session, name: str, value: object) -> None:
    talk.change("max_chars", 50)
    drain(talk.answer("The"), 3)
    settings, now = dict(talk.settings), talk.now
    with pytest.raises(ChargenError):
        talk.change(name, value)
    assert talk.settings == settings
    assert talk.now is now


def test_settings_go_back_to_their_defaults(talk: Session) -> None:
    talk.change("charset", "a-z")
    talk.change("beams", 3)
    talk.change("length_penalty", 1)
    talk.reset_settings()
    assert talk.settings == asdict(SampleConfig())
    assert talk.config == SampleConfig()


def test_beams_put_the_settings_of_drawing_aside(talk: Session) -> None:
    talk.change("temperature", 0.7)
    talk.change("beams", 3)
    assert talk.config == SampleConfig(beams=3, max_tokens=40)
    talk.change("length_penalty", 1)
    talk.change("beams", None)
    assert talk.config == SampleConfig(temperature=0.7, seed=7, max_tokens=40)


def test_defaults_are_those_of_the_model_and_the_mode(folder: Path) -> None:
    assert default_settings() == asdict(SampleConfig())
    session = Session(folder)
    assert (session.now.mode, session.settings["temperature"]) == ("complete", 1.0)
    session.enter("chat")
    assert session.settings["temperature"] == CHAT_TEMPERATURE
    session.change("temperature", 0.9)
    session.enter("complete")
    assert session.settings["temperature"] == 0.9, "what the user has set stays"
    session.reset_settings()
    assert session.settings == default_settings()

    set_sampling(folder, SamplingDefaults(temperature=0.5, stop=("x",), mode="chat"))
    session = Session(folder)
    assert session.now.mode == "chat"
    assert session.settings == default_settings() | {"temperature": 0.5, "stop": ("x",)}
    assert session.config.stop == ("x", "\nYou:", "\nBot:", "\n\n")
    assert Session(folder, mode="story").now.mode == "story"


def test_a_saved_session_knows_what_its_user_has_set(folder: Path, tmp_path: Path) -> None:
    session = Session(folder, mode="chat")
    session.change("top_k", 5)
    session.save(tmp_path / "saved")
    opened = Session(folder)
    opened.open(tmp_path / "saved")
    assert opened.settings == session.settings
    opened.enter("complete")
    assert opened.settings == default_settings() | {"top_k": 5}


def test_characters_are_as_many_as_are_asked_for(talk: Session) -> None:
    talk.change("max_tokens", None)
    talk.change("max_chars", 300)
    talk.change("min_chars", 300)
    assert len(drain(talk.answer("The"))) == 300


def test_a_setting_is_kept_as_configs_have_it(talk: Session) -> None:
    """However Python people write it: a stop text is no row of characters."""
    talk.change("stop", "ab")
    talk.change("ban", ["G"])
    talk.change("top_k", np.int64(5))
    assert talk.settings["stop"] == ("ab",) and talk.settings["ban"] == ("G",)
    assert type(talk.settings["top_k"]) is int
    talk.enter("chat")
    assert talk.config.stop[0] == "ab"
    talk.change("beams", 2)
    assert (talk.settings["beams"], talk.settings["top_k"]) == (2, 5)
