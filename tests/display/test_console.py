"""What reaches a terminal is harmless, and JSON is such as every reader knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargen.display.console import in_one_line, print_json
from chargen.reprs import printable


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown if c not in "\n\t")


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    assert len(in_one_line(text)) == len(text)
    assert not {"\n", "\t", *"\u2028\u2029"} & set(in_one_line(text))


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "b": "é"})
    assert capsys.readouterr().out == '{"a": [null, 1.5], "b": "é"}\n'
