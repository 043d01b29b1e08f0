"""What a second program on the same cores costs, with and without our limit on spinning.

    python benchmarks/side_by_side.py

GNU OpenMP's threads spin while they wait for each other. When two programs share the cores, one's
spinning keeps the other's threads from running. `chargen` sets GOMP_SPINCOUNT (if it is not set) so
that threads go to sleep sooner; here both ways run in turn, alone and two at a time.
"""

from __future__ import annotations

import os
import subprocess
import sys

SPINS = {"as torch comes": None, "as chargen sets it": "10000"}
SECONDS = 6
STEPS = f"""
import time
import torch
from chargen.config import (ModelConfig)
from chargen.nn.model import LanguageModel
model = LanguageModel(ModelConfig(), 257)
tokens = torch.randint(257, (16, 64))
count, begun = -1, time.monotonic()
while time.monotonic() - begun < {SECONDS}:
    logits, _ = model(tokens, model.initial_state(16))
    logits.sum().backward()
    count += 1
    if count == 0:
        begun = time.monotonic()
print(1000 * (time.monotonic() - begun) / count)
"""


def milliseconds(spins: str | None, programs: int) -> float:
    """The mean time of a forward and backward step, so many programs running at once."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    if spins is not None:
        environment["GOMP_SPINCOUNT"] = spins
    running = [
        subprocess.Popen(
            [sys.executable, "-c", STEPS], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(programs)
    ]
    times = [float(process.communicate()[0]) for process in running]
    return sum(times) / len(times)


def main() -> None:
    print(f"{'ms a step':<20} {'alone':>8} {'two':>8} {'ratio':>6}")
    for _ in range(3):
        for name, spins in SPINS.items():
            alone, two = (milliseconds(spins, programs) for programs in (1, 2))
            print(f"{name:<20} {alone:8.1f} {two:8.1f} {two / alone:6.1f}", flush=True)


if __name__ == "__main__":
    main()
