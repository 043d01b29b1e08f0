"""A file of a thousand samples from the bundled model: seconds, memory, and copies.

    python benchmarks/fill_many.py [--num-samples 1000]

Runs the command itself, the start of Python included, with a fresh cache; then once more for
three times as many samples, which must take no more memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
COMMAND = """\
import resource, sys
from chargen.cli.main import main
code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB", file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--num-samples", type=int, default=1000)
    count = parser.parse_args().num_samples
    for times in (1, 3):
        with tempfile.TemporaryDirectory() as folder:
            arguments = [
                "sample", "checkpoints/everyday", "--max-chars", "200", "--seed", "1",
                "--num-samples", str(times * count), "--out", f"{folder}/samples.jsonl",
                "--check-copies",
            ]  # fmt: skip
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, *arguments], cwd=HOUSE, capture_output=True,
                text=True, env={**os.environ, "XDG_CACHE_HOME": folder, "COLUMNS": "100"},
            )  # fmt: skip
            seconds = time.monotonic() - begun
        if done.returncode:
            raise SystemExit(done.stderr)
        _, *report, memory = (line.rstrip() for line in done.stderr.splitlines())
        print(f"{times * count:,} samples of 200 characters: {seconds:.1f} s, peak {memory}")
        print("\n".join(report), flush=True)


if __name__ == "__main__":
    main()
