"""How far back networks look that were trained alike: rnn, lstm and gru; and one cell by its bptt.

    python benchmarks/looking_back.py TEXT [--minutes 5] [--only NAME ...] [--keep FOLDER]

One layer of 384, all else planned, the same time for each. Loss by context and gradient by distance
as `chargen inspect --memory` has them, on the tenth of the text that none of them saw; and the
cells that follow something most closely, with their correlations.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import chargen
from chargen.insight.from_checkpoint import MemoryResult

HIDDEN_SIZE = 384
RUNS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
    "lstm, bptt 8": {"cell": "lstm", "bptt": 8},
    "lstm, bptt 32": {"cell": "lstm", "bptt": 32},
    "lstm, bptt 128": {"cell": "lstm", "bptt": 128},
}


def table(head: str, columns: Mapping[str, Mapping[int, float]], form: str) -> None:
    """Numbers at powers of 2, a column for each network."""
    rows = sorted({place for column in columns.values() for place in column})
    print(f"\n{head:>8}" + "".join(f"{name:>16}" for name in columns))
    for row in rows:
        if row & (row - 1) == 0:
            print(f"{row:8,}" + "".join(f"{column[row]:16{form}}" for column in columns.values()))


def show(found: Mapping[str, MemoryResult]) -> None:
    horizons = {name: looked.horizon for name, looked in found.items()}
    pairs = {name: (h.contexts, h.loss) for name, h in horizons.items()}
    table("context", {n: dict(zip(*pair, strict=True)) for n, pair in pairs.items()}, ".3f")
    norms = {name: (h.distances, h.gradient_norm) for name, h in horizons.items()}
    table("distance", {n: dict(zip(*pair, strict=True)) for n, pair in norms.items()}, ".2g")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, for each network")
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--keep", type=Path, help="where the models stay, and are taken from again")
    arguments = parser.parse_args(argv)
    found: dict[str, MemoryResult] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.only:
            folder = (arguments.keep or Path(temporary)) / name.replace(", ", "-").replace(" ", "")
            if not folder.exists():
                chargen.train(
                    arguments.text, out=folder, hidden_size=HIDDEN_SIZE, num_layers=1,
                    minutes=arguments.minutes, test_fraction=0.1, quiet=True, **RUNS[name],
                )  # fmt: skip
            looked = found[name] = chargen.look_back(folder)
            scores = looked.about.scores
            followers = chargen.inspect(folder).followers
            print(
                f"{name:16}{scores.steps:8,} steps  {scores.epochs:5.1f} epochs  validation "
                f"{scores.valid_loss or 0:.3f} nats per token  ({looked.measured})",
                flush=True,
            )
            cells = (f"{f.feature} {f.layer}:{f.unit} {f.correlation:+.2f}" for f in followers)
            print("    " + ", ".join(cells), flush=True)
        show(found)


if __name__ == "__main__":
    main()
