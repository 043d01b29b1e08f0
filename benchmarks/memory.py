"""How much memory training on large texts takes, and sampling a long one.

    python benchmarks/memory.py [--gigabytes 1] [--tokens 1000000] [--only NAME ...]

Each row is `chargen train` with all else at its defaults and an empty cache, from its start to the
end of 400 steps, on a text of so many bytes: of words in lines, or of one line without a space.
Printed is the largest anonymous memory of the process and those that it forked. Then the model
that is bundled samples a text; printed is its anonymous memory after each tenth. Linux only: it
reads /proc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from encode import anonymous_memory, peak_memory, write_text

HOUSE = Path(__file__).resolve().parent.parent
STEPS = 400
# A name, the share of the size that it is tried at, whether it is one line, and its flags.
WAYS = (
    ("char", 1.0, False, ()),
    ("byte", 1.0, False, ("--tokenizer", "byte")),
    ("char, lines", 1.0, False, ("--documents", "line")),
    ("char, one line", 0.2, True, ()),
    ("char, one line of lines", 0.2, True, ("--documents", "line")),
    ("subword", 0.2, False, ("--tokenizer", "subword")),
    ("subword, one line", 0.02, True, ("--tokenizer", "subword")),
)


def write_line(path: Path, size: int) -> None:
    """A text of at least `size` bytes without a space or a newline."""
    write_text(path, size)
    with open(path, "r+b") as file:
        while block := file.read(1 << 20):
            file.seek(-len(block), os.SEEK_CUR)
            file.write(block.replace(b" ", b"_").replace(b"\n", b";"))


def peak_of_training(text: Path, flags: tuple[str, ...]) -> float:
    """Megabytes."""
    with tempfile.TemporaryDirectory(dir=text.parent) as cache:
        process = subprocess.Popen(
            [sys.executable, "-m", "chargen", "train", text, "--steps", str(STEPS),
             "--out", f"{cache}/run", *flags],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "XDG_CACHE_HOME": cache},
        )  # fmt: skip
        return peak_memory(process) / 1e6


def memory_while_sampling(tokens: int) -> None:
    """Print it after each tenth of a text of so many tokens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chargen", "sample", "checkpoints/everyday", "--seed", "1",
         "--max-tokens", str(tokens), "--temperature", "0.9"],
        stdout=subprocess.PIPE, cwd=HOUSE,
    )  # fmt: skip
    assert process.stdout is not None
    drawn, told = 0, 0
    while block := os.read(
        process.stdout.fileno(), 1 << 16
    ):  # a token of this model is a byte here
        drawn += len(block)
        if drawn >= (told + 1) * tokens // 10:
            told += 1
            memory = anonymous_memory(process.pid) / 1e6
            print(f"{drawn:>12,} tokens {memory:10,.1f} MB", flush=True)
    if process.wait():
        sys.exit(process.returncode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="to sample; 0: none")
    names = [name for name, *_ in WAYS]
    parser.add_argument(
        "--only", nargs="*", choices=names, default=names, help="none: samples alone"
    )
    arguments = parser.parse_args()
    if arguments.only:
        print(f"{'training on':<24} {'text':>9} {'peak memory':>14}")
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        for name, share, one_line, flags in WAYS:
            if name not in arguments.only:
                continue
            size = round(share * arguments.gigabytes * 1e9)
            (write_line if one_line else write_text)(text, size)
            peak = peak_of_training(text, flags)
            megabytes = text.stat().st_size / 1e6
            print(f"{name:<24} {megabytes:6,.0f} MB {peak:11,.0f} MB", flush=True)
    if arguments.tokens:
        print("\nsampling a text")
        memory_while_sampling(arguments.tokens)


if __name__ == "__main__":
    main()
