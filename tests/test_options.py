"""What an option is: its value read from text, its limits, its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.config import SampleConfig
from chargen.errors import ConfigError, escape
from chargen.options import (
    Config,
    build_config,
    choices_of,
    field_types,
    help_of,
    option,
    parse,
    unescape,
)


@dataclass(frozen=True, kw_only=True)
class Kite(Config):
    length: int = option(3, "of its tail", at_least=1, at_most=9)
    weight: float | None = option(None, "in grams", above=0, below=10)
    colour: str = option("red", "of its sail", choices=("red", "blue"))


def test_an_option_is_all_that_surfaces_need() -> None:
    assert field_types(Kite) == {"length": (int, False), "weight": (float, True),
                                 "colour": (str, False)}  # fmt: skip
    assert help_of(Kite, "weight") == "in grams"
    assert (choices_of(Kite, "colour"), choices_of(Kite, "length")) == (("red", "blue"), ())


@pytest.mark.parametrize("good", [{"length": 1}, {"length": 9}, {"weight": 9}, {"weight": None}])
def test_what_is_within_its_limits_is_taken(good: dict[str, Any]) -> None:
    assert vars(build_config(Kite, good)) == vars(Kite()) | good


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"length": 10},
        {"length": None},
        {"weight": 0},
        {"weight": 10},
        {"weight": "1"},
        {"colour": "green"},
    ],
)
def test_an_error_knows_the_option_to_blame(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        build_config(Kite, wrong)
    assert [raised.value.option] == list(wrong)
    assert raised.value.message.startswith("must be ")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("temperature", "0.7", 0.7), ("top_k", "off", None), ("top_k", "5", 5), ("stop", "x", ("x",)),
     ("stop", "off", ())],
)  # fmt: skip
def test_text_is_read_as_the_type_of_its_option(name: str, text: str, value: object) -> None:
    assert parse(SampleConfig, name, text) == value


@pytest.mark.parametrize(("name", "text"), [("temperature", "warm"), ("top_k", "2.5"), ("x", "1")])
def test_text_of_another_type_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError):
        parse(SampleConfig, name, text)


def test_choices_are_understood_in_capitals() -> None:
    assert build_config(SampleConfig, {"until": "LINE"}).until == "line"


def test_a_choice_that_is_none_is_told_its_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"must be one of red, blue, not 'reed'; did you mean red\?"
    ):
        build_config(Kite, {"colour": "reed"})


@given(st.text("\\nrt\n\r\ta", max_size=8))
def test_an_escaped_text_is_read_as_itself(text: str) -> None:
    typed = escape(text)
    assert not set(typed) & set("\n\r\t")
    assert unescape(typed) == text


def test_other_backslashes_are_themselves() -> None:
    assert unescape(r"\d\n\\n\\") == "\\d\n\\n\\"
