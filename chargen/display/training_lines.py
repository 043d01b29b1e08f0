"""The words, tables and curves that a training is shown in, live or line by line.

Values come in, texts and tables go out; nothing is printed here.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chargen.config import DEFAULT_MINUTES
from chargen.display.braille import draw
from chargen.display.losses import Points, finite, loss_range
from chargen.display.numbers import clock, count
from chargen.display.wrapping import flow
from chargen.errors import Spelling, in_flags, setting
from chargen.reprs import counted

if TYPE_CHECKING:  # types alone: the display needs no torch
    from chargen.training.events import EvalReport, OutOfMemory, Replanned, Rollback, StepReport
    from chargen.training.planner import PlannedOption
    from chargen.training.run import Run, TrainReport

TRAIN_STYLE = "cyan"
VALID_STYLE = "yellow"


def headline(run: Run, spell: Spelling = in_flags) -> tuple[Text, list[Text]]:
    """Which text becomes which model; and how, in facts that `fact_lines` puts into lines. How to
    extend what is finished is said as `spell` writes options."""
    model, config, corpus = run.model, run.trainer.config, run.corpus
    size = sum(size for _, size, _ in corpus.sources)
    layers = f"{model.config.num_layers} x " if model.config.num_layers > 1 else ""
    if config.steps is not None:
        length = counted(config.steps, "step")
    elif config.epochs is not None:
        length = f"{config.epochs:g} epoch" + ("" if config.epochs == 1 else "s")
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
    verb, into = ("resuming", "in") if run.resumed else ("training on", "into")
    first = Text.assemble(
        (f"{verb} ", "dim"),
        (corpus.name, "bold"),
        (f" ({count(size)}B) {into} ", "dim"),
        (str(run.folder), "bold"),
    )
    if run.trainer.finished:
        length = next((n for n in ("steps", "epochs") if getattr(config, n) is not None), "minutes")
        how = setting(length, fill_in="N").spelled(spell)
        first = Text.assemble(
            (str(run.folder), "bold"), f" is already finished; extend it with {how}, its new total"
        )
    return first, [Text(fact, "dim") for fact in facts]


def fact_lines(facts: Sequence[Text], width: int) -> Text:
    return flow(facts, " \u00b7 ", width)


def plan_table(plan: Sequence[PlannedOption]) -> Table:
    """What was chosen for the text, the device and the time, and why."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("planned", no_wrap=True)
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column("why", style="dim")
    for choice in plan:
        table.add_row(choice.name, choice_value(choice.value), choice.reason)
    return table


def choice_value(value: float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def metrics(evaluation: EvalReport | None, report: StepReport | None) -> list[tuple[str, str, str]]:
    """(name, value, style) of what there is to tell, the most telling first."""
    found = []
    if report is not None and report.train_loss is not None:
        found.append(("train", f"{report.train_loss:.3f}", TRAIN_STYLE))
    if evaluation is not None and evaluation.valid_loss is not None:
        found.append(("valid", f"{evaluation.valid_loss:.3f}", VALID_STYLE))
    if evaluation is not None and evaluation.bits_per_byte is not None:
        found.append(("bits/byte", f"{evaluation.bits_per_byte:.3f}", "bold"))
    if evaluation is not None and evaluation.answers is not None:
        found.append(("answers", f"{evaluation.answers:.1%}", "bold"))
    if evaluation is not None and (old := old_text(evaluation)) is not None:
        found.append(("old bits/char", old, "default"))
    if report is not None:
        found.append(("tokens/s", f"{report.tokens_per_second:,.0f}", "default"))
        found.append(("step", f"{report.step:,}", "default"))
        found.append(("epoch", f"{report.epoch:.2f}", "default"))
        found.append(("lr", f"{report.learning_rate:.2g}", "default"))
        found.append(("grad", f"{report.gradient_norm:.2f}", "default"))
    return found


def old_text(of: EvalReport | TrainReport) -> str | None:
    """What the old text of a model that is fine-tuned cost at first, and costs now, in bits per
    character."""
    now, more = of.old_bits_per_character, of.forgotten_bits_per_character
    return None if now is None or more is None else f"{now - more:.2f} -> {now:.2f}"


def progress_line(report: StepReport, width: int) -> RenderableType:
    has_more = report.seconds_left is not None and report.progress < 1
    left = f"{clock(report.seconds_left or 0.0)} left" if has_more else ""
    line = Table.grid(padding=(0, 1), expand=False)
    bar = ProgressBar(total=1.0, completed=report.progress, width=max(8, min(width, 80) - 18))
    line.add_row(bar, Text(f"{report.progress:4.0%}", "bold"), Text(left, "dim"))
    return line


def curves(
    train: Points,
    valid: Points,
    width: int,
    height: int,
) -> Text:
    """Two loss curves over the whole run, in braille; points are (progress, nats per token)."""
    low, high = loss_range(train, valid)
    ticks = {
        row: f"{loss:.2f}" if loss < 1000 else f"{loss:.3g}"
        for row, loss in ((0, high), (height - 1, low))
    }
    label = 1 + max(5, *map(len, ticks.values()))
    columns = max(10, min(width, 80) - label)
    lines = [
        [(place, (loss - low) / (high - low)) for place, loss in finite(points)]
        for points in (train, valid)
    ]
    cells = draw(lines, columns, height)
    text = Text()
    for row in range(height):
        text.append(f"{ticks.get(row, ''):>{label - 1}} ", "dim")
        for column in range(columns):
            character, line = cells.get((row, column), (" ", 0))
            text.append(character, (TRAIN_STYLE, VALID_STYLE)[line])
        text.append("\n")
    names = [Text("train", TRAIN_STYLE)]
    if valid:
        names.append(Text("validation", VALID_STYLE))
    names.append(Text("nats per token", "dim"))
    if sum(map(len, names)) + 2 * len(names) > columns:
        names.pop()
    return text.append(" " * label).append_text(Text("  ").join(names))


def setback(event: Rollback | OutOfMemory | Replanned) -> str:
    """What went otherwise than planned, in a line."""
    if event.kind == "replan":
        changes = [
            f"{name} {before:g} -> {now:g}"
            for name, before, now in (
                ("dropout", event.dropout_before, event.dropout),
                ("weight_dropout", event.weight_dropout_before, event.weight_dropout),
            )
            if before != now
        ]
        return (
            f"step {event.step:,}: the text will be read {event.epochs:.1f} times, not "
            f"{event.planned_epochs:.1f} as planned; from here on {', '.join(changes)}"
        )
    if event.kind == "memory":
        return (
            f"step {event.step:,} did not fit into memory: from here on each step is computed in "
            f"{event.parts} parts (accumulate {event.parts})"
        )
    return (
        f"the loss exploded ({event.train_loss:.3g}) by step {event.step:,}; continuing from "
        f"step {event.back_to:,} with half the learning rate, {event.learning_rate:.2g}"
    )


def advice_line(advice: str) -> Text:
    return Text.assemble(("advice: ", "bold"), advice)


def closing(report: TrainReport, stopped: bool, in_python: bool = False) -> Text:
    """What came of it, and how to go on, on the command line or `in_python`."""
    if stopped:
        return how_to_resume(report, in_python)
    score = ""
    if report.valid_loss is not None:
        score = (
            f"validation {report.valid_loss:.3f} nats per token, "
            f"{report.bits_per_byte:.3f} bits per byte, "
        )
    if report.answers is not None:
        score += f"{report.answers:.1%} of its answers exact, "
    tuned = ""
    if (old := old_text(report)) is not None:
        if report.start_loss is not None and report.valid_loss is not None:
            tuned = f"fine-tuned: validation {report.start_loss:.3f} -> {report.valid_loss:.3f}, "
        tuned += f"old text {old} bits per character\n"
    early = ", stopped early: no improvement" if report.stopped_early else ""
    return Text.assemble(
        (f"{score}{counted(report.steps, 'step')}, {clock(report.seconds)}{early}\n", "default"),
        (tuned, "default"),
        ("load it: " if in_python else "talk to it: ", "dim"),
        (
            f"chargen.load({str(report.checkpoint)!r})"
            if in_python
            else f"chargen repl {shlex.quote(str(report.checkpoint))}",
            "bold",
        ),
    )


def how_to_resume(report: TrainReport, in_python: bool = False) -> Text:
    folder = str(report.checkpoint)
    return Text.assemble(
        f"stopped at step {report.steps:,} and saved; continue with: ",
        (
            f"chargen.train(resume=True, out={folder!r})"
            if in_python
            else f"chargen train --resume --out {shlex.quote(folder)}",
            "bold",
        ),
    )
