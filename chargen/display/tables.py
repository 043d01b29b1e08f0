"""Values in tables: scores, answers, choices, labels, what may come next, names and facts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chargen.display.console import NARROW, console, in_lines, in_one_line, message_console
from chargen.display.numbers import percent
from chargen.display.text import SPACE, TEXT_STYLE, as_label
from chargen.display.wrapping import flow
from chargen.reprs import counted, printable
from chargen.scoring.units import NATS_PER_BIT

if TYPE_CHECKING:  # types alone: an error message waits for nothing that computes
    from chargen.evaluation.classification import Accuracy, Classified
    from chargen.evaluation.copies import CopyReport
    from chargen.evaluation.prompts import Answer
    from chargen.evaluation.surprisal import TokenProbability
    from chargen.generation.choices import Choice
    from chargen.generation.completion import Completion
    from chargen.scoring.scores import Score

NARROWEST_COLUMN = 24
MAX_VALUE = 24  # columns that a value may have before what is said of it
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"

# -- names and facts --------------------------------------------------------------------------


def show_facts(facts: Iterable[tuple[str, str]], out: Console | None = None) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(printable(value)))
    (out or console()).print(table)


def show_groups(
    before: str, groups: Iterable[tuple[str, Sequence[str], str, str]], after: str
) -> None:
    """Of each group its name, what is in it, what it is about, and an example; as messages of
    ours, between two paragraphs."""
    out, rows = message_console(), list(groups)
    indent = 0 if out.width < NARROW else 2 + max(cell_len(name) for name, *_ in rows)
    width = out.width - 1
    out.print(Text(before))
    for name, members, about, example in rows:
        flown = flow([Text(member, "bold") for member in members], "  ", width - indent)
        flown.append("\n").append_text(
            flow([Text(f"{about};", "dim"), Text(f"as in: {example}", "dim")], " ", width - indent)
        )
        head = Text(name.ljust(indent) if indent else f"{name}\n", "dim")
        out.print(head.append_text(Text("\n" + " " * indent).join(flown.split("\n"))))
    out.print(Text(after))


def show_definitions(definitions: Iterable[tuple[str, str, str]]) -> None:
    """Names, what each is, and where there is room a word on it; as messages of ours."""
    out, rows = message_console(), list(definitions)
    names = max((cell_len(name) for name, _, _ in rows), default=0)
    values = min(MAX_VALUE, max((cell_len(value) for _, value, _ in rows), default=0))
    for name, value, about in rows:
        narrow = out.width < NARROW
        line = Text(name if narrow else name.ljust(names))
        line.append("  ").append(printable(value), "bold")
        indent = names + 2
        if about and out.width >= names + values + NARROW:
            line.append(" " * (values - cell_len(value) + 2)).append(about, "dim")
            indent += values + 2
        out.print(line if narrow else _hanging(line, indent, out))


def _hanging(line: Text, indent: int, out: Console) -> Text:
    """The line wrapped at words, all but its first line indented."""
    first, *others = line.wrap(out, out.width - 1) if cell_len(line.plain) >= out.width else [line]
    if not others:
        return first
    below = Text(" ").join(others).wrap(out, max(8, out.width - 1 - indent))
    return Text("\n").join([first, *(Text(" " * indent).append_text(part) for part in below)])


# -- texts and what may come next -------------------------------------------------------------


def show_beams(completions: Sequence[Completion]) -> None:
    """The best texts of a beam search with the probabilities of each and its end."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("probability", justify="right")
    table.add_column("nats", justify="right", style="dim")
    table.add_column("text", style=TEXT_STYLE, overflow="fold")
    for rank, completion in enumerate(completions, start=1):
        text = in_lines(completion.text).replace("\n", "\u21b5\n").rstrip("\n")
        nats = completion.logprob if completion.score is None else completion.score
        table.add_row(str(rank), percent(math.exp(nats)), f"{nats:.2f}", Text(text))
    console().print(table)


def show_next(chances: Sequence[TokenProbability]) -> None:
    """What may come next, each with a bar as long as it is likely."""
    out = console()
    labels = [as_label(chance.text) for chance in chances]
    width = min(max(map(cell_len, labels), default=0), max(4, out.width - 22))
    room = max(1, min(40, out.width - width - 10))
    for text, chance in zip(labels, chances, strict=True):
        out.print(
            Text.assemble(
                (set_cell_size(text, width), TEXT_STYLE),
                f" {percent(chance.probability):>7} ",
                (_bar(chance.probability, room), "dim"),
            ),
            soft_wrap=True,
        )


def _bar(share: float, room: int) -> str:
    eighths = round(share * room * 8)
    return "\u2588" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def show_columns(texts: Sequence[tuple[str, str]]) -> None:
    """Texts side by side, as many as there is room for, each below its title."""
    out = console()
    abreast = max(1, min(len(texts), out.width // NARROWEST_COLUMN))
    for at in range(0, len(texts), abreast):
        table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
        row = texts[at : at + abreast]
        for title, _ in row:
            table.add_column(Text(printable(title)), ratio=1, overflow="fold")
        table.add_row(*(Text(in_lines(text), TEXT_STYLE) for _, text in row))
        out.print(table)


# -- scores -----------------------------------------------------------------------------------


def show_score(score: Score) -> None:
    show_facts(
        [
            ("bits per byte", f"{score.bits_per_byte:.4f}"),
            ("bits per character", f"{score.bits_per_character:.4f}"),
            ("loss", f"{score.loss:.4f} nats per token"),
            ("perplexity", f"{score.perplexity:.3f} per token"),
            (
                "text",
                f"{score.tokens:,} tokens, {score.characters:,} characters, {score.bytes:,} bytes",
            ),
        ]
    )


def show_answers(answers: Sequence[Answer]) -> None:
    """The answers that were wrong, and how many were right."""
    wrong = [answer for answer in answers if not answer.correct]
    if wrong:
        table = Table(box=None, pad_edge=False)
        for name in ("prompt", "right", "said"):
            table.add_column(name, overflow="fold")
        for answer in wrong:
            texts = (answer.prompt, answer.answer, answer.text)
            table.add_row(*(Text(in_lines(text).replace("\n", "\u21b5")) for text in texts))
        console().print(table)
    correct = len(answers) - len(wrong)
    console().print(f"{correct} of {len(answers)} right ({correct / len(answers):.1%})")


def show_choices(choices: Sequence[Choice]) -> None:
    """Choices, the most likely first, with their shares and their places by nats per token."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    out = console()
    names = ("probability", "nats", "nats/token", "rank by it")[: 4 if out.width >= 60 else 2]
    for name in names:
        table.add_column(name, justify="right", style="dim" if "nats" in name else "default")
    table.add_column("text", style=TEXT_STYLE, overflow="fold")
    for choice in choices:
        numbers = (
            percent(choice.probability), f"{choice.logprob:.2f}", f"{choice.logprob_per_token:.2f}",
            str(choice.rank_per_token),
        )[: len(names)]  # fmt: skip
        table.add_row(str(choice.rank), *numbers, Text(in_one_line(choice.choice)))
    out.print(table)


def show_labels(found: Classified) -> None:
    """The labels of one text, the most likely first."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("probability", justify="right")
    table.add_column("nats", justify="right", style="dim")
    table.add_column("label", style=TEXT_STYLE, overflow="fold")
    for rank, label in enumerate(found.labels, start=1):
        text = Text(in_one_line(label.label))
        table.add_row(str(rank), percent(label.probability), f"{label.logprob:.2f}", text)
    console().print(table)


class ClassTable:
    """The most likely label of each of many texts, a line each, as they come."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._out = console()
        self._width = max(len("label"), *(cell_len(in_one_line(label)) for label in labels))
        self._begun = False

    def row(self, found: Classified) -> None:
        if not self._begun:
            head = f"{set_cell_size('label', self._width)}  probability  text"
            self._out.print(Text(head, "dim"), soft_wrap=True)
            self._begun = True
        self._out.print(
            Text.assemble(
                (set_cell_size(in_one_line(found.label), self._width), TEXT_STYLE),
                f"  {percent(found.probability):>11}  {in_one_line(found.text)}",
            ),
            soft_wrap=True,
        )


def show_judged(found: Sequence[Classified], true: Sequence[str], total: Accuracy) -> None:
    """The texts that were classified wrong, and how many were right."""
    wrong = [(one, label) for one, label in zip(found, true, strict=True) if one.label != label]
    if wrong:
        table = Table(box=None, pad_edge=False)
        table.add_column("text", overflow="fold")
        for name in ("right", "said"):
            table.add_column(name, overflow="fold")
        table.add_column("probability", justify="right")
        for one, label in wrong:
            texts = [Text(in_one_line(text)) for text in (one.text, label, one.label)]
            table.add_row(*texts, percent(one.probability))
        console().print(table)
    console().print(f"{total.correct} of {total.examples} right ({total.accuracy:.1%})")
    commonest = f"always {in_one_line(total.commonest_label)}: {total.commonest_share:.1%}"
    console().print(Text(commonest, "dim"))


class TokenTable:
    """What each token of a text costs, a line each, as they come."""

    def __init__(self) -> None:
        self._out = console()
        self._begun = False

    def row(self, text: str, nats: float) -> None:
        """What a token spells, and its cost."""
        if not self._begun:
            self._out.print(Text("   bits  probability  token", "dim"), soft_wrap=True)
            self._begun = True
        bits = nats / NATS_PER_BIT
        bar = "\u2588" * min(10, round(bits))
        self._out.print(
            Text.assemble(
                f"{bits:7.2f}  {percent(math.exp(-nats)):>11}  ",
                (f"{in_one_line(text).replace(' ', SPACE):<12}", TEXT_STYLE),
                (f"  {bar}", "dim"),
            ),
            soft_wrap=True,
        )


def show_copies(report: CopyReport, held_out: CopyReport | None, documents: str) -> None:
    """How much of some texts is copied, on stderr, and what held-out text has in common by
    chance; the training text's `documents` are files, lines or paragraphs."""
    short = documents != "file"
    passages = f"whole {documents}s, or in passages" if short else "passages"
    wholes = f"are {documents}s of" if short else "appear as a whole in"
    facts = [
        ("copied", f"{report.copied_share:.1%} of {report.characters:,} characters appear in the "
                   f"training text in {passages} of 50 or more"),
        ("whole", f"{report.wholes:,} of {counted(report.texts, 'sample')} {wholes} the training "
                  "text"),
        ("longest", f'{len(report.longest)} characters: "{in_one_line(report.longest)}"'),
    ]  # fmt: skip
    if held_out is None:
        facts.append(("common", "no text was held out, so there is nothing to compare with"))
    else:
        again = f", {held_out.wholes:,} of {held_out.texts:,} {documents}s" if short else ""
        facts.append(
            (
                "common",
                f"{held_out.copied_share:.1%} of text that was held out does{again}, its longest "
                f"passage {len(held_out.longest)} characters: common phrases",
            )
        )
    show_facts(facts, console(stderr=True))
