"""What is shown: harmless text, numbers in few digits, JSON that every reader knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.display.terminal import clock, count, print_json, printable


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown if c not in "\n\t")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (65.4, "1:05"), (3599.9, "1:00:00"), (7384, "2:03:04")]
)
def test_time_is_spelled_shortly(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(473, "473"), (1_115_394, "1.12 M"), (999_600, "1 M"), (3e12, "3 T")]
)
def test_numbers_are_spelled_in_three_digits(number: float, shown: str) -> None:
    assert count(number) == shown


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "b": "é"})
    assert capsys.readouterr().out == '{"a": [null, 1.5], "b": "é"}\n'
