"""How much memory `chargen eval` takes for a small text and for a large one.

    python benchmarks/eval_memory.py [--megabytes 1 100]

Scores texts of these sizes with a small network (it is the text that grows here) and prints the
largest anonymous memory of the process, and its bytes a second. Linux only.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from encode import peak_memory, write_text

import chargen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 100])
    sizes = parser.parse_args().megabytes
    print(f"{'text':>9} {'peak memory':>13} {'kB/s':>8}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        text = folder / "text.txt"
        write_text(text, 100_000)
        chargen.train(
            text, out=folder / "model", steps=5, hidden_size=16, tokenizer="byte", quiet=True
        )
        for size in sizes:
            write_text(text, round(size * 1e6))
            begun = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "chargen", "eval", folder / "model", text],
                stdout=subprocess.DEVNULL,
            )
            peak = peak_memory(process)
            kilobytes = text.stat().st_size / 1e3
            speed = kilobytes / (time.monotonic() - begun)
            print(f"{kilobytes / 1e3:6.0f} MB {peak / 1e6:10,.0f} MB {speed:8,.0f}", flush=True)


if __name__ == "__main__":
    main()
