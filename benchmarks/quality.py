"""How good a model so many minutes give, with every option at its default.

    python benchmarks/quality.py TEXT [--minutes 2] [--only NAME] [--seeds 1 2 3]

Trains on the first 90 % of TEXT, validates on the rest, with the command line that a user types,
and prints a row a way and seed: the layers and units that were planned, validation loss, bits per
byte, the whole command's seconds. Of a text whose last tenth was cut off, --valid-fraction 0.1111
validates on the tenth of the whole that stood before it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "lstm": [],
    "gru": ["--cell", "gru"],
    "rnn": ["--cell", "rnn"],
    "subword 512": ["--tokenizer", "subword", "--vocab-size", "512"],
    "subword 2000": ["--tokenizer", "subword", "--vocab-size", "2000"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", default="2")
    parser.add_argument("--valid-fraction", default="0.1")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    arguments = parser.parse_args()
    content = arguments.text.read_bytes()
    print(f"{arguments.text.name}: {len(content):,} bytes, sha256 "
          f"{hashlib.sha256(content).hexdigest()}\n")  # fmt: skip
    print(
        f"{'':<13} {'seed':>4} {'units':>7} {'nats/token':>10} {'bits/byte':>10} {'steps':>7} "
        f"{'tokens/s':>9} {'whole':>7}"
    )
    for way in arguments.only:
        losses = [run(arguments, way, seed) for seed in arguments.seeds]
        if len(losses) > 1:
            print(
                f"{way:<13} median {statistics.median(losses):.4f}, "
                f"from {min(losses):.4f} to {max(losses):.4f}"
            )


def run(arguments: argparse.Namespace, way: str, seed: int) -> float:
    """Train once, print its row, and return its validation loss."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "chargen", "train", str(arguments.text), "--json",
             "--minutes", arguments.minutes, "--valid-fraction", arguments.valid_fraction,
             "--test-fraction", "0", "--seed", str(seed), "--out", f"{folder}/model", *WAYS[way]],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        seconds = time.monotonic() - begun
    events = [json.loads(line) for line in done.stdout.splitlines()]
    [plan] = [event["choices"] for event in events if event["event"] == "plan"]
    planned = {choice["name"]: choice["value"] for choice in plan}
    size = f"{planned['num_layers']} x {planned['hidden_size']}"
    report = events[-1]
    print(
        f"{way:<13} {seed:>4} {size:>7} {report['valid_loss']:10.4f} "
        f"{report['bits_per_byte']:10.4f} {report['steps']:7,} "
        f"{report['tokens_per_second']:9,.0f} {seconds:6.1f}s",
        flush=True,
    )
    return float(report["valid_loss"])


if __name__ == "__main__":
    main()
