"""What people see of a training: progress, numbers, curves and a fresh sample, or JSON lines.

Events come in; nothing is computed that another module could want.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chargen.config import DEFAULT_MINUTES
from chargen.display.braille import draw
from chargen.display.terminal import TEXT_STYLE, clock, console, count, print_json, printable

if TYPE_CHECKING:  # types alone: the display needs no torch
    from chargen.training.planner import Choice
    from chargen.training.runs import Run, TrainReport
    from chargen.training.trainer import EvalReport, Event, OutOfMemory, Rollback, StepReport

TRAIN_STYLE = "cyan"
VALID_STYLE = "yellow"
CURVE_PLACES = 148  # along the run: two to a column of the widest curve


class View:
    """Shows a run; this one shows nothing."""

    def preparing(self, doing: str, share: float) -> None:
        """What is being done to the text, and the share that is done."""

    def begin(self, run: Run) -> None:
        """The first step is about to be taken."""

    def show(self, event: Event) -> None:
        """Something happened."""

    def end(self, report: TrainReport, stopped: bool) -> None:
        """The run is over, or was stopped and can go on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The terminal is left as it was found."""


def training_view(as_json: bool, shown: bool = True) -> View:
    """JSON lines, a live display, or plain lines where stdout is no terminal."""
    if not shown:
        return View()
    if as_json:
        return JsonView()
    out = console()
    return LiveView(out) if out.is_terminal and not out.is_dumb_terminal else PlainView(out)


class JsonView(View):
    """One JSON line an event on stdout; what people want to know goes to stderr."""

    def begin(self, run: Run) -> None:
        if run.plan:
            print_json({"event": "plan", "choices": [asdict(choice) for choice in run.plan]})

    def show(self, event: Event) -> None:
        print_json({"event": event.kind} | asdict(event))

    def end(self, report: TrainReport, stopped: bool) -> None:
        print_json({"event": "interrupted" if stopped else "done"} | asdict(report))
        if stopped:
            console(stderr=True).print(_how_to_resume(report), soft_wrap=True)


class PlainView(View):
    """A line for each evaluation, for logs and pipes."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._pace = _Pace(5.0)
        self._report: StepReport | None = None

    def preparing(self, doing: str, share: float) -> None:
        if self._pace.due():
            self._print(f"{doing} {share:.0%}")

    def begin(self, run: Run) -> None:
        for line in _headline(run, 1000):
            self._print(line.plain)
        for choice in run.plan:
            self._print(f"  {choice.name} {_value(choice.value)}: {choice.reason}")

    def show(self, event: Event) -> None:
        if event.kind == "step":
            self._report = event
        elif event.kind == "eval":
            line = "  ".join(f"{name} {value}" for name, value, _ in _numbers(event, self._report))
            left = self._report.seconds_left if self._report else None
            self._print(line if left is None else f"{line}  {clock(left)} left")
        elif event.kind in ("rollback", "memory"):
            self._print(_setback(event))

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._print(_closing(report, stopped).plain)

    def _print(self, line: str) -> None:
        self._out.print(line, soft_wrap=True)
        self._out.file.flush()


class _Pace:
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

    def __init__(self, out: Console) -> None:
        self._out = out
        self._live = Live(console=out, auto_refresh=False, vertical_overflow="crop")
        self._head: list[Text] = []
        self._report: StepReport | None = None
        self._evaluation: EvalReport | None = None
        self._pace = _Pace(0.1)
        # By place along the run: how many reports fell there, and the sum of their losses.
        self._train: dict[int, tuple[int, float]] = {}
        self._valid: list[tuple[float, float]] = []  # (progress, loss)

    def preparing(self, doing: str, share: float) -> None:
        if self._pace.due():
            self._live.update(Text(f"{doing} {share:.0%}", style="dim"), refresh=True)

    def begin(self, run: Run) -> None:
        if run.plan:
            self._live.console.print(plan_table(run.plan))
        self._head = _headline(run, self._out.width)
        for past in run.trainer.history:
            self._remember(past)
        self._live.update(self._render(), refresh=True)

    def show(self, event: Event) -> None:
        if event.kind == "step":
            self._report = event
            place = round(event.progress * CURVE_PLACES)
            reports, total = self._train.get(place, (0, 0.0))
            self._train[place] = (reports + 1, total + event.train_loss)
        elif event.kind == "eval":
            self._remember(event)
        elif event.kind in ("rollback", "memory"):
            self._live.console.print(Text(_setback(event), "yellow"))
        self._live.update(self._render(), refresh=True)

    def end(self, report: TrainReport, stopped: bool) -> None:
        self._live.stop()
        self._out.print(_closing(report, stopped), soft_wrap=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _remember(self, event: EvalReport) -> None:
        self._evaluation = event
        if event.valid_loss is not None:
            self._valid.append((event.progress, event.valid_loss))

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = [*self._head, Text()]
        if self._report is not None:
            parts += [_progress_line(self._report, self._out.width), self._numbers_line()]
        if len(self._train) > 1:
            height = 8 if self._out.height >= 30 else 5
            train = [(p / CURVE_PLACES, total / n) for p, (n, total) in self._train.items()]
            parts += [Text(), curves(train, self._valid, self._out.width, height)]
        if self._evaluation is not None and self._evaluation.sample:
            sample = Text(printable(self._evaluation.sample), TEXT_STYLE, overflow="fold")
            lines = sample.wrap(self._out, max(10, self._out.width - 4))[:4]
            parts += [Text(), Padding(Text("\n").join(lines), (0, 0, 0, 2))]
        return Group(*parts)

    def _numbers_line(self) -> Text:
        numbers = _numbers(self._evaluation, self._report)
        return _flow(
            [Text.assemble((f"{name} ", "dim"), (value, style)) for name, value, style in numbers],
            "  ",
            self._out.width,
        )


def plan_table(plan: Sequence[Choice]) -> Table:
    """What was chosen for the text, the device and the time, and why."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("planned", no_wrap=True)
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column("why", style="dim")
    for choice in plan:
        table.add_row(choice.name, _value(choice.value), choice.reason)
    return table


def _value(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _flow(chunks: Sequence[Text], gap: str, width: int) -> Text:
    """The chunks in lines of at most `width` columns, none of them broken."""
    flown = Text()
    room = width
    for chunk in chunks:
        needed = len(gap) + chunk.cell_len
        if flown and needed > room:
            flown.append("\n")
            room = width - chunk.cell_len
        elif flown:
            flown.append(gap, "dim")
            room -= needed
        else:
            room -= chunk.cell_len
        flown.append_text(chunk)
    return flown


def _headline(run: Run, width: int) -> list[Text]:
    """Which text becomes which model, and how."""
    model, config, corpus = run.model, run.trainer.config, run.corpus
    size = sum(size for _, size, _ in corpus.sources)
    layers = f"{model.config.num_layers} x " if model.config.num_layers > 1 else ""
    if config.steps is not None:
        length = f"{config.steps:,} steps"
    elif config.epochs is not None:
        length = f"{config.epochs:g} epochs"
    else:
        length = f"{config.minutes or DEFAULT_MINUTES:g} min"
    facts = [
        f"{model.config.cell} {layers}{model.config.hidden_size}",
        f"{count(model.num_parameters)} parameters",
        f"{corpus.tokenizer.kind}, {corpus.tokenizer.vocab_size:,} tokens",
        f"batch {config.batch_size}, bptt {config.bptt}",
        length,
        run.device,
    ]
    verb = "going on with" if run.resumed else "training on"
    if run.trainer.finished:
        verb = "finished already, give a longer length in all to extend it:"
    first = Text.assemble(
        (f"{verb} ", "dim"),
        (corpus.name, "bold"),
        (f" ({count(size)}B) into ", "dim"),
        (str(run.folder), "bold"),
    )
    return [first, _flow([Text(fact, "dim") for fact in facts], " \u00b7 ", width)]


def _numbers(
    evaluation: EvalReport | None, report: StepReport | None
) -> list[tuple[str, str, str]]:
    """(name, value, style) of what there is to tell, the most telling first."""
    numbers = []
    if report is not None:
        numbers.append(("train", f"{report.train_loss:.3f}", TRAIN_STYLE))
    if evaluation is not None and evaluation.valid_loss is not None:
        numbers.append(("valid", f"{evaluation.valid_loss:.3f}", VALID_STYLE))
        numbers.append(("bits/byte", f"{evaluation.bits_per_byte:.3f}", "bold"))
    if report is not None:
        numbers.append(("tokens/s", f"{report.tokens_per_second:,.0f}", "default"))
        numbers.append(("step", f"{report.step:,}", "default"))
        numbers.append(("epoch", f"{report.epoch:.2f}", "default"))
        numbers.append(("lr", f"{report.learning_rate:.2g}", "default"))
        numbers.append(("grad", f"{report.gradient_norm:.2f}", "default"))
    return numbers


def _progress_line(report: StepReport, width: int) -> RenderableType:
    left = "" if report.seconds_left is None else f"{clock(report.seconds_left)} left"
    line = Table.grid(padding=(0, 1), expand=False)
    bar = ProgressBar(total=1.0, completed=report.progress, width=max(8, min(width, 80) - 18))
    line.add_row(bar, Text(f"{report.progress:4.0%}", "bold"), Text(left, "dim"))
    return line


def _closing(report: TrainReport, stopped: bool) -> Text:
    if stopped:
        return _how_to_resume(report)
    score = ""
    if report.valid_loss is not None:
        score = (
            f"validation {report.valid_loss:.3f} nats a token, "
            f"{report.bits_per_byte:.3f} bits a byte, "
        )
    early = ", stopped early: it got no better" if report.stopped_early else ""
    return Text.assemble(
        (f"{score}{report.steps:,} steps, {clock(report.seconds)}{early}\n", "default"),
        ("talk to it: ", "dim"),
        (f"chargen repl {shlex.quote(str(report.checkpoint))}", "bold"),
    )


def _setback(event: Rollback | OutOfMemory) -> str:
    if event.kind == "memory":
        return (
            f"step {event.step:,} did not fit into memory: the streams are read in {event.parts} "
            f"parts now, one after the other, as by --accumulate {event.parts}"
        )
    return (
        f"the loss exploded ({event.train_loss:.3g}) by step {event.step:,}; going on from "
        f"step {event.back_to:,} with half the learning rate, {event.learning_rate:.2g}"
    )


def _how_to_resume(report: TrainReport) -> Text:
    return Text.assemble(
        f"stopped at step {report.steps:,} and saved; go on with: ",
        (f"chargen train --resume --out {shlex.quote(str(report.checkpoint))}", "bold"),
    )


def curves(
    train: Sequence[tuple[float, float]],
    valid: Sequence[tuple[float, float]],
    width: int,
    height: int,
) -> Text:
    """Two loss curves over the whole run, in braille; points are (progress, nats per token)."""
    label = 6
    columns = max(10, min(width, 80) - label)
    losses = sorted(loss for _, loss in [*train, *valid])
    low = losses[0]
    high = max(losses[int(0.95 * (len(losses) - 1))], low + 1e-3)  # the first steps are far above
    lines = [
        [(place, (loss - low) / (high - low)) for place, loss in points if math.isfinite(loss)]
        for points in (train, valid)
    ]
    cells = draw(lines, columns, height)
    text = Text()
    for row in range(height):
        tick = {0: f"{high:.2f}", height - 1: f"{low:.2f}"}.get(row, "")
        text.append(f"{tick:>{label - 1}} ", "dim")
        for column in range(columns):
            character, line = cells.get((row, column), (" ", 0))
            text.append(character, (TRAIN_STYLE, VALID_STYLE)[line])
        text.append("\n")
    text.append(" " * label)
    text.append("train", TRAIN_STYLE)
    if valid:
        text.append("  validation", VALID_STYLE)
    text.append("  nats per token", "dim")
    return text
