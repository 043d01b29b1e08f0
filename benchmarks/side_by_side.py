"""What other programs on the same cores cost.

    python benchmarks/side_by_side.py [--rounds 3] [--writing]

Threads that wait for each other at every product spin, and keep each other from running where
other programs want the cores. So text is written by one thread, by several while they are in
nobody's way (runtime/blas.py), and `chargen` sets GOMP_SPINCOUNT, if it is not set, so that GNU
OpenMP's threads, which train, go to sleep sooner.

Sides, in turn: the time of a token, alone and beside two processes that never rest, on the command
line and in Python, of the bundled model and of a larger one, and, to compare, of a plain loop of
Python, which shows how much of the cores is left to one thread; then that of a training step, alone
and two programs at a time, as torch comes and as chargen sets it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TOKENS = 2000
PROMPT = "The color of a strawberry is"
IN_PYTHON = f"""
import sys, time, chargen
model = chargen.load(sys.argv[1])
model.generate({PROMPT!r}, max_tokens=1)
begun = time.perf_counter()
done = model.generate({PROMPT!r}, max_tokens={TOKENS}, seed=1)
print(1e6 * (time.perf_counter() - begun) / len(done.tokens))
"""
LOOP = """
import time
begun = time.perf_counter()
for _ in range(10_000_000):
    pass
print(0.1 * (time.perf_counter() - begun))
"""
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


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many processes that never rest."""
    running = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def in_python(checkpoint: str) -> float:
    """Microseconds a token."""
    return float(subprocess.check_output([sys.executable, "-c", IN_PYTHON, checkpoint]))


def on_the_command_line(checkpoint: str) -> float:
    """Microseconds a token after the first."""
    seconds, counts = [], []
    for tokens in (1, TOKENS):
        command = [sys.executable, "-m", "chargen", "sample", checkpoint, "--prompt", PROMPT,
                   "--seed", "1", "--json", "--max-tokens", str(tokens)]  # fmt: skip
        begun = time.perf_counter()
        line = subprocess.check_output(command)
        seconds.append(time.perf_counter() - begun)
        counts.append(len(json.loads(line)["tokens"]))
    return 1e6 * (seconds[1] - seconds[0]) / (counts[1] - counts[0])


def larger(folder: Path) -> str:
    """A checkpoint of 2 x 512 that has learned nothing."""
    text, out = folder / "text.txt", folder / "2 x 512"
    text.write_text("the quick brown fox jumps over the lazy dog; " * 500, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "chargen", "train", text, "--out", out, "--steps", "1",
         "--hidden-size", "512", "--num-layers", "2"],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(out)


def a_loop() -> float:
    """Microseconds a turn of a loop that does nothing."""
    return float(subprocess.check_output([sys.executable, "-c", LOOP]))


def writing(rounds: int) -> None:
    print(f"{'us a token':<36} {'alone':>8} {'beside':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        large = larger(Path(folder))
        sides: dict[str, Callable[[], float]] = {
            "a plain loop, a turn": a_loop,
            "everyday, command line": lambda: on_the_command_line("everyday"),
            "everyday, Python": lambda: in_python("everyday"),
            "2 x 512, command line": lambda: on_the_command_line(large),
            "2 x 512, Python": lambda: in_python(large),
        }
        for name, side in sides.items():
            taken = []
            for _ in range(rounds):
                alone = side()
                with busy(2):
                    taken.append((alone, side()))
            alone, beside = (statistics.median(times) for times in zip(*taken, strict=True))
            ratio = statistics.median(beside / alone for alone, beside in taken)
            print(f"{name:<36} {alone:8.2f} {beside:8.2f} {ratio:6.1f}", flush=True)


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


def training(rounds: int) -> None:
    print(f"\n{'ms a training step':<36} {'alone':>8} {'two':>8} {'ratio':>6}")
    for _ in range(rounds):
        for name, spins in SPINS.items():
            alone, two = (milliseconds(spins, programs) for programs in (1, 2))
            print(f"{name:<36} {alone:8.1f} {two:8.1f} {two / alone:6.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--writing", action="store_true", help="leave training out")
    arguments = parser.parse_args()
    writing(arguments.rounds)
    if not arguments.writing:
        training(arguments.rounds)


if __name__ == "__main__":
    main()
