"""What a small world of `chargen lab` has shown: a table, charts, two sentences."""

from __future__ import annotations

from dataclasses import dataclass

from chargen.insight.charts import Chart

Cell = str | int | float | None


@dataclass(frozen=True)
class Finding:
    """The names in `columns` tell the units; `says` is two sentences, chosen by the numbers."""

    world: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    charts: tuple[Chart, ...]
    says: str

    def __repr__(self) -> str:
        return f"<Finding of {self.world}: {self.says}>"
