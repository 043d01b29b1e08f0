"""Draw the pictures of the manual into docs/pictures.

    python docs/pictures.py [NAME ...] [--out FOLDER]

Every picture is a function below that returns a figure. What a picture shows was computed for it:
by the bundled model, by a world of `chargen lab`, or by a small training from a fixed seed. All of
them take some five minutes; a name draws that one alone. An SVG holds no date, so that a picture
that has not changed is drawn as the same file on the same machine.
"""

from __future__ import annotations

import argparse
import functools
import io
import math
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

import chargen
from chargen.checkpoint.metrics import load_metrics
from chargen.insight.charts import Chart, Line
from chargen.nn.trace import trace
from chargen.tokenizers.base import Tokenizer, spelled
from chargen.tokenizers.byte import ByteTokenizer
from chargen.tokenizers.char import CharTokenizer
from chargen.tokenizers.subword import SubwordTokenizer
from chargen.tokenizers.word import WordTokenizer

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).resolve().parent / "pictures"
CORPUS = ROOT / "corpora" / "everyday.txt"

# -- one look for all ---------------------------------------------------------------------------

# A picture brings its own light ground, so that it reads the same on a white page and a dark one.
CARD, EDGE = "#fbfaf7", "#d9d6cf"
INK, FAINT = "#22272e", "#6a7280"
BLUE, RED, GREEN, ORANGE, PURPLE = "#2b6cb0", "#c0392b", "#2f855a", "#c27803", "#6b46c1"
LINES = (BLUE, RED, GREEN, ORANGE, PURPLE)
PALE = {BLUE: "#dbe9f6", RED: "#f8dedb", GREEN: "#d9efe2", ORANGE: "#fbecc8", PURPLE: "#e7e0f8"}
STYLE: dict[Any, Any] = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",  # letters stay letters: small, and they can be searched
    "svg.hashsalt": "chargen",
    "path.simplify_threshold": 0.5,  # half a pixel: long curves take less room
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.monospace": ["DejaVu Sans Mono"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 9,
}

PATH = re.compile(r' d="[^"]*"')

Picture = Callable[[], Figure]
PICTURES: dict[str, Picture] = {}


def picture(draw: Picture) -> Picture:
    """Enter a function into PICTURES, to be drawn in the look of all."""

    @functools.wraps(draw)
    def styled() -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw()

    PICTURES[draw.__name__] = styled
    return styled


def save(name: str, folder: Path) -> Path:
    """Draw the picture of this name into the folder; the file."""
    figure = PICTURES[name]()
    drawing = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    path = folder / f"{name}.svg"
    path.write_text(PATH.sub(in_tenths, drawing.getvalue()), encoding="utf-8")
    return path


def in_tenths(path: re.Match[str]) -> str:
    """The numbers of a path in tenths of a point: finer is not seen, and takes more room."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}", path[0])


def blank(width: float, height: float) -> Figure:
    """An empty card of so many inches."""
    figure = Figure(figsize=(width, height))
    figure.patch.set_alpha(0)
    card = FancyBboxPatch(
        (0.03, 0.03),
        width - 0.06,
        height - 0.06,
        boxstyle="round,pad=0,rounding_size=0.12",
        facecolor=CARD,
        edgecolor=EDGE,
        linewidth=0.8,
        transform=figure.dpi_scale_trans,
        zorder=-10,
    )
    figure.add_artist(card)
    return figure


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """A card to draw diagrams on, and its axes, which count in inches from the lower left."""
    figure = blank(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def plots(
    width: float, height: float, columns: int, rows: int = 1, **how: Any
) -> tuple[Figure, Any]:
    """A card with so many axes for curves."""
    figure = blank(width, height)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    return figure, figure.subplots(rows, columns, squeeze=False, **how)


def write(axes: Any, x: float, y: float, text: str, color: str = INK, **how: Any) -> None:
    axes.text(x, y, text, **({"ha": "center", "va": "center", "color": color} | how))


def box(
    axes: Any,
    x: float,
    y: float,
    text: str,
    color: str = BLUE,
    *,
    width: float = 0.62,
    height: float = 0.42,
    **how: Any,
) -> None:
    """A rounded box with its middle at (x, y)."""
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.07",
            facecolor=PALE.get(color, CARD),
            edgecolor=color,
            linewidth=1.2,
        )
    )
    write(axes, x, y, text, **how)


def dot(axes: Any, x: float, y: float, text: str, color: str = INK) -> None:
    """An operation on numbers: a circle with its sign."""
    face = PALE.get(color, "white")
    axes.add_patch(Circle((x, y), 0.13, facecolor=face, edgecolor=color, linewidth=1.1, zorder=3))
    write(axes, x, y, text, zorder=4, fontsize=9)


def arrow(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = INK,
    *,
    bend: float = 0.0,
    **how: Any,
) -> None:
    """An arrow from a place to another, straight or bent."""
    style: dict[str, Any] = {"linewidth": 1.2, "arrowstyle": "-|>", "mutation_scale": 9} | how
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            color=color,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
            **style,
        )
    )


def line(axes: Any, points: Sequence[tuple[float, float]], color: str = INK, **how: Any) -> None:
    axes.plot(*zip(*points, strict=True), **({"color": color, "linewidth": 1.2} | how))


def draw_chart(axes: Any, chart: Chart, title: str | None = None) -> None:
    """A chart of the lab or of insight."""
    for color, curve in zip((*LINES, FAINT), chart.lines, strict=False):
        few = len(curve.x) <= 30
        style = ":" if curve.name == "chance" else "-"
        axes.plot(
            curve.x,
            curve.y,
            style,
            label=curve.name,
            color=FAINT if style == ":" else color,
            marker="o" if few and style == "-" else None,
            markersize=4,
            linewidth=1.5,
        )
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    axes.set_title(title or chart.title, loc="left")
    if chart.log_x:
        axes.set_xscale("log")
    if chart.log_y:
        axes.set_yscale("log")
    axes.minorticks_off()
    axes.grid(alpha=0.25)


def visible(text: str) -> str:
    """Spaces and line ends as signs."""
    return text.replace(" ", "\u2423").replace("\n", "\u21b5")


@functools.cache
def facts() -> chargen.TextGenerator:
    """The bundled model of characters."""
    return chargen.load("facts")


# -- what a recurrent network is ----------------------------------------------------------------


@picture
def unrolled() -> Figure:
    """The loop, and the same drawn once for each letter of GRANN, with the guess of `facts`
    after each."""
    figure, axes = canvas(8, 2.75)
    y = 1.35
    box(axes, 1.1, y, "network", BLUE, width=0.9, height=0.6)
    arrow(axes, (1.1, 0.6), (1.1, y - 0.3))
    arrow(axes, (1.1, y + 0.3), (1.1, 2.08))
    write(axes, 1.1, 0.42, "token")
    write(axes, 1.1, 2.25, "next token?")
    line(axes, [(1.55, y), (1.8, y), (1.8, 0.78), (0.4, 0.78), (0.4, y)], ORANGE)
    arrow(axes, (0.4, y), (0.65, y), ORANGE)
    write(axes, 1.88, 1.02, "state", ORANGE, ha="left")
    write(axes, 2.45, y, "=", fontsize=16)
    for place, (letter, guess, chance) in enumerate(guesses("GRANN")):
        x = 3.35 + 0.97 * place
        box(axes, x, y, "network", BLUE, width=0.72, height=0.5, fontsize=9)
        arrow(axes, (x, 0.6), (x, y - 0.25))
        arrow(axes, (x, y + 0.25), (x, 1.92))
        arrow(axes, (x - 0.61, y), (x - 0.36, y), ORANGE)
        write(axes, x, 0.42, letter, weight="bold")
        write(axes, x, 2.08, guess, GREEN, weight="bold")
        write(axes, x, 2.35, f"{chance:.1%}", FAINT, fontsize=8)
    write(axes, 3.35 - 0.7, y, "0", ORANGE)
    arrow(axes, (7.59, y), (7.84, y), ORANGE)
    return figure


def guesses(word: str) -> list[tuple[str, str, float]]:
    """Each letter, the most likely after it by `facts`, and its probability."""
    found = []
    for end in range(1, len(word) + 1):
        guess = facts().generate(word[:end], max_tokens=1, temperature=0)
        found.append((word[end - 1], guess.text, math.exp(guess.logprob)))
    return found


@picture
def state() -> Figure:
    """Some numbers of the state as `facts` reads a sentence: column by column another
    state, row by row one number."""
    text, cells = "The color of a strawberry is red.", range(96, 120)
    size = facts().model.config.hidden_size
    seen = chargen.inspect(facts(), text, cell=tuple(f"0:{cell}" for cell in cells))
    rows = np.array([view.values for view in seen.asked])
    figure, axes = plots(8, 3.4, 1)
    draw = axes[0, 0]
    draw.imshow(rows, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="none")
    draw.set_xticks(range(len(text)), visible(text), family="monospace", color=INK)
    draw.set_yticks(range(0, len(cells), 4), [f"0:{cell}" for cell in cells[::4]])
    draw.tick_params(length=0)
    draw.spines[:].set_visible(False)
    title = f"24 of the {size} memory cells of layer 0, tanh(c): blue -1, red +1"
    draw.set_title(title, loc="left")
    return figure


@picture
def sequences() -> Figure:
    """One to many, many to one, many to many: what is read, what is written, and when."""
    figure, axes = canvas(8, 2.6)
    panels = (
        ("one to many", "write a text", (0,), (0, 1, 2), 3),
        ("many to one", "name a text's class", (0, 1, 2), (2,), 3),
        ("many to many, in step", "predict each next token", (0, 1, 2), (0, 1, 2), 3),
        ("many to many, delayed", "translate", (0, 1, 2), (2, 3, 4), 5),
    )
    left = 0.3
    for title, use, reads, writes, steps in panels:
        middle = left + 0.46 * (steps - 1) / 2 + 0.16
        write(axes, middle, 2.33, title, weight="bold", fontsize=9)
        write(axes, middle, 0.25, use, FAINT, fontsize=9)
        for step in range(steps):
            x = left + 0.16 + 0.46 * step
            box(axes, x, 1.3, "", BLUE, width=0.26, height=0.42)
            if step:
                arrow(axes, (x - 0.33, 1.3), (x - 0.13, 1.3), ORANGE)
            if step in reads:
                box(axes, x, 0.65, "", RED, width=0.26, height=0.26)
                arrow(axes, (x, 0.78), (x, 1.09))
            if step in writes:
                box(axes, x, 1.95, "", GREEN, width=0.26, height=0.26)
                arrow(axes, (x, 1.51), (x, 1.82))
        left += 0.46 * steps + 0.42
    return figure


@picture
def memoryless() -> Figure:
    """`chargen lab namaskar`: the right letter's probability, with memory and without."""
    finding = chargen.lab.run("namaskar")
    figure, axes = plots(8, 3.3, 2, sharey=True)
    for draw, chart in zip(axes[0], finding.charts, strict=True):
        draw_chart(draw, chart, chart.title.partition(":")[0])
        word = chart.title.partition(":")[0]
        draw.set_xticks(list(chart.lines[0].x), list(word[:-1]), family="monospace", color=INK)
        draw.set_xlabel("the last letter that was read")
    axes[0, 1].set_ylabel("")
    axes[0, 1].legend()
    return figure


# -- how it learns ------------------------------------------------------------------------------


@picture
def truncation() -> Figure:
    """A text in chunks of `bptt` tokens: the state goes on, the gradient is cut."""
    figure, axes = canvas(8, 1.85)
    text = "The color of a swan is white"[:24]
    size, width = 8, 0.3
    for place, letter in enumerate(text):
        x = 0.5 + width * place + 0.12 * (place // size)
        box(axes, x, 0.85, visible(letter), BLUE, width=0.24, height=0.36, family="monospace")
    for chunk in range(3):
        first = 0.5 + (width * size + 0.12) * chunk
        last = first + width * (size - 1)
        arrow(axes, (last, 1.17), (first, 1.17), RED)
        write(axes, (first + last) / 2, 1.33, "gradient", RED, fontsize=9)
        write(axes, (first + last) / 2, 1.62, f"step {chunk + 1}", FAINT, fontsize=9)
        if chunk:
            cut = first - (width + 0.12) / 2
            line(axes, [(cut, 1.05), (cut, 1.5)], RED, linestyle=":")
    arrow(axes, (0.35, 0.52), (7.75, 0.52), ORANGE)
    write(axes, 4.05, 0.32, "state", ORANGE, fontsize=9)
    return figure


@picture
def vanishing() -> Figure:
    """`chargen lab vanishing`: how far a symbol is carried, and what is left of a gradient."""
    finding = chargen.lab.run("vanishing")
    figure, axes = plots(8, 3.7, 2)
    gradient = finding.charts[-1]
    kept = [  # what is nothing to a weight has no place on the scale
        Line(curve.name, curve.x, [y if y > 1e-20 else math.nan for y in curve.y])
        for curve in gradient.lines
    ]
    cut = Chart(gradient.title, gradient.x_label, gradient.y_label, kept, log_y=True)
    draw_chart(axes[0, 0], cut, "A gradient on its way back, before training")
    draw_chart(axes[0, 1], finding.charts[0], "After training at one distance alone")
    axes[0, 0].set_ylabel("norm of the gradient")
    axes[0, 1].set_xticks([10, 30, 100, 300], ["10", "30", "100", "300"])
    axes[0, 1].legend()
    return figure


@picture
def exploding() -> Figure:
    """`chargen lab exploding`: gradients by the recurrent weight, and in training."""
    finding = chargen.lab.run("exploding")
    figure, axes = plots(8, 3.7, 2)
    back = finding.charts[0]
    weights = [Line(curve.name.split()[-1], curve.x, curve.y) for curve in back.lines]
    back = Chart(back.title, back.x_label, back.y_label, weights, log_y=True)
    draw_chart(axes[0, 0], back, "Gradient on its way back, by recurrent weight")
    draw_chart(axes[0, 1], finding.charts[1], "In training, recurrent weight 1.5")
    axes[0, 0].set_ylabel("norm of the gradient")
    axes[0, 1].set_ylabel("norm before clipping")
    axes[0, 0].legend(loc="lower left")
    axes[0, 1].legend()
    return figure


# -- cells --------------------------------------------------------------------------------------


@picture
def plain() -> Figure:
    """The plain cell."""
    figure, axes = canvas(4.2, 1.9)
    arrow(axes, (0.6, 0.95), (1.79, 0.95), ORANGE)
    write(axes, 0.38, 0.95, "h\u209c\u208b\u2081", ORANGE)
    box(axes, 2.1, 0.95, "tanh", RED)
    arrow(axes, (2.1, 0.38), (2.1, 0.74))
    write(axes, 2.1, 0.24, "x\u209c")
    arrow(axes, (2.41, 0.95), (3.6, 0.95), ORANGE)
    write(axes, 3.82, 0.95, "h\u209c", ORANGE)
    arrow(axes, (3.0, 0.95), (3.0, 1.55), ORANGE)
    write(axes, 3.0, 1.7, "output layer", FAINT, fontsize=9)
    return figure


@picture
def lstm() -> Figure:
    """The LSTM's cell: the memory goes straight through, gates say what happens to it."""
    figure, axes = canvas(7.4, 3.2)
    top, gate, bus = 2.75, 1.3, 0.6
    arrow(axes, (0.6, top), (1.42, top), PURPLE)
    write(axes, 0.36, top, "c\u209c\u208b\u2081", PURPLE)
    dot(axes, 1.55, top, "\u00d7", PURPLE)
    arrow(axes, (1.68, top), (3.02, top), PURPLE)
    dot(axes, 3.15, top, "+", PURPLE)
    arrow(axes, (3.28, top), (6.75, top), PURPLE)
    write(axes, 7.0, top, "c\u209c", PURPLE)
    line(axes, [(0.6, bus), (4.85, bus)], ORANGE)
    write(axes, 0.36, bus, "h\u209c\u208b\u2081", ORANGE)
    line(axes, [(1.0, 0.36), (1.0, bus)])
    write(axes, 1.0, 0.22, "x\u209c")
    gates = (1.55, "f = \u03c3", BLUE), (2.6, "i = \u03c3", BLUE), (4.85, "o = \u03c3", BLUE)
    for x, text, color in (*gates, (3.7, "g = tanh", RED)):
        arrow(axes, (x, bus), (x, gate - 0.21), ORANGE)
        box(axes, x, gate, text, color, width=0.84 if color == RED else 0.66, fontsize=9)
    arrow(axes, (1.55, gate + 0.21), (1.55, top - 0.13), BLUE)
    write(axes, 1.47, 2.1, "forget", FAINT, fontsize=8, ha="right")
    dot(axes, 3.15, 2.05, "\u00d7")
    line(axes, [(2.6, gate + 0.21), (2.6, 2.05)], BLUE)
    arrow(axes, (2.59, 2.05), (3.02, 2.05), BLUE)
    write(axes, 2.52, 1.8, "input", FAINT, fontsize=8, ha="right")
    line(axes, [(3.7, gate + 0.21), (3.7, 2.05)], RED)
    arrow(axes, (3.71, 2.05), (3.28, 2.05), RED)
    write(axes, 3.78, 1.8, "candidate", FAINT, fontsize=8, ha="left")
    arrow(axes, (3.15, 2.18), (3.15, top - 0.13))
    arrow(axes, (5.18, gate), (5.87, gate), BLUE)
    write(axes, 5.2, gate + 0.14, "output", FAINT, fontsize=8, ha="left")
    arrow(axes, (6.0, top), (6.0, 2.28), PURPLE)
    box(axes, 6.0, 2.1, "tanh", RED, width=0.6, height=0.34, fontsize=9)
    dot(axes, 6.0, gate, "\u00d7")
    arrow(axes, (6.0, 1.93), (6.0, gate + 0.13), RED)
    line(axes, [(6.0, gate - 0.13), (6.0, bus)], ORANGE)
    arrow(axes, (5.99, bus), (6.75, bus), ORANGE)
    write(axes, 7.0, bus, "h\u209c", ORANGE)
    return figure


@picture
def gru() -> Figure:
    """The GRU's cell: one gate shares out between the old state and a new one."""
    figure, axes = canvas(6.4, 3.0)
    top, gate, bus = 2.5, 1.2, 0.55
    arrow(axes, (0.62, top), (3.22, top), ORANGE)
    write(axes, 0.36, top, "h\u209c\u208b\u2081", ORANGE)
    dot(axes, 3.35, top, "\u00d7", INK)
    arrow(axes, (3.48, top), (4.92, top), ORANGE)
    dot(axes, 5.05, top, "+", INK)
    arrow(axes, (5.18, top), (5.82, top), ORANGE)
    write(axes, 6.05, top, "h\u209c", ORANGE)
    line(axes, [(0.85, top), (0.85, bus), (3.35, bus)], ORANGE)
    line(axes, [(0.6, bus), (4.6, bus)])
    line(axes, [(0.85, bus), (3.35, bus)], ORANGE)
    write(axes, 0.4, bus, "x\u209c")
    for x, text, color in ((1.85, "r = \u03c3", BLUE), (3.35, "z = \u03c3", BLUE)):
        arrow(axes, (x, bus), (x, gate - 0.21), ORANGE)
        box(axes, x, gate, text, color, width=0.66, fontsize=9)
    write(axes, 1.43, gate, "reset", FAINT, fontsize=8, ha="right")
    write(axes, 2.93, gate, "update", FAINT, fontsize=8, ha="right")
    dot(axes, 1.85, 1.9, "\u00d7", INK)
    arrow(axes, (1.85, gate + 0.21), (1.85, 1.77), BLUE)
    line(axes, [(1.35, top), (1.35, 1.9)], ORANGE)
    write(axes, 1.42, 2.2, "U h", FAINT, fontsize=8, ha="left")
    arrow(axes, (1.35, 1.9), (1.72, 1.9), ORANGE)
    line(axes, [(1.98, 1.9), (2.33, 1.9), (2.33, 0.85), (4.2, 0.85)], ORANGE)
    arrow(axes, (4.6, bus), (4.6, gate - 0.21))
    line(axes, [(4.2, 0.85), (4.45, 0.85)], ORANGE)
    arrow(axes, (4.45, 0.84), (4.45, gate - 0.21), ORANGE)
    box(axes, 4.6, gate, "n = tanh", RED, width=0.86, fontsize=9)
    arrow(axes, (3.35, gate + 0.21), (3.35, top - 0.13), BLUE)
    write(axes, 3.27, 1.9, "z", FAINT, fontsize=8, ha="right")
    dot(axes, 5.05, 1.9, "\u00d7", INK)
    arrow(axes, (3.35, 1.9), (4.92, 1.9), BLUE)
    write(axes, 4.1, 2.02, "1 \u2212 z", FAINT, fontsize=8)
    line(axes, [(4.6, gate + 0.21), (4.6, 1.6), (5.05, 1.6)], RED)
    arrow(axes, (5.05, 1.6), (5.05, 1.77), RED)
    arrow(axes, (5.05, 2.03), (5.05, top - 0.13))
    return figure


LINES_READ = "A bee says buzz.\nThe color of a swan is white.\nA lemon is sour."
LINE_CELL = (0, 33)  # its layer and place: it forgets at the end of a line, and nowhere else


@picture
def gates() -> Figure:
    """All of one cell of `facts`, character by character."""
    model = facts()
    tokens = [model.tokenizer.end, *model.tokenizer.encode(LINES_READ)]
    with torch.inference_mode():
        found = trace(model.model, torch.tensor([tokens]), model.model.initial_state(1))
    layer, cell = LINE_CELL
    values = {name: part[0, 1:, cell].numpy() for name, part in found.layers[layer].items()}
    rows = (
        ("candidate", "candidate g", RED, -1, 1),
        ("input", "input gate i", BLUE, 0, 1),
        ("forget", "forget gate f", BLUE, 0, 1),
        ("cell", "memory c", PURPLE, -2, 2),
        ("output", "output gate o", BLUE, 0, 1),
        ("hidden", "output h", ORANGE, -1, 1),
    )
    figure, axes = plots(8, 4.9, 1, len(rows))
    size = len(LINES_READ)
    ends = [place for place, letter in enumerate(LINES_READ) if letter == "\n"]
    for draw, (name, title, color, low, high) in zip(axes[:, 0], rows, strict=True):
        draw.stairs(values[name], np.arange(size + 1) - 0.5, fill=True, color=color)
        draw.set(ylim=(low * 1.08, high * 1.08), yticks=sorted({low, 0, high}))
        draw.set_ylabel(title, rotation=0, ha="right", va="center")
        draw.axhline(0, color=FAINT, linewidth=0.6)
        for end in ends:
            draw.axvspan(end - 0.5, end + 0.5, color=PALE[ORANGE], linewidth=0, zorder=0)
        draw.tick_params(length=0, labelsize=7)
        draw.set(xlim=(-1, size), xticks=[])
        draw.spines[["left", "bottom"]].set_visible(False)
    letters = list(visible(LINES_READ))
    axes[-1, 0].set_xticks(range(size), letters, family="monospace", fontsize=8, color=INK)
    axes[0, 0].set_title(f"cell {layer}:{cell}; the ends of lines are marked", loc="left")
    return figure


# -- tokens -------------------------------------------------------------------------------------


@picture
def tokens() -> Figure:
    """One line as bytes, as characters, as subwords and as words of a bundled text."""
    text = "now: gr\u00fcne M\u00e4use \u20ac"
    learned = (ROOT / "corpora" / "translations.txt").read_text(encoding="utf-8")
    kinds: dict[str, Tokenizer] = {
        "byte": ByteTokenizer(),
        "char": CharTokenizer.train([learned]),
        "subword": SubwordTokenizer.train([learned], vocab_size=400),
        "word": WordTokenizer.train([learned], vocab_size=1000),
    }
    figure, axes = canvas(8, 2.27)
    colors = (BLUE, PURPLE, GREEN, BLUE)
    for row, (color, (kind, tokenizer)) in enumerate(zip(colors, kinds.items(), strict=True)):
        y = 1.92 - 0.52 * row
        ids = tokenizer.encode(text)
        write(axes, 0.2, y, kind, weight="bold", ha="left")
        write(axes, 7.8, y, f"{len(ids)}", FAINT, ha="right")
        boxes(axes, 1.0, y, [spelled(tokenizer.pieces[token]) for token in ids], color)
    return figure


def boxes(axes: Any, x: float, y: float, texts: Sequence[str], color: str) -> None:
    """Tokens side by side from x on; single bytes, as <C3>, in small letters."""
    for text in texts:
        byte = len(text) == 4 and text[0] == "<"
        shown = text[1:3] if byte else visible(text)
        width = 0.25 if byte else 0.135 + 0.1 * len(shown)
        size = 7 if byte else 10
        box(axes, x + width / 2, y, shown, RED if byte else color, width=width, height=0.32,
            family="monospace", fontsize=size)  # fmt: skip
        x += width + 0.035


@picture
def healing() -> Figure:
    """A text as the tokenizer of `everyday` cuts it, and its beginning as that cuts it."""
    tokenizer = chargen.load("everyday").tokenizer
    figure, axes = canvas(7, 1.7)
    rows = (
        ("in the text", "The sign says GRANNY'S", BLUE),
        ("the prompt", "The sign says GRANN", RED),
        ("healed", "The sign says", GREEN),
    )
    for row, (title, said, color) in enumerate(rows):
        y = 1.38 - 0.52 * row
        write(axes, 0.2, y, title, weight="bold", ha="left")
        ids = tokenizer.encode(said)
        boxes(axes, 1.4, y, [tokenizer.pieces[token].decode() for token in ids], color)
    write(axes, 3.55, 1.38 - 2 * 0.52, "then any tokens whose text begins with",
          FAINT, ha="left", fontsize=9)  # fmt: skip
    write(axes, 6.1, 1.38 - 2 * 0.52, visible(" GRANN"), family="monospace", ha="left")
    return figure


# -- regularisation -----------------------------------------------------------------------------


@picture
def overfitting() -> Figure:
    """Two trainings on 60 kB, without dropout and with what chargen plans for it."""
    figure, axes = plots(8, 3.6, 2, sharey=True)
    dropped = {"no dropout": (0.0, 0.0), "as planned: dropout 0.5, weight dropout 0.4": (0.5, 0.4)}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text(CORPUS.read_text(encoding="utf-8")[:60_000], encoding="utf-8")
        for draw, (title, (dropout, weight_dropout)) in zip(axes[0], dropped.items(), strict=True):
            report = chargen.train(
                text,
                out=Path(folder) / title,
                hidden_size=192,
                dropout=dropout,
                weight_dropout=weight_dropout,
                steps=1800,
                valid_fraction=0.15,
                evaluations=18,
                quiet=True,
            )
            _, metrics = load_metrics(report.checkpoint)
            epochs = [at["epoch"] for at in metrics]
            for name, color in (("train_loss", RED), ("valid_loss", BLUE)):
                label = "training" if name == "train_loss" else "validation"
                draw.plot(epochs, [at[name] for at in metrics], "o-", color=color, markersize=3,
                          label=label)  # fmt: skip
            best = min(metrics, key=lambda at: at["valid_loss"])
            draw.plot(best["epoch"], best["valid_loss"], "o", color=INK, markersize=7, mfc="none",
                      label=f"best: {best['valid_loss']:.2f}")  # fmt: skip
            draw.set_title(title, loc="left")
            draw.set(xlabel="epochs", ylim=(0, None))
            draw.grid(alpha=0.25)
            draw.legend()
    axes[0, 0].set_ylabel("loss, nats per token")
    return figure


# -- beam search --------------------------------------------------------------------------------


@picture
def beams() -> Figure:
    """A beam search of width 4 by hand, with the numbers of `facts`; greedy in red."""
    prompt, width, steps = "The opposite of ", 4, 5
    figure, axes = canvas(8, 3.0)
    live, greedy = {"": 1.0}, ""
    places = {"": (0.0, 0.0)}
    for step in range(steps):
        grown = {
            text + letter: chance * own
            for text, chance in live.items()
            for letter, own in next_characters(prompt + text).items()
        }
        greedy += max(nexts := next_characters(prompt + greedy), key=nexts.__getitem__)
        live = dict(sorted(grown.items(), key=lambda pair: -pair[1])[:width])
        write(axes, 0.75 + 1.62 * step, 2.75, f"step {step + 1}", FAINT, fontsize=9)
        for row, (text, chance) in enumerate(live.items()):
            x, y = places[text] = (0.75 + 1.62 * step, 2.3 - 0.6 * row)
            color = RED if text == greedy else BLUE
            box(axes, x, y, text, color, width=0.84, height=0.32, family="monospace", fontsize=10)
            write(axes, x, y - 0.26, f"{chance:.1%}", FAINT, fontsize=8)
            if step:
                from_x, from_y = places[text[:-1]]
                arrow(axes, (from_x + 0.42, from_y), (x - 0.42, y), FAINT, linewidth=0.9)
    return figure


def next_characters(text: str) -> dict[str, float]:
    """The probabilities, by `facts`, of what may come after a text."""
    model = facts()
    ids = [model.tokenizer.end, *model.tokenizer.encode(text)]
    with torch.inference_mode():
        logits, _ = model.model(torch.tensor([ids]), model.model.initial_state(1))
    chances = logits[0, -1].softmax(0).tolist()
    pairs = zip(model.tokenizer.texts, chances, strict=True)
    return {letter: chance for letter, chance in pairs if letter}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all unless given")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or PICTURES:
        path = save(name, arguments.out)
        print(f"{path}  {path.stat().st_size / 1000:.1f} kB", flush=True)


if __name__ == "__main__":
    main()
