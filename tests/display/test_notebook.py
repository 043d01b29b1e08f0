"""A training in a notebook: one output that changes in place, whatever its numbers are."""

from __future__ import annotations

import html
import math
from typing import Any
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from chargen.display.losses import CURVE_PLACES, LossCurves, loss_range
from chargen.display.notebook import NotebookView, curves_svg
from chargen.training.events import Event
from tests.display.test_training import (
    ANY_LOSS,
    REPORT,
    SHARE,
    a_run,
    evaluations,
    events,
    step_report,
)

POINTS = st.lists(st.tuples(SHARE, ANY_LOSS), max_size=5)


class Notebook:
    """What a kernel would be sent."""

    def __init__(self) -> None:
        self.displayed = 0
        self.outputs: list[dict[str, str]] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Notebook:
        assert raw and display_id
        self.displayed += 1
        self.outputs.append(data)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.outputs.append(data)


@given(past=st.lists(evaluations(), max_size=2), happens=events(), stopped=st.booleans())
@example([], [step_report(train_loss=math.nan), step_report(progress=1.0)], False)
def test_any_run_is_one_output_that_changes(
    past: list[Any], happens: list[Event], stopped: bool
) -> None:
    notebook = Notebook()
    with NotebookView(notebook.display) as view:
        view.begin(a_run(past))
        for event in happens:
            view.show(event)
        view.end(REPORT, stopped)
    assert notebook.displayed == 1
    for output in notebook.outputs:
        assert "\n" not in output["text/plain"] or output is notebook.outputs[-1]
        ElementTree.fromstring(f"<p>{output['text/html']}</p>")  # well-formed
    last = notebook.outputs[-1]
    assert ("chargen.train(resume=True" if stopped else "chargen.load(") in last["text/plain"]
    assert "--" not in last["text/plain"]


def test_the_line_says_how_far_it_is() -> None:
    notebook = Notebook()
    view = NotebookView(notebook.display)
    view.begin(a_run([]))
    view._pace._last = -math.inf
    view.show(step_report(progress=0.25, seconds_left=65.0))
    line = notebook.outputs[-1]["text/plain"]
    assert line.startswith("25% \u00b7 1:05 left \u00b7 train 2.000 \u00b7 tokens/s 10,000")
    assert "hidden" not in line and "lstm 256" in notebook.outputs[-1]["text/html"]


def test_names_are_escaped() -> None:
    notebook = Notebook()
    run = a_run([])
    run.corpus.name = "<b>&\x1b[31m"
    NotebookView(notebook.display).begin(run)
    shown = notebook.outputs[-1]["text/html"]
    assert html.escape("<b>&") in shown and "<b>" not in shown and "\x1b" not in shown


@given(train=POINTS, valid=POINTS)
def test_curves_of_any_points_stay_within_the_picture(
    train: list[tuple[float, float]], valid: list[tuple[float, float]]
) -> None:
    drawn = curves_svg(train, valid)
    if sum(math.isfinite(loss) for _, loss in train) < 2:
        assert drawn == ""
        return
    picture = ElementTree.fromstring(drawn)
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for line in picture.iter("polyline"):
        for place in line.attrib["points"].split():
            x, y = map(float, place.split(","))
            assert 0 <= x <= width and 0 <= y <= height


def test_many_reports_are_few_points() -> None:
    curves = LossCurves()
    for step in range(1001):
        curves.add_step(step_report(progress=step / 1000, train_loss=4.0 - step / 1000))
    assert len(curves.train) == CURVE_PLACES + 1
    assert curves.train[0][1] > 3.99 and curves.train[-1] == (1.0, curves.train[-1][1])
    curves.add_step(step_report(train_loss=None))
    assert len(curves.train) == CURVE_PLACES + 1
    low, high = loss_range(curves.train, curves.valid)
    assert low < high <= 4.0
