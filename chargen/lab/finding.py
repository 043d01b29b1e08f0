"""What a small world of `chargen lab` has shown: a table, charts, two sentences."""

from __future__ import annotations

from dataclasses import dataclass

from chargen.insight.charts import Chart

Cell = str | int | float | None


@dataclass(frozen=True)
class Finding:
    """What an experiment measured: a table (`columns`, whose names give the units, and `rows`),
    `charts`, and in `says` the result in two sentences."""

    world: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    charts: tuple[Chart, ...]
    says: str

    def __repr__(self) -> str:
        return f"<Finding of {self.world}: {self.says}>"
