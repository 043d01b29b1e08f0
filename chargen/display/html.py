"""An inspection as one page of HTML: it needs no network, only a browser."""

from __future__ import annotations

import html
import json
from pathlib import Path

from chargen.insight.from_checkpoint import InspectionResult
from chargen.reprs import HIGH, LOW
from chargen.scoring.units import NATS_PER_BIT

TEMPLATE = Path(__file__).with_name("report.html")
DATA = "/*DATA*/null"


def page(seen: InspectionResult, model: str) -> str:
    """The page: the text in the colours of each view, what was likely at each place, tables. What
    the `model` is stands below the title."""
    inspection, followers = seen.inspection, seen.followers
    title = f"What {seen.about.folder.resolve().name} remembers"
    tables = []
    if followers:
        rows = [
            [f.feature, f"{f.layer}:{f.unit}" if f.follows else "none", f"{f.correlation:+.2f}"]
            for f in followers
        ]
        about = (
            "For each feature, the cell that follows it most closely, chosen on the first half of "
            f"{seen.searched}; the correlation is that in the second half."
        )
        tables.append(_table("Cells that follow something", about, "what cell correlation", rows))
    if inspection.gates:
        rows = [
            [gate.gate, str(gate.layer), f"{gate.mean:.2f}", f"{gate.open:.0%}", f"{gate.shut:.0%}"]
            for gate in inspection.gates
        ]
        about = "Over all units and tokens: the mean, and the shares above 0.9 and below 0.1."
        tables.append(_table("How the gates were used", about, "gate layer mean open shut", rows))
    data = {
        "title": title,
        "colours": [LOW, HIGH],
        "model": model,
        "parts": [
            [
                part.text,
                round(part.nats / NATS_PER_BIT, 3),
                [[chance.text, float(f"{chance.probability:.3g}")] for chance in part.most_likely],
            ]
            for part in inspection.parts
        ],
        "views": [
            {
                "title": view.title,
                "unit": view.unit,
                "signed": view.signed,
                "scale": [[shade, f"{value:.2g}"] for shade, value in view.scale],
                "values": [round(value, 3) for value in view.values.tolist()],
                "shades": [round(100 * shade) for shade in view.shades.tolist()],
            }
            for view in inspection.views
        ],
        "tables": tables,
    }
    # Nothing else could end the script.
    script = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    template = TEMPLATE.read_text(encoding="utf-8")
    template = template.replace("<title>chargen inspect<", f"<title>{html.escape(title)}<")
    return template.replace(DATA, script)


def _table(title: str, about: str, columns: str, rows: list[list[str]]) -> dict[str, object]:
    return {"title": title, "about": about, "columns": columns.split(), "rows": rows}
