"""How long damaged checkpoints take to be told, and how much memory.

    python benchmarks/damage.py [--mutations 5000] [--seed 1]

Damages copies of two small checkpoints, by characters and by subwords, as the tests do (accidents,
and forgeries whose seals are right), opens each, and prints how many were told, how many loaded (as
they were, or as what was forged), the slowest, and by how much the largest memory of this process
grew. Anything but a ChargenError ends it.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests lie there

import chargen
from chargen.errors import ChargenError
from tests.support.mutations import damage, forge

TEXT = Path(__file__).resolve().parent.parent / "corpora" / "everyday.txt"


def peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mutations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    outcomes: Counter[str] = Counter()
    seconds = []
    with tempfile.TemporaryDirectory() as temporary:
        sources = [Path(temporary) / kind for kind in ("char", "subword")]
        for source in sources:
            subprocess.run(  # its memory is not to be counted
                [sys.executable, "-m", "chargen", "train", TEXT, "--out", source, "--steps", "50",
                 "--hidden-size", "32", "--tokenizer", source.name],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            chargen.load(source)
        before = peak_megabytes()
        folder = Path(temporary) / "damaged"
        for index in range(arguments.mutations):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(draw.choice(sources), folder)
            way = damage if index % 2 else forge
            if index % 4 == 1:  # what a model is given away as
                (folder / "training.safetensors").unlink()
            what = way(folder, draw)
            begun = time.perf_counter()
            try:
                chargen.load(folder)
                outcomes[f"{way.__name__}: loaded"] += 1
            except ChargenError:
                outcomes[f"{way.__name__}: told"] += 1
            seconds.append((time.perf_counter() - begun, what))
        grown = peak_megabytes() - before
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome:<16} {count:>6,}")
    slowest, what = max(seconds)
    middle = statistics.median(took for took, _ in seconds)
    print(f"a median of {1e3 * middle:.1f} ms each, the slowest {1e3 * slowest:.0f} ms ({what})")
    print(f"the largest memory of the process grew by {grown:.0f} MB")


if __name__ == "__main__":
    main()
