"""How soon the first word is there: whole commands as people call them, and what memory they take.

    python benchmarks/first_word.py [--rounds 7] [--old FOLDER]

Beside them `python -c "import torch"`, in turn, in the same run; and, if there is one, an older
version, from a folder that `git worktree add FOLDER COMMIT` has made. Seconds are medians, ratios
medians over the rounds, memory is the peak of what is resident.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pexpect

from chargen import __version__

HOUSE = Path(__file__).resolve().parent.parent
ANSI_POSITION = "\x1b[6n"  # prompt_toolkit asks where the cursor is: the prompt is there
GREEN = "\x1b[32m"  # the model's text
API = "import chargen; print(chargen.load('everyday').generate('Hello', max_tokens=20).text)"
MANY = "1,000 samples, 200 tokens"


class Taken(NamedTuple):
    seconds: float
    bytes: float  # NaN where it is not known


Use = Callable[[Path], Taken]  # of the version in a folder


def python(*words: str) -> Use:
    """The whole of a process of Python's."""

    def use(house: Path) -> Taken:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *words], env=_environment(house), cwd=house.anchor,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # Of this child alone: RUSAGE_CHILDREN would be the peak of all so far.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} failed in {house}")
        return Taken(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

    return use


def chargen(line: str) -> Use:
    return python("-m", "chargen", *line.split())


def first_answer(house: Path) -> Taken:
    """From the start of the REPL to the first of an answer that is asked for as soon as its prompt
    is there."""
    begun = time.perf_counter()
    child = pexpect.spawn(
        sys.executable, ["-m", "chargen", "repl", "everyday", "--mode", "complete"],
        encoding="utf-8", dimensions=(24, 80), env=_environment(house) | {"TERM": "xterm-256color"},
        timeout=120, cwd=house.anchor,
    )  # fmt: skip
    child.delaybeforesend = None
    child.expect_exact(ANSI_POSITION)
    child.send("\x1b[4;3RGRANN\r")
    child.expect_exact(GREEN)
    seconds = time.perf_counter() - begun
    child.close(force=True)
    return Taken(seconds, float("nan"))


def _environment(house: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(house)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--old", type=Path, metavar="FOLDER", help="an older version of chargen")
    arguments = parser.parse_args()
    imports_torch = python("-c", "import torch")
    sides: dict[str, Callable[[Use], Taken]] = {
        "chargen": lambda use: use(HOUSE),
        "import torch": lambda use: imports_torch(HOUSE),
    }
    if arguments.old is not None:
        old = arguments.old.resolve()
        sides["old"] = lambda use: use(old)
    uses: dict[str, Use] = {
        "sample, 20 tokens": chargen("sample everyday --prompt Hello --max-tokens 20"),
        "REPL, the first of an answer": first_answer,
        "Python, 20 tokens": python("-c", API),
        "list": chargen("list"),
        MANY: chargen("sample everyday --num-samples 1000 --max-tokens 200 --json"),
    }
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, chargen {__version__}; seconds, MB, ratio"
    )
    print(f"{'':30}" + "".join(f"{side:>22}" for side in sides))
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_STATE_HOME": folder, "XDG_CACHE_HOME": folder}
        for name, use in uses.items():
            rounds = max(1, arguments.rounds // 3) if name == MANY else arguments.rounds
            measure(use, sides, 1)  # what is read from disk, and compiled
            taken = measure(use, sides, rounds)
            print(f"{name:30}" + "".join(f"{shown(taken, side):>22}" for side in sides), flush=True)


def measure(
    use: Use, sides: dict[str, Callable[[Use], Taken]], rounds: int
) -> list[dict[str, Taken]]:
    """The sides in turn, again and again."""
    return [{side: run(use) for side, run in sides.items()} for _ in range(rounds)]


def shown(taken: list[dict[str, Taken]], side: str) -> str:
    """The seconds of a side, its memory, and how many times them the first side took."""
    seconds = statistics.median(row[side].seconds for row in taken)
    megabytes = max(row[side].bytes for row in taken) / 1e6
    ratio = statistics.median(row["chargen"].seconds / row[side].seconds for row in taken)
    memory = "" if math.isnan(megabytes) else f"{megabytes:.0f}"
    return f"{seconds:.2f} {memory:>5} {'' if side == 'chargen' else f'{ratio:.2f}':>6}"


if __name__ == "__main__":
    main()
