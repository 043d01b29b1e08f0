"""Numbers are spelled in few digits."""

from __future__ import annotations

import pytest

from chargen.display.numbers import clock, count, percent


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


@pytest.mark.parametrize(
    ("share", "shown"), [(1, "100.0%"), (0.1234, "12.3%"), (0.00056, "0.056%"), (0, "0%")]
)
def test_a_small_probability_is_not_rounded_away(share: float, shown: str) -> None:
    assert percent(share) == shown
