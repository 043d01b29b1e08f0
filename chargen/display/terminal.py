"""What people see of everything but a training: streaming text, tables, errors. Only Rich here.

Values and events come in; nothing is computed that another module could want.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # types alone: an error message must not wait for torch
    from chargen.checkpoint.metadata import CheckpointMetadata
    from chargen.checkpoint.store import Checkpoint
    from chargen.evaluation.classification import Accuracy, Classified
    from chargen.evaluation.copies import CopyReport
    from chargen.evaluation.prompts import Answer
    from chargen.evaluation.scores import Score
    from chargen.evaluation.surprisal import Surprisal, TokenProbability
    from chargen.generation.choices import Choice
    from chargen.generation.writing import Completion, Piece

PROMPT_STYLE = "dim"
TEXT_STYLE = "green"
SPACE = "\u2423"  # where a space by itself must be seen


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no markup, no highlighting, no emoji codes."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def show_error(message: str) -> None:
    """One line on stderr."""
    line = Text.assemble(("chargen: ", "bold red"), printable(message).replace("\n", " "))
    out = console(stderr=True)
    out.print(line, soft_wrap=not out.is_terminal)


def show_note(message: str) -> None:
    """A line on stderr that is no error."""
    console(stderr=True).print(Text(printable(message), "dim"), soft_wrap=True)


def printable(text: str) -> str:
    """The text with control characters made visible, so that none reaches the terminal."""
    return text.translate(_VISIBLE)


# Unicode has a picture for each control character, and one for delete.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_VISIBLE |= {0x7F: 0x2421} | {code: 0xFFFD for code in range(0x80, 0xA0)}
# No terminal takes half a character, as Python spells bytes that are no UTF-8.
_VISIBLE |= {code: 0xFFFD for code in range(0xD800, 0xE000)}
# These turn the direction of what follows, our own words too, or break the line.
_VISIBLE |= dict.fromkeys((*range(0x2028, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)


# -- text as it comes -------------------------------------------------------------------------


class TextPrinter:
    """Prints a prompt and what the model adds to it, told apart by colour.

    Where stdout is no terminal it prints the completion alone, as it is, and messages go to stderr.
    """

    def __init__(self) -> None:
        self._out = console()
        self._messages = self._out if self._out.is_terminal else console(stderr=True)
        self._line_is_open = False
        self._status = ""

    @property
    def is_terminal(self) -> bool:
        return self._out.is_terminal

    def say(self, message: str, style: str = "default") -> None:
        """A message of ours, on lines of its own."""
        self._messages.print(Text(printable(message), style))

    def error(self, message: str) -> None:
        """What went wrong, on stderr."""
        self.status("")
        show_error(message)

    def status(self, message: str) -> None:
        """What is being done, in a terminal's last line; an empty one takes it away."""
        if self._out.is_terminal and not self._out.is_dumb_terminal and message != self._status:
            line = message[: self._out.width - 1]
            self._out.file.write(f"\r\x1b[2K\x1b[2m{line}\x1b[0m" if line else "\r\x1b[2K")
            self._out.file.flush()
            self._status = message

    def prompt(self, text: str, mark: str = "") -> None:
        """The beginning of a text, after the mark that the user wrote it at."""
        if self._out.is_terminal:
            self._print(mark, "bold")
            self._print(text, PROMPT_STYLE)

    def recall(self, text: str, mark: str = "") -> None:
        """A text that was there before, on lines of its own; where there is a terminal."""
        if self._out.is_terminal:
            self.prompt(text, mark)
            self.close()

    def echo(self, line: str, mark: str) -> None:
        """A line that the user wrote, after its mark."""
        self._print(mark, "bold")
        self._print(line, "default")
        self.close()

    def piece(self, piece: Piece) -> None:
        self._print(piece.text, TEXT_STYLE)

    def text(self, completion: Completion) -> None:
        """A prompt and its completion at once."""
        self.prompt(completion.prompt)
        self._print(completion.text, TEXT_STYLE)

    def separator(self) -> None:
        """What stands between texts."""
        self._out.print("---")

    def close(self) -> None:
        """End the line that the text has left open."""
        if self._line_is_open or not self._out.is_terminal:
            self._out.file.write("\n")
        self._out.file.flush()
        self._line_is_open = False

    def beams(self, completions: Sequence[Completion]) -> None:
        """The best texts of a beam search with the probabilities of each and its end."""
        table = Table(box=None, pad_edge=False)
        table.add_column("", justify="right", style="dim")
        table.add_column("probability", justify="right")
        table.add_column("nats", justify="right", style="dim")
        table.add_column("text", style=TEXT_STYLE, overflow="fold")
        for rank, completion in enumerate(completions, start=1):
            text = printable(completion.text).replace("\n", "\u21b5\n").rstrip("\n")
            nats = completion.logprob if completion.score is None else completion.score
            table.add_row(str(rank), _share(math.exp(nats)), f"{nats:.2f}", Text(text))
        self._out.print(table)

    def bars(self, chances: Sequence[TokenProbability]) -> None:
        """What may come next, each with a bar as long as it is likely."""
        labels = [_label(chance.text) for chance in chances]
        width = min(max(map(cell_len, labels), default=0), max(4, self._out.width - 22))
        room = max(1, min(40, self._out.width - width - 10))
        for label, chance in zip(labels, chances, strict=True):
            self._out.print(
                Text.assemble(
                    (set_cell_size(label, width), TEXT_STYLE),
                    f" {_share(chance.probability):>7} ",
                    (_bar(chance.probability, room), "dim"),
                ),
                soft_wrap=True,
            )

    def surprises(self, surprises: Sequence[Surprisal]) -> None:
        """A text, each part of it coloured by what it cost."""
        parts = [(_marked(s.text, _style(s.nats)), _style(s.nats)) for s in surprises]
        self._out.print(Text.assemble(*parts), soft_wrap=True)
        if not self._out.is_terminal:
            return
        legend: list[tuple[str, str] | str] = []
        low = "under"
        for bits, style in SURPRISE_STYLES:
            words = f"over {low}" if bits == math.inf else f"{low} {bits:g}"
            legend += [(words, style), "  "]
            low = f"{bits:g} to" if bits < 6 else f"{bits:g}"
        self._out.print(Text.assemble(("bits  ", "dim"), *legend[:-1]))

    def alternatives(self, surprises: Sequence[Surprisal]) -> None:
        """The same a line each, with the likeliest at each place."""
        self._out.print(Text("   bits  text          likeliest there", "dim"), soft_wrap=True)
        for surprise in surprises:
            line = Text(f"{surprise.nats / math.log(2):7.2f}  ")
            label = _label(surprise.text)
            line.append(label, _style(surprise.nats)).append(" " * (12 - cell_len(label)))
            for chance in surprise.most_likely:
                line.append(f"  {_label(chance.text)}", TEXT_STYLE)
                line.append(f" {_share(chance.probability)}", "dim")
            # What is less likely has no room in a narrow terminal; elsewhere nothing is cut off.
            if self._out.is_terminal:
                line.truncate(self._out.width)
            self._out.print(line, soft_wrap=True)

    def columns(self, texts: Sequence[tuple[str, str]]) -> None:
        """Texts side by side, as many as there is room for, each below its title."""
        abreast = max(1, min(len(texts), self._out.width // NARROWEST_COLUMN))
        for at in range(0, len(texts), abreast):
            table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
            row = texts[at : at + abreast]
            for title, _ in row:
                table.add_column(Text(printable(title)), ratio=1, overflow="fold")
            table.add_row(*(Text(printable(text), TEXT_STYLE) for _, text in row))
            self._out.print(table)

    def facts(self, facts: Iterable[tuple[str, str, str]]) -> None:
        """Names, what they are, and where there is room a word on each."""
        out, rows = self._messages, list(facts)
        names = max((cell_len(name) for name, _, _ in rows), default=0)
        values = max((cell_len(value) for _, value, _ in rows), default=0)
        for name, value, about in rows:
            narrow = out.width < NARROW
            line = Text(name if narrow else name.ljust(names))
            line.append("  ").append(printable(value), "bold")
            if about and out.width >= names + values + NARROW:
                line.append(" " * (values - cell_len(value) + 2)).append(about, "dim")
                line.truncate(out.width - 1, overflow="ellipsis")
            out.print(line if narrow else _hanging(line, names + 2, out))

    def _print(self, text: str, style: str) -> None:
        if not text:
            return
        self.status("")
        if self._out.is_terminal:
            self._out.print(Text(printable(text), style), end="", soft_wrap=True)
        else:
            self._out.file.write(text)
        self._out.file.flush()
        self._line_is_open = not text.endswith("\n")


NARROWEST_COLUMN = 24
NARROW = 36  # columns in which no table fits
# The style of a text by the bits that it costs, up to each; attributes for where no colours are.
SURPRISE_STYLES = (
    (1, "green"), (3, "yellow"), (6, "red underline"), (math.inf, "bold red reverse")
)  # fmt: skip
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"


def _hanging(line: Text, indent: int, out: Console) -> Text:
    """The line wrapped at words, all but its first line indented."""
    first, *others = line.wrap(out, out.width - 1) if cell_len(line.plain) >= out.width else [line]
    if not others:
        return first
    below = Text(" ").join(others).wrap(out, max(8, out.width - 1 - indent))
    return Text("\n").join([first, *(Text(" " * indent).append_text(part) for part in below)])


def _style(nats: float) -> str:
    bits = nats / math.log(2)
    return next(style for most, style in SURPRISE_STYLES if bits <= most)


def _marked(text: str, style: str) -> str:
    """The text as it is shown in a style: where a space surprises, it must be seen."""
    text = printable(text) if style == SURPRISE_STYLES[0][1] else _label(text)
    return text.replace("\u21b5", "\u21b5\n")


def _label(text: str) -> str:
    """Some text in one line; a character that would not be seen by a sign for it."""
    return _in_one_line(text).replace(" ", SPACE) if text else "(end)"


def _bar(share: float, room: int) -> str:
    eighths = round(share * room * 8)
    return "\u2588" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


# -- tables -----------------------------------------------------------------------------------


def show_score(score: Score) -> None:
    _show_facts(
        [
            ("bits per byte", f"{score.bits_per_byte:.4f}"),
            ("bits per character", f"{score.bits_per_character:.4f}"),
            ("loss", f"{score.loss:.4f} nats per token"),
            ("perplexity", f"{score.perplexity:.3f} per token"),
            ("text", f"{score.tokens:,} tokens, {score.characters:,} characters, "
                     f"{score.bytes:,} bytes"),
        ]
    )  # fmt: skip


def show_answers(answers: Sequence[Answer]) -> None:
    """The answers that were wrong, and how many were right."""
    wrong = [answer for answer in answers if not answer.correct]
    if wrong:
        table = Table(box=None, pad_edge=False)
        for name in ("prompt", "right", "said"):
            table.add_column(name, overflow="fold")
        for answer in wrong:
            texts = (answer.prompt, answer.answer, answer.text)
            table.add_row(*(Text(printable(text).replace("\n", "\u21b5")) for text in texts))
        console().print(table)
    correct = len(answers) - len(wrong)
    console().print(f"{correct} of {len(answers)} right ({correct / len(answers):.1%})")


def show_choices(choices: Sequence[Choice]) -> None:
    """Choices, the likeliest first, with their shares and their places by nats a token."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    out = console()
    names = ("probability", "nats", "nats/token", "rank by it")[: 4 if out.width >= 60 else 2]
    for name in names:
        table.add_column(name, justify="right", style="dim" if "nats" in name else "default")
    table.add_column("text", style=TEXT_STYLE, overflow="fold")
    for choice in choices:
        numbers = (
            _share(choice.probability), f"{choice.logprob:.2f}", f"{choice.logprob_per_token:.2f}",
            str(choice.rank_per_token),
        )[: len(names)]  # fmt: skip
        table.add_row(str(choice.rank), *numbers, Text(_in_one_line(choice.choice)))
    out.print(table)


def show_labels(found: Classified) -> None:
    """The labels of one text, the likeliest first."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("probability", justify="right")
    table.add_column("nats", justify="right", style="dim")
    table.add_column("label", style=TEXT_STYLE, overflow="fold")
    for rank, label in enumerate(found.labels, start=1):
        text = Text(_in_one_line(label.label))
        table.add_row(str(rank), _share(label.probability), f"{label.logprob:.2f}", text)
    console().print(table)


class ClassTable:
    """The likeliest label of each of many texts, a line each, as they come."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._out = console()
        self._width = max(len("label"), *(cell_len(_in_one_line(label)) for label in labels))
        self._begun = False

    def row(self, found: Classified) -> None:
        if not self._begun:
            head = f"{set_cell_size('label', self._width)}  probability  text"
            self._out.print(Text(head, "dim"), soft_wrap=True)
            self._begun = True
        self._out.print(
            Text.assemble(
                (set_cell_size(_in_one_line(found.label), self._width), TEXT_STYLE),
                f"  {_share(found.probability):>11}  {_in_one_line(found.text)}",
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
            texts = [Text(_in_one_line(text)) for text in (one.text, label, one.label)]
            table.add_row(*texts, _share(one.probability))
        console().print(table)
    console().print(f"{total.correct} of {total.examples} right ({total.accuracy:.1%})")
    commonest = f"always {_in_one_line(total.commonest_label)}: {total.commonest_share:.1%}"
    console().print(Text(commonest, "dim"))


class TokenTable:
    """What each token of a text costs, a line each, as they come."""

    def __init__(self) -> None:
        self._out = console()
        self._begun = False

    def row(self, piece: bytes, nats: float) -> None:
        """What a token spells, a part of a character in hexadecimal digits, and its cost."""
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            text = "".join(f"<{byte:02X}>" for byte in piece)
        if not self._begun:
            self._out.print(Text("   bits  probability  token", "dim"), soft_wrap=True)
            self._begun = True
        bits = nats / math.log(2)
        bar = "\u2588" * min(10, round(bits))
        self._out.print(
            Text.assemble(
                f"{bits:7.2f}  {_share(math.exp(-nats)):>11}  ",
                (f"{_in_one_line(text).replace(' ', SPACE):<12}", TEXT_STYLE),
                (f"  {bar}", "dim"),
            ),
            soft_wrap=True,
        )


def show_copies(report: CopyReport, held_out: CopyReport | None) -> None:
    """How much of a text is copied, on stderr, and what held-out text has in common by chance."""
    facts = [
        ("copied", f"{report.copied_share:.1%} of {report.characters:,} characters stand in the "
                   f"training text in passages of 50 or more"),
        ("longest", f'{len(report.longest)} characters: "{_in_one_line(report.longest)}"'),
    ]  # fmt: skip
    if held_out is None:
        facts.append(("common", "no text was held out, so there is nothing to compare with"))
    else:
        facts.append(
            ("common", f"{held_out.copied_share:.1%} of text that was held out does, its longest "
                       f"passage {len(held_out.longest)} characters: common phrases")
        )  # fmt: skip
    _show_facts(facts, console(stderr=True))


class Bar:
    """A progress bar on stderr, for work that is told by its share; it may go when that is done."""

    def __init__(self, doing: str, *, stays: bool = True) -> None:
        out = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TimeRemainingColumn(), console=out, disable=not out.is_terminal, transient=not stays,
        )  # fmt: skip
        self._task = self._progress.add_task(doing, total=1.0)

    def update(self, share: float) -> None:
        self._progress.update(self._task, completed=share)

    def show(self, doing: str, share: float) -> None:
        """The same of one of several works, by its name."""
        self._progress.update(self._task, description=doing, completed=share)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def show_info(checkpoint: Checkpoint) -> None:
    _show_facts(facts_of(checkpoint.about, checkpoint.model.num_parameters))


def facts_of(about: CheckpointMetadata, num_parameters: int) -> list[tuple[str, str]]:
    """What a model is, in names and values."""
    model, scores = about.model, about.scores
    texts = ", ".join(f"{name} ({count(size)}B)" for name, size, _ in about.corpus.files)
    facts = [
        ("checkpoint", str(about.folder)),
        ("model", f"{model.cell}, {model.num_layers} x {model.hidden_size}, embedding "
                  f"{model.embedding_size}, dropout {model.dropout:g}, "
                  f"{num_parameters:,} parameters"),
        ("tokenizer", f"{about.tokenizer}, {about.vocab_size:,} tokens"),
        ("corpus", texts),
        ("trained", f"{scores.steps:,} steps, {scores.epochs:.2f} epochs, "
                    f"{clock(scores.seconds)}"),
    ]  # fmt: skip
    if scores.valid_loss is not None:
        facts.append(
            ("validation", f"{scores.valid_loss:.4f} nats per token, "
                           f"{scores.bits_per_byte:.4f} bits per byte")
        )  # fmt: skip
    return [*facts, ("saved", about.saved_at)]


def show_list(listed: Sequence[CheckpointMetadata], most: int | None = None) -> None:
    """The checkpoints, the first `most` of them, as one line each."""
    left = len(listed) - len(listed[:most])
    _show_listed(listed[:most])
    if left:
        console().print(Text(f"and {left:,} more: chargen list", "dim"), soft_wrap=True)


def _show_listed(listed: Sequence[CheckpointMetadata]) -> None:
    if not listed:
        message = "no checkpoint below ./checkpoints; make one with: chargen train corpus.txt"
        console().print(Text(message), soft_wrap=True)
        return
    if console().width < 70:
        for entry in listed:
            _show_in_short(entry)
        return
    table = Table(box=None, pad_edge=False)
    for name in ("checkpoint", "saved", "model", "tokens"):
        table.add_column(name, no_wrap=True)
    for name in ("size", "bits/byte"):
        table.add_column(name, justify="right")
    table.add_column("corpus", overflow="fold")
    for entry in listed:
        model, bits = entry.model, entry.scores.bits_per_byte
        table.add_row(
            entry.folder.name,
            entry.saved_at[:16].replace("T", " "),
            f"{model.cell} {model.num_layers} x {model.hidden_size}",
            entry.tokenizer,
            f"{count(entry.bytes)}B",
            "" if bits is None else f"{bits:.3f}",
            entry.corpus.name,
        )
    console().print(table)


def _show_in_short(entry: CheckpointMetadata) -> None:
    """A checkpoint where there is no room for a table."""
    bits = entry.scores.bits_per_byte
    facts = [
        entry.saved_at[:10], f"{count(entry.bytes)}B",
        *([] if bits is None else [f"{bits:.3f} bits/byte"]), entry.corpus.name,
    ]  # fmt: skip
    console().print(Text.assemble((printable(entry.folder.name), "bold"), f"  {'  '.join(facts)}"))


def print_json(value: object) -> None:
    """One JSON line on stdout; a number that is none becomes null."""
    print(json.dumps(_finite(value), ensure_ascii=False), flush=True)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | range):
        return [_finite(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _show_facts(facts: Iterable[tuple[str, str]], out: Console | None = None) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(printable(value)))
    (out or console()).print(table)


def _in_one_line(text: str) -> str:
    return printable(text).replace("\n", "\u21b5").replace("\t", "\u21e5")


def _share(share: float) -> str:
    """A probability in per cent, small ones in two digits."""
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.2g}%"


def count(number: float) -> str:
    """A number in three digits: 473, 1.12 M."""
    for unit in ("", " k", " M", " G"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"


def clock(seconds: float) -> str:
    """1:05, or 2:03:04 from an hour on."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
