"""What a small world of `chargen lab` has shown: a table, charts, two sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chargen.insight.charts import Chart

Cell = str | int | float | None
Told = Callable[[str, float], None]  # what is being done, and the share of the world that is done


def tell_nobody(doing: str, share: float) -> None:
    """Where nobody wants to know how far the work has come."""


@dataclass(frozen=True)
class Finding:
    """The names in `columns` tell the units; `says` is two sentences, chosen by the numbers."""

    world: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    charts: tuple[Chart, ...]
    says: str


def portion(told: Told, doing: str, begin: float, end: float) -> Callable[[float], None]:
    """For a part of the work, which knows its own share alone: it is told as one of the whole."""
    return lambda share: told(doing, begin + (end - begin) * min(1.0, share))
