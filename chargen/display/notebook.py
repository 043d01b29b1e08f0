"""A training as a notebook shows it: one line that changes in place, and the curves below it.

By IPython's display alone, without widgets; nothing of IPython is imported outside its kernels.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chargen.display.losses import LossCurves, Points, finite, loss_range
from chargen.display.numbers import clock
from chargen.display.training import Pace, View
from chargen.display.training_lines import advice_line, closing, headline, metrics, setback
from chargen.errors import in_python
from chargen.reprs import printable

if TYPE_CHECKING:  # types alone: the display needs no torch
    from chargen.training.events import EvalReport, Event, StepReport
    from chargen.training.run import Run, TrainReport

Display = Callable[..., Any]  # IPython.display.display
WIDTH, HEIGHT = 480, 110  # of the curves
TRAIN_COLOUR, VALID_COLOUR = "#1793a8", "#c98a12"  # legible on white and on black
DIM = 'style="opacity:.65"'


def notebook_display() -> Display | None:
    """IPython's display where this is one of its kernels, as below a notebook; else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return display


class NotebookView(View):
    """Shows a run in the output of a cell."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._handle: Any = None  # of what is shown, once anything is
        self._pace = Pace(0.5)
        self._head, self._last = "", ""
        self._notes: list[str] = []
        self._curves = LossCurves()
        self._report: StepReport | None = None
        self._evaluation: EvalReport | None = None

    def preparing(self, doing: str, share: float) -> None:
        if self._pace.due():
            self._draw(f"{doing} {share:.0%}")

    def begin(self, run: Run) -> None:
        what, facts = headline(run, in_python)
        self._head = "\n".join([what.plain, " \u00b7 ".join(fact.plain for fact in facts)])
        for past in run.trainer.history:
            self._remember(past)
        self._draw(self._line())

    def show(self, event: Event) -> None:
        if event.kind == "step":
            self._report = event
            self._curves.add_step(event)
            if not self._pace.due():
                return
        elif event.kind == "eval":
            self._remember(event)
        elif event.kind in ("rollback", "memory", "replan"):
            self._notes.append(setback(event))
        self._draw(self._line())

    def advise(self, advice: Sequence[str]) -> None:
        self._notes += [advice_line(line).plain for line in advice]
        if advice:
            self._draw(self._last)

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._draw(closing(report, stopped, in_python=True).plain)

    def _remember(self, event: EvalReport) -> None:
        self._evaluation = event
        self._curves.add_evaluation(event)

    def _line(self) -> str:
        parts = [f"{name} {value}" for name, value, _ in metrics(self._evaluation, self._report)]
        if self._report is not None:
            parts.insert(0, f"{self._report.progress:.0%}")
            if self._report.seconds_left is not None:
                parts.insert(1, f"{clock(self._report.seconds_left)} left")
        return " \u00b7 ".join(parts)

    def _draw(self, line: str) -> None:
        """In place of what was shown before."""
        self._last = line
        lines = [(self._head, DIM), *((note, DIM) for note in self._notes), (line, "")]
        shown = "".join(_paragraph(text, style) for text, style in lines if text)
        shown += curves_svg(self._curves.train, self._curves.valid)
        data = {"text/plain": line, "text/html": shown}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def _paragraph(text: str, style: str) -> str:
    return f"<div {style}>" + html.escape(printable(text)).replace("\n", "<br/>") + "</div>"


def curves_svg(train: Points, valid: Points) -> str:
    """Both curves as a picture whose words take the colour of the page; nothing where there are
    not two points yet."""
    train, valid = finite(train), finite(valid)
    if len(train) < 2:
        return ""
    low, high = loss_range(train, valid)
    label = 48  # units at the left, for the losses
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 18}" width="{WIDTH}" style="max-width:100%" '
        'role="img" aria-label="loss curves" fill="none" stroke-width="1.5" '
        'stroke-linejoin="round" font-size="11" font-family="monospace">'
    ]
    for points, colour in ((train, TRAIN_COLOUR), (valid, VALID_COLOUR)):
        places = [
            f"{label + place * (WIDTH - label - 4):.1f},"
            f"{4 + (HEIGHT - 8) * (1 - min(1.0, max(0.0, (loss - low) / (high - low)))):.1f}"
            for place, loss in points
        ]
        parts.append(f'<polyline points="{" ".join(places)}" stroke="{colour}"/>')
        if points is valid:  # also where there is but one
            parts += [
                f'<circle cx="{place.split(",")[0]}" cy="{place.split(",")[1]}" r="2.5" '
                f'fill="{colour}"/>'
                for place in places
            ]
    words = [
        (0, 12, "currentColor", f"{high:.3g}"),
        (0, HEIGHT, "currentColor", f"{low:.3g}"),
        (label, HEIGHT + 14, TRAIN_COLOUR, "train"),
        (label + 50, HEIGHT + 14, VALID_COLOUR, "validation" if valid else ""),
        (label + 130, HEIGHT + 14, "currentColor", "nats per token"),
    ]
    parts += [f'<text x="{x}" y="{y}" fill="{fill}">{text}</text>' for x, y, fill, text in words]
    return "".join([*parts, "</svg>"])
