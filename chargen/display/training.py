"""What people see of a training: progress, numbers, curves and a fresh sample, or JSON lines.

Events come in; nothing is computed that another module could want.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from chargen.display.asking import ask_who
from chargen.display.console import console, in_lines, print_json, redrawn_in_place
from chargen.display.losses import LossCurves
from chargen.display.numbers import clock
from chargen.display.text import TEXT_STYLE
from chargen.display.training_lines import (
    advice_line,
    choice_value,
    closing,
    curves,
    fact_lines,
    headline,
    how_to_resume,
    metrics,
    plan_table,
    progress_line,
    setback,
)
from chargen.display.wrapping import flow
from chargen.errors import in_flags, in_python
from chargen.reprs import printable
from chargen.runtime.signals import has_terminal

if TYPE_CHECKING:  # types alone: the display needs no torch
    from chargen.data.roles import AskMe
    from chargen.training.events import EvalReport, Event, StepReport
    from chargen.training.run import Run, TrainReport


class View:
    """Shows a run; this one shows nothing."""

    def preparing(self, doing: str, share: float) -> None:
        """What is being done to the text, and the share that is done."""

    @property
    def ask_me(self) -> AskMe | None:
        """Asks who of a chat's people the user is, where there is somebody to answer."""
        return None

    def begin(self, run: Run) -> None:
        """The first step is about to be taken."""

    def advise(self, advice: Sequence[str]) -> None:
        """What another option would do better."""

    def show(self, event: Event) -> None:
        """Something happened."""

    def end(self, report: TrainReport, stopped: bool) -> None:
        """The run is over, or was stopped and can go on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The terminal is left as it was found."""


def training_view(as_json: bool, shown: bool = True, in_python: bool = False) -> View:
    """JSON lines, a live display, or plain lines where stdout is no terminal. How to go on after it
    is said for the command line, or as `in_python`."""
    if not shown:
        return View()
    if as_json:
        return JsonView()
    out = console()
    is_live = out.is_terminal and not out.is_dumb_terminal
    return LiveView(out, in_python) if is_live else PlainView(out, in_python)


class JsonView(View):
    """One JSON line an event on stdout; what people want to know goes to stderr."""

    def begin(self, run: Run) -> None:
        for note in run.corpus.notes:
            print_json({"event": "note", "text": note})
        if run.plan:
            print_json({"event": "plan", "choices": [asdict(choice) for choice in run.plan]})

    def advise(self, advice: Sequence[str]) -> None:
        for line in advice:
            console(stderr=True).print(advice_line(line), soft_wrap=True)

    def show(self, event: Event) -> None:
        print_json({"event": event.kind} | asdict(event))

    def end(self, report: TrainReport, stopped: bool) -> None:
        print_json({"event": "interrupted" if stopped else "done"} | asdict(report))
        if stopped:
            console(stderr=True).print(how_to_resume(report), soft_wrap=True)


class PlainView(View):
    """A line for each evaluation, for logs and pipes."""

    def __init__(self, out: Console, in_python: bool = False) -> None:
        self._out, self._in_python = out, in_python
        self._pace = Pace(5.0)
        self._report: StepReport | None = None

    def preparing(self, doing: str, share: float) -> None:
        if self._pace.due():
            self._print(f"{doing} {share:.0%}")

    def begin(self, run: Run) -> None:
        for note in run.corpus.notes:
            self._print(printable(note))
        what, facts = headline(run, in_python if self._in_python else in_flags)
        self._print(what.plain)
        self._print(fact_lines(facts, 1000).plain)
        for choice in run.plan:
            self._print(f"  {choice.name} {choice_value(choice.value)}: {choice.reason}")

    def advise(self, advice: Sequence[str]) -> None:
        for line in advice:
            self._print(advice_line(line).plain)

    def show(self, event: Event) -> None:
        if event.kind == "step":
            self._report = event
        elif event.kind == "eval":
            line = "  ".join(f"{name} {value}" for name, value, _ in metrics(event, self._report))
            left = self._report.seconds_left if self._report else None
            self._print(line if left is None else f"{line}  {clock(left)} left")
        elif event.kind in ("rollback", "memory", "replan"):
            self._print(setback(event))

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._print(closing(report, stopped, self._in_python).plain)

    def _print(self, line: str) -> None:
        self._out.print(line, soft_wrap=True)
        self._out.file.flush()


class Pace:
    """Says when so many seconds have passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


class LiveView(View):
    """Progress, numbers, curves and a fresh sample, redrawn in place."""

    def __init__(self, out: Console, in_python: bool = False) -> None:
        self._out, self._in_python = out, in_python
        self._live = Live(console=out, auto_refresh=False, vertical_overflow="crop")
        self._head: tuple[Text, list[Text]] | None = None
        self._report: StepReport | None = None
        self._evaluation: EvalReport | None = None
        self._pace = Pace(0.1)
        self._shown = ExitStack()
        self._width: int | None = out.width  # that was drawn for; None: something else was drawn
        self._curves = LossCurves()

    def preparing(self, doing: str, share: float) -> None:
        if self._pace.due():
            self._draw(Text(f"{doing} {share:.0%}", style="dim"))

    @property
    def ask_me(self) -> AskMe | None:
        # Somebody's program in Python is not stopped to be asked.
        is_answered = not self._in_python and sys.stdin is not None and sys.stdin.isatty()
        return self._ask if is_answered else None

    def _ask(self, names: Sequence[str], suggested: str) -> str:
        """Below what is shown, which goes on afterwards. Raises KeyboardInterrupt."""
        self._live.stop()
        try:
            return ask_who(self._out, names, suggested)
        finally:
            self._live.start()
            self._forget_width()

    def begin(self, run: Run) -> None:
        for note in run.corpus.notes:
            self._live.console.print(Text(printable(note), "cyan"))
        if run.plan:
            self._live.console.print(plan_table(run.plan))
        self._head = headline(run, in_python if self._in_python else in_flags)
        for past in run.trainer.history:
            self._remember(past)
        self._draw(self._render())

    def advise(self, advice: Sequence[str]) -> None:
        for line in advice:
            self._live.console.print(advice_line(line))

    def show(self, event: Event) -> None:
        if event.kind == "step":
            self._report = event
            self._curves.add_step(event)
        elif event.kind == "eval":
            self._remember(event)
        elif event.kind in ("rollback", "memory", "replan"):
            self._live.console.print(Text(setback(event), "yellow"))
        self._draw(self._render())

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._live.stop()
        *came_of_it, how_to_go_on = closing(report, stopped, self._in_python).split("\n")
        self._out.print(*came_of_it, sep="\n", end="\n" if came_of_it else "")
        self._out.print(how_to_go_on, soft_wrap=True)  # to be copied

    def __enter__(self) -> Self:
        self._shown.enter_context(redrawn_in_place(self._out, self._forget_width))
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._shown.close()

    def _forget_width(self) -> None:
        self._width = None

    def _draw(self, shown: RenderableType) -> None:
        """In place of what was drawn before, if that is still where it was."""
        if not has_terminal():
            return
        if self._width != self._out.width:
            # Lines were broken anew or others were written: all of it goes up, out of the way.
            self._out.file.write("\n" * self._out.height + "\x1b[H")
            self._width = self._out.width
        self._live.update(shown, refresh=True)

    def _remember(self, event: EvalReport) -> None:
        self._evaluation = event
        self._curves.add_evaluation(event)

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._head is not None:
            what, facts = self._head
            parts += [what, fact_lines(facts, self._out.width), Text()]
        if self._report is not None:
            parts += [progress_line(self._report, self._out.width), self._numbers_line()]
        train = self._curves.train
        if len(train) > 1:
            height = 8 if self._out.height >= 30 else 5
            parts += [Text(), curves(train, self._curves.valid, self._out.width, height)]
        if self._evaluation is not None and self._evaluation.sample:
            sample = Text(in_lines(self._evaluation.sample), TEXT_STYLE, overflow="fold")
            lines = sample.wrap(self._out, max(10, self._out.width - 4))[:4]
            parts += [Text(), Padding(Text("\n").join(lines), (0, 0, 0, 2))]
        return Group(*parts)

    def _numbers_line(self) -> Text:
        found = metrics(self._evaluation, self._report)
        parts = [Text.assemble((f"{name} ", "dim"), (value, style)) for name, value, style in found]
        return flow(parts, "  ", self._out.width)
