"""Draw how runs learnt, into a PNG or SVG file. The only door to matplotlib, an optional extra."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargen.errors import ChargenError
from chargen.files import write_file

FORMATS = (".png", ".svg", ".pdf")
AXES = {"steps": "step", "epochs": "epoch", "minutes": "minutes"}


@dataclass(frozen=True)
class Curve:
    """A run: its name, its lines of metrics.jsonl, and what its tokens are."""

    name: str
    metrics: Sequence[dict[str, Any]]
    tokenizer: str  # losses per token compare between equal ones alone


def plot(curves: Sequence[Curve], path: Path, along: str = "steps") -> None:
    """Training (dashed) and validation losses over `along`, which is one of AXES, to `path`.

    Runs of one tokenizer are drawn in nats per token, runs of several in bits per byte, which is
    known of the validation text alone. Raises ChargenError where matplotlib is missing, there is
    nothing to draw, or the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise ChargenError(
            f"cannot draw a {path.suffix or 'nameless'} file", hint=f"use {', '.join(FORMATS)}"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ChargenError(
            "drawing needs matplotlib, which is not installed",
            hint="pip install 'chargen[plot]'",
        ) from error
    comparable = len({curve.tokenizer for curve in curves}) == 1
    figure = Figure(figsize=(8, 5), layout="constrained")
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
        raise ChargenError(f"{names}: no evaluation to draw yet", hint="train a little longer")
    axes.set_xlabel(AXES[along])
    axes.set_ylabel("loss, nats per token" if comparable else "validation loss, bits per byte")
    axes.grid(alpha=0.3)
    axes.legend()
    drawing = io.BytesIO()
    figure.savefig(drawing, format=path.suffix[1:].lower(), dpi=150)
    try:
        write_file(path, drawing.getvalue())
    except OSError as error:
        raise ChargenError(
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
