"""Charts in a terminal: lines where their numbers are, gaps where there are none."""

from __future__ import annotations

import math

import pytest

from chargen.display.insight import _drawn, show_finding
from chargen.insight.charts import Chart, Line
from chargen.lab.finding import Finding


def drawn(*lines: Line, log_y: bool = False, width: int = 28) -> list[str]:
    return _drawn(Chart("", "x", "y", lines, log_y=log_y), width, 2).plain.splitlines()


def test_a_chart_has_its_numbers_and_names() -> None:
    top, bottom, axis, names = drawn(Line("one", [1, 2], [0.5, 3]), Line("two", [1, 2], [1, 1]))
    assert top.strip().startswith("3 ") and bottom.strip().startswith("0.5 ")
    assert axis.split() == ["1", "x", "2"]
    assert names.split() == ["one", "two"]


def test_what_is_no_number_is_a_gap() -> None:
    whole = drawn(Line("", [0, 1, 2, 3, 4], [1, 1, 1, 1, 2]))
    gap = drawn(Line("", [0, 1, 2, 3, 4], [1, math.nan, math.inf, 1, 2]))
    assert " " in gap[1][8:] and " " not in whole[1][8:23]
    assert drawn(Line("", [1, 2], [0, -1]), log_y=True) == ["nothing to plot: no number is finite"]


def test_one_point_is_named_once() -> None:
    assert drawn(Line("", [7], [1]))[2].split() == ["7", "x"]


def test_no_word_of_a_table_is_broken_where_all_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = (
        "beginning",
        "letter asked about",
        "its share of the words",
        "its chance with memory",
        "its chance, memoryless",
        "with memory says",
        "memoryless says",
    )
    row = ("NAMASKA", "R", 1.0, 0.992, 0.047, "R", "N")
    show_finding(Finding("namaskar", columns, (row,), (), "It says."))
    shown = [*columns, "NAMASKA R 1 0.992 0.047 R N", "It says."]
    assert sorted(capsys.readouterr().out.split()) == sorted(" ".join(shown).split())
