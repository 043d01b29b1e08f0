"""Draw into PNG, SVG and PDF files. The only door to matplotlib, an optional extra."""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen.errors import ChargenError, ConfigError, OutputError, named
from chargen.insight.charts import Chart
from chargen.runtime.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chargen.insight.inspection import Inspection, View

FORMATS = (".png", ".svg", ".pdf")
AXES = {"steps": "step", "epochs": "epoch", "minutes": "minutes"}
# A text as a picture: characters a line, lines of each view at most, and inches of a character.
LINE, MAX_LINES = 80, 24
WIDE, HIGH = 0.11, 0.22
MONOSPACE = 0.602  # the width of DejaVu Sans Mono's characters, by its size


@dataclass(frozen=True)
class Curve:
    """A run: its name, its lines of metrics.jsonl, and what its tokens are."""

    name: str
    metrics: Sequence[dict[str, Any]]
    tokenizer: str  # losses per token compare between equal ones alone


def check_output(path: Path, formats: Sequence[str] = FORMATS) -> None:
    """What can be told before there is something to draw. Raises ConfigError where files of such a
    name are not drawn, OutputError where the folder is missing."""
    if path.suffix.lower() not in formats:
        raise ConfigError(named("out") + f" must end in {', '.join(formats)}, not {path.name!r}")
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot write {path}: there is no folder {path.parent}", hint="create it first"
        )


def plot(curves: Sequence[Curve], path: Path, along: str = "steps") -> None:
    """Training (dashed) and validation losses over `along`, which is one of AXES, to `path`.

    Runs of one tokenizer are drawn in nats per token, runs of several in bits per byte, which is
    known of the validation text alone. Raises ChargenError where matplotlib is missing, there is
    nothing to draw, or the file cannot be written.
    """
    check_output(path)
    figure = _figure(8, 5)
    comparable = len({curve.tokenizer for curve in curves}) == 1
    axes = figure.subplots()
    drawn = 0
    for index, curve in enumerate(curves):
        style: dict[str, Any] = {"color": f"C{index % 10}", "marker": "o", "markersize": 3}
        loss = "valid_loss" if comparable else "bits_per_byte"
        label = f"{curve.name}, validation" if comparable else curve.name
        drawn += _line(axes, curve, along, loss, label=label, **style)
        if comparable:
            label = f"{curve.name}, training"
            drawn += _line(axes, curve, along, "train_loss", label=label, linestyle="--", **style)
    if not drawn:
        names = ", ".join(curve.name for curve in curves)
        raise ChargenError(f"{names}: no evaluation to plot yet", hint="train a little longer")
    axes.set_xlabel(AXES[along])
    axes.set_ylabel("loss, nats per token" if comparable else "validation loss, bits per byte")
    axes.grid(alpha=0.3)
    axes.legend()
    _write(figure, path)


def draw_charts(charts: Sequence[Chart], path: Path) -> None:
    """Charts side by side, to `path`. Raises ChargenError as `plot` does."""
    check_output(path)
    figure = _figure(7 * len(charts), 5)
    for axes, chart in zip(figure.subplots(1, len(charts), squeeze=False)[0], charts, strict=True):
        for line in chart.lines:
            few = len(line.x) <= 30
            axes.plot(line.x, line.y, label=line.name, marker="o" if few else None, markersize=4)
        axes.set_title(chart.title)
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(chart.y_label)
        if chart.log_x:
            axes.set_xscale("log")
        if chart.log_y:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend()
    _write(figure, path)


def draw_text(inspection: Inspection, path: Path) -> None:
    """The beginning of a text in the colours of each of its views, to `path`. Raises ChargenError
    as `plot` does."""
    check_output(path)
    lines = _lines([part.text for part in inspection.parts])
    columns = max(40, *map(len, lines))
    width, height = (columns + 2) * WIDE, (len(lines) + 2) * HIGH  # of a view, with its title
    whole = len(inspection.views) * height
    figure = _figure(width, whole)
    figure.set_layout_engine("none")  # letters must stand on their shades
    for number, view in enumerate(inspection.views, start=1):
        bottom = (whole - number * height + HIGH / 2) / whole
        size = (columns * WIDE / width, len(lines) * HIGH / whole)
        _draw_view(figure.add_axes((WIDE / width, bottom, *size)), lines, columns, view)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is a box
        _write(figure, path)


def _lines(parts: Sequence[str]) -> list[list[tuple[str, int]]]:
    """The characters of the parts, each with the number of its part, in lines. A wide one is
    followed by nothing, in a place of its own."""
    lines: list[list[tuple[str, int]]] = [[]]
    for place, part in enumerate(parts):
        for letter in part:
            wide = unicodedata.east_asian_width(letter) in "WF"
            if len(lines[-1]) + wide >= LINE:
                lines.append([])
            lines[-1].append(("\u21b5" if letter == "\n" else letter, place))
            lines[-1] += [("", place)] * wide
            if letter == "\n":
                lines.append([])
        if len(lines) > MAX_LINES:
            return lines[:MAX_LINES]
    return lines if lines[-1] else lines[:-1]


def _draw_view(
    axes: Any, lines: Sequence[Sequence[tuple[str, int]]], columns: int, view: View
) -> None:
    """The text as lines of letters upon their shades."""
    shades = [[float("nan")] * columns for _ in lines]
    for row, line in enumerate(lines):
        for column, (_, place) in enumerate(line):
            shades[row][column] = view.shades[place]
        written = "".join(letter if letter.isprintable() else "\u00b7" for letter, _ in line)
        written = written.replace("$", r"\$")  # else it begins a formula
        axes.text(
            -0.5,
            row,
            written,
            va="center_baseline",
            family="DejaVu Sans Mono",
            size=72 * WIDE / MONOSPACE,
        )
    low = -1.0 if view.signed else 0.0
    colours = "RdBu_r" if view.signed else "Reds"
    image = axes.imshow(shades, cmap=colours, vmin=low * 1.4, vmax=1.4, aspect="auto")
    image.set_zorder(-1)
    weakest = "blue" if view.signed else "white"
    scale = f"{weakest} {view.low:.2g}, red {view.high:.2g}"
    axes.set_title(f"{view.title}: {scale}, {view.unit}", loc="left", fontsize=10)
    axes.axis("off")


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. Raises ChargenError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChargenError(
            "plotting needs matplotlib, which is not installed",
            hint="pip install 'chargen[plot]'",
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _write(figure: Figure, path: Path) -> None:
    drawing = io.BytesIO()
    figure.savefig(drawing, format=path.suffix[1:].lower(), dpi=150)
    write_output(path, drawing.getvalue())


def write_output(path: Path, content: bytes) -> None:
    """What was asked for with --out, into its file, at once. Raises OutputError."""
    try:
        write_file(path, content)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}", hint="name another file with --out"
        ) from error


def _line(axes: Any, curve: Curve, along: str, loss: str, **style: Any) -> bool:
    """Draw one loss of one run, where there is any."""
    points = [(_place(line, along), line[loss]) for line in curve.metrics if line[loss] is not None]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
    return bool(points)


def _place(line: dict[str, Any], along: str) -> float:
    if along == "minutes":
        return float(line["seconds"]) / 60
    return float(line[AXES[along]])
