"""How good a model two minutes give, with every option at its default.

    python benchmarks/quality.py TEXT [--minutes 2] [--only NAME]

Trains on the first 90 % of TEXT, validates on the rest, with the command line that a user types,
and prints a row a way: validation loss, bits per byte, the whole command's seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", default="2")
    parser.add_argument("--only", action="append", choices=WAYS)
    arguments = parser.parse_args()
    content = arguments.text.read_bytes()
    print(f"{arguments.text.name}: {len(content):,} bytes, sha256 "
          f"{hashlib.sha256(content).hexdigest()}\n")  # fmt: skip
    print(
        f"{'':<12} {'nats/token':>10} {'bits/byte':>10} {'steps':>7} {'tokens/s':>9} {'whole':>7}"
    )
    for way in arguments.only or WAYS:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "chargen", "train", str(arguments.text), "--json",
                 "--minutes", arguments.minutes, "--valid-fraction", "0.1", "--test-fraction", "0",
                 "--out", f"{folder}/model", *WAYS[way]],
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            seconds = time.monotonic() - begun
        report = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{way:<12} {report['valid_loss']:10.4f} {report['bits_per_byte']:10.4f} "
            f"{report['steps']:7,} {report['tokens_per_second']:9,.0f} {seconds:6.1f}s",
            flush=True,
        )


if __name__ == "__main__":
    main()
