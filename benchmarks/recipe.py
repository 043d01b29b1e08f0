"""What each choice of the recipe is worth: one option changed at a time, all else as planned.

    python benchmarks/recipe.py TEXT [--steps 3000] [--hidden-size 256] [--only NAME ...]
    python benchmarks/recipe.py TEXT --minutes 3 --row hidden_size=384 --row num_layers=2

Trains on the first 81 % of TEXT and validates on the next 9 %: its last tenth, which other
benchmarks score, is never looked at. Every row has the same number of steps, or of minutes, and
prints the best validation loss in nats per token, what it differs by from the first row, the
training loss beside it, how long a token took, as a ratio to the first row's, and how often the
text was read. A --row is options of its own, instead of the rows below.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import chargen
from chargen.checkpoint.metrics import load_metrics

VARIATIONS: dict[str, dict[str, Any]] = {
    "as planned": {},
    "again, seed 2": {"seed": 2},
    "float32": {"precision": "float32"},
    "half the learning rate": {"learning_rate": 0.006},
    "twice the learning rate": {"learning_rate": 0.024},
    "no dropout": {"dropout": 0.0, "weight_dropout": 0.0},
    "dropout 0.3": {"dropout": 0.3},
    "dropout 0.5": {"dropout": 0.5},
    "embedding dropout 0.1": {"embedding_dropout": 0.1},
    "token dropout 0.05": {"token_dropout": 0.05},
    "weight dropout 0.2": {"weight_dropout": 0.2},
    "AR 1": {"activation_penalty": 1.0},
    "TAR 0.5": {"temporal_penalty": 0.5},
    "no weight decay": {"weight_decay": 0.0},
    "weight decay 0.3": {"weight_decay": 0.3},
    "no resets": {"reset": 0.0},
    "resets 0.1": {"reset": 0.1},
    "random bptt": {"random_bptt": True},
    "bptt 32, as many tokens": {"bptt": 32},
    "bptt 128, as many tokens": {"bptt": 128},
    "batch 32, as many tokens": {"batch_size": 32},
    "average 0.99": {"average": 0.99},
    "average 0.999": {"average": 0.999},
    "layer norm": {"layer_norm": True},
    "two layers": {"num_layers": 2},
    "two layers, residual": {"num_layers": 2, "residual": True},
    "tied weights": {"tie_weights": True},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn"},
}


def read_option(text: str) -> tuple[str, Any]:
    """A word NAME=VALUE, the value as JSON has it or as it stands."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="of each row, instead of steps")
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--only", nargs="+", choices=VARIATIONS, default=list(VARIATIONS))
    parser.add_argument("--row", action="append", metavar="OPTIONS", help="NAME=VALUE ...")
    arguments = parser.parse_args()
    rows = {name: VARIATIONS[name] for name in arguments.only}
    if arguments.row:
        rows = {row: dict(map(read_option, row.split())) for row in arguments.row}
    content = arguments.text.read_bytes()
    wide = max(26, *map(len, rows))
    print(f"{'':<{wide}} {'valid':>7} {'':>8} {'train':>7} {'time':>6} {'epochs':>7}")
    first: tuple[float, float] | None = None
    with tempfile.TemporaryDirectory() as temporary:
        text = Path(temporary) / arguments.text.name
        text.write_bytes(content[: len(content) * 9 // 10])
        for number, (name, changed) in enumerate(rows.items()):
            options: dict[str, Any] = {
                "hidden_size": arguments.hidden_size, "valid_fraction": 0.1, "test_fraction": 0.0
            } | changed  # fmt: skip
            if arguments.minutes is not None:
                options["minutes"] = arguments.minutes
            else:
                options["steps"] = arguments.steps
            if "as many tokens" in name and arguments.minutes is None:
                tokens = 16 * 64 * arguments.steps
                options["steps"] = tokens // (
                    options.get("batch_size", 16) * options.get("bptt", 64)
                )
            out = Path(temporary) / str(number)
            report = chargen.train(text, out=out, quiet=True, **options)
            validations = load_metrics(out)[1]
            best = min(validations, key=lambda line: line["valid_loss"])
            loss, rate = best["valid_loss"], report.tokens_per_second
            first = first or (loss, rate)
            print(
                f"{name:<{wide}} {loss:7.4f} {loss - first[0]:+8.4f} {best['train_loss']:7.4f} "
                f"{first[1] / rate:6.2f} {validations[-1]['epoch']:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
