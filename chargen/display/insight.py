"""What people see of the inside of a network: texts in colours, curves, tables. Values come in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from chargen.display.braille import Point, draw
from chargen.display.console import NARROW, console, show_note
from chargen.display.text import show_alternatives, show_surprisals
from chargen.insight.charts import Chart, Line
from chargen.reprs import printable

if TYPE_CHECKING:  # types alone
    from chargen.insight.followers import Follower
    from chargen.insight.from_checkpoint import InspectionResult
    from chargen.insight.inspection import GateUse, View
    from chargen.insight.memory import MemoryCurves
    from chargen.lab import World
    from chargen.lab.finding import Finding

SHOWN = 2000  # parts of a text that a terminal is given
WORST = 10  # places that surprised most, with what was likelier there
LINE_STYLES = ("cyan", "yellow", "magenta", "green", "red", "blue")
LABEL = 8  # columns of a chart's numbers
# Backgrounds of full colour, red, blue, and of none, a grey that suits dark terminals and light.
_RED, _BLUE, _GREY = (215, 45, 40), (45, 95, 225), (105, 105, 105)
_FAINT = 0.08  # a shade that is left out
# Tokens, of contexts and distances, that a table has a row for.
_ROWS = [0, *(1 << power for power in range(20))]


# -- a text -----------------------------------------------------------------------------------


def show_inspection(seen: InspectionResult) -> None:
    """A text by its surprise and by each view that was asked for; where it surprised, how the gates
    were used, and the cells that follow something."""
    out, inspection = console(), seen.inspection
    parts = inspection.parts[:SHOWN]
    left = len(inspection.parts) - len(parts)
    show_surprisals(parts)
    drawn = seen.asked
    if drawn and out.color_system is None:
        show_note("there are no colors here: --json has the numbers, --out report.html the colors")
        drawn = ()
    for view in drawn:
        out.print()
        out.print(_scale(view))
        out.print(_coloured([part.text for part in parts], view), soft_wrap=True)
    if left:
        show_note(f"and {left:,} more; --out report.html holds all that was read")
    every = inspection.parts
    worst = sorted(range(len(every)), key=lambda place: -every[place].nats)[:WORST]
    out.print()
    _heading(out, "where it was most surprised")
    show_alternatives([every[place] for place in sorted(worst)])
    if inspection.gates:
        out.print()
        out.print(_gates(inspection.gates))
    if seen.followers:
        out.print()
        _show_followers(out, seen.followers, seen.searched)
    else:
        show_note(seen.searched)


def _scale(view: View) -> Text:
    """The name of a view and what its colours mean."""
    scale = Text(f"{view.title}  ", "bold")
    for shade, value in view.scale:
        sign = "+" if view.signed and value > 0 else ""
        scale.append(f" {sign}{value:.2g} ", _shade(shade))
    return scale.append(f"  {view.unit}", "dim")


def _coloured(texts: Sequence[str], view: View) -> Text:
    """Each part of a text on its shade of a view."""
    coloured = Text()
    for text, shade in zip(texts, view.shades.tolist(), strict=False):
        coloured.append(printable(text).replace("\n", "\u21b5\n"), _shade(shade))
    return coloured


def _shade(shade: float) -> str:
    if abs(shade) < _FAINT:
        return ""
    full = _RED if shade > 0 else _BLUE
    steps = round(abs(shade) * 8) / 8  # few colours: runs of one are written together
    mixed = (
        round(grey + (colour - grey) * steps) for grey, colour in zip(_GREY, full, strict=True)
    )
    return f"white on rgb({','.join(map(str, mixed))})"


def _gates(gates: Sequence[GateUse]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("gate")
    for name in ("layer", "mean", "over 0.9", "under 0.1"):
        table.add_column(name, justify="right")
    for gate in gates:
        shares = (f"{gate.mean:.2f}", f"{gate.open:.0%}", f"{gate.shut:.0%}")
        table.add_row(gate.gate, str(gate.layer), *shares)
    return table


def _show_followers(out: Console, followers: Sequence[Follower], searched: str) -> None:
    _heading(out, f"cells that follow something, measured on {searched}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("what", "cell"):
        table.add_column(name)
    table.add_column("correlation", justify="right")
    for follower in followers:
        told = f"{follower.layer}:{follower.unit}" if follower.follows else "none"
        style = "default" if follower.follows else "dim"
        table.add_row(follower.feature, told, f"{follower.correlation:+.2f}", style=style)
    out.print(table)
    if best := [follower for follower in followers if follower.follows][:1]:
        show_note(f"see one with --cell {best[0].layer}:{best[0].unit}, all in --out report.html")


def _heading(out: Console, words: str) -> None:
    out.print(Text(words, "bold"))


# -- curves -----------------------------------------------------------------------------------


def show_memory_curves(
    names: Sequence[str], horizons: Sequence[MemoryCurves], charts: Sequence[Chart]
) -> None:
    """How far back models look: their curves, then the numbers at powers of 2."""
    out = console()
    for chart in charts:
        show_chart(chart, out)
    loss = [dict(zip(h.contexts, h.loss, strict=True)) for h in horizons]
    norms = [dict(zip(h.distances, h.gradient_norm, strict=True)) for h in horizons]
    for head, columns in (("context", loss), ("distance", norms)):
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column(head, justify="right")
        for name in names:
            table.add_column(Text(printable(name)), justify="right", overflow="fold")
        longest = {max(column) for column in columns}
        for row in sorted({*_ROWS, *longest}):
            if any(row in column for column in columns):
                cells = (_number(column.get(row, math.nan)) for column in columns)
                table.add_row(f"{row:,}", *cells)
        out.print(table)
        out.print()


def show_worlds(worlds: Iterable[World]) -> None:
    """The worlds of the lab and what is asked in each."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for world in worlds:
        table.add_row(world.name, Text(world.question))
    console().print(table)
    show_note("try one: chargen lab memoryless")


def show_finding(finding: Finding) -> None:
    """What a world of the lab has shown."""
    out = console()
    for chart in finding.charts:
        show_chart(chart, out)
    rows = [[_cell(value) for value in row] for row in finding.rows]
    # The widest word of each column, below which a table is no more to be read.
    widths = [
        max(cell_len(word) for text in column for word in text.split() or [""])
        for column in zip(finding.columns, *rows, strict=True)
    ]
    room = out.width - sum(widths) - 2 * len(widths) + 2
    if room >= 0:
        out.print(_table_of(finding, rows, widths, room))
    else:
        for first, *others in rows:
            out.print(Text(first, "bold"))
            for name, cell in zip(finding.columns[1:], others, strict=True):
                out.print(Text.assemble(f"  {cell}  ", (name, "dim")))
    out.print()
    out.print(Text(printable(finding.says).replace("\n", "\u21b5")))


def _table_of(
    finding: Finding, rows: Sequence[Sequence[str]], widths: Sequence[int], room: int
) -> Table:
    """Columns of these widths at least, the first ones with what else there is room for: left to
    itself Rich makes all alike, and breaks words."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column, (name, width) in enumerate(zip(finding.columns, widths, strict=True)):
        is_numeric = all(isinstance(row[column], int | float | None) for row in finding.rows)
        more = min(room, max(cell_len(text) for text in (name, *(r[column] for r in rows))) - width)
        room -= more
        justify: JustifyMethod = "right" if is_numeric else "left"
        table.add_column(name, justify=justify, overflow="fold", width=width + more)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def show_chart(chart: Chart, out: Console) -> None:
    """A chart in braille, its axes and its lines named."""
    out.print(Text.assemble((chart.title, "bold"), (f"  {chart.y_label}", "dim")))
    out.print(_drawn(chart, max(NARROW, min(out.width, 80)), 12 if out.height >= 30 else 8))
    out.print()


def _drawn(chart: Chart, width: int, height: int) -> Text:
    columns = max(10, width - LABEL)
    pieces = [(number, p) for number, line in enumerate(chart.lines) for p in _scaled(chart, line)]
    xs = [x for _, piece in pieces for x, _ in piece]
    ys = [y for _, piece in pieces for _, y in piece]
    if not xs:
        return Text("nothing to plot: no number is finite", "dim")
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    wide, tall = max(right - left, 1e-9), max(high - low, 1e-9)
    square = [[((x - left) / wide, (y - low) / tall) for x, y in piece] for _, piece in pieces]
    cells = draw(square, columns, height)
    text = Text()
    ends = {0: _unscaled(high, chart.log_y), height - 1: _unscaled(low, chart.log_y)}
    for row in range(height):
        tick = _number(ends[row]) if row in ends else ""
        text.append(f"{tick:>{LABEL - 1}} ", "dim")
        for column in range(columns):
            character, piece = cells.get((row, column), (" ", 0))
            text.append(character, LINE_STYLES[pieces[piece][0] % len(LINE_STYLES)])
        text.append("\n")
    first, last = (_number(_unscaled(x, chart.log_x)) for x in (left, right))
    last = last if right > left else ""
    room = columns - len(first) - len(last)
    label = chart.x_label if len(chart.x_label) + 2 <= room else ""
    text.append(" " * LABEL + first + label.center(room) + last + "\n", "dim")
    text.append(" " * LABEL)
    used = 0
    for number, line in enumerate(chart.lines):
        name = printable(line.name)
        if used and used + len(name) > columns:
            text.append("\n" + " " * LABEL)
            used = 0
        text.append(name + "  ", LINE_STYLES[number % len(LINE_STYLES)])
        used += len(name) + 2
    return text


def _scaled(chart: Chart, line: Line) -> list[list[Point]]:
    """The points of a line on the chart's scales, cut where one cannot be drawn."""
    pieces: list[list[Point]] = [[]]
    for x, y in zip(line.x, line.y, strict=True):
        drawable = (x > 0 or not chart.log_x) and (y > 0 or not chart.log_y)
        if drawable and math.isfinite(x) and math.isfinite(y):
            place = (math.log(x) if chart.log_x else x, math.log(y) if chart.log_y else y)
            pieces[-1].append(place)
        elif pieces[-1]:
            pieces.append([])
    return pieces


def _unscaled(number: float, is_log: bool) -> float:
    return math.exp(number) if is_log else number


def _number(number: float) -> str:
    """In four digits; powers of ten where it is very small or very large."""
    if not math.isfinite(number):
        return "-"
    if number and not 0.001 <= abs(number) < 1e6:
        return f"{number:.1e}"
    return f"{number:.4g}" if abs(number) < 100 else f"{number:,.0f}"


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return printable(value).replace("\n", "\u21b5")
    return f"{value:,}" if isinstance(value, int) else _number(float(f"{value:.3g}"))
