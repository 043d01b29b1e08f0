"""How fast, and in how much memory, a large text is encoded.

    python benchmarks/encode.py [--gigabytes 1]

Makes a text of words, ASCII and not, encodes it afresh in a process of its own for each way, and
prints megabytes a second and the largest anonymous memory that it and the processes it forked had
together, a page that they share counted once. Subwords are slow, so they get a tenth of the text.
On disk it takes three times the text, until it ends. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chargen.runtime.cores import cores

WAYS = {  # the options, and the share of the text
    "char": ("tokenizer='char'", 1.0),
    "byte": ("tokenizer='byte'", 1.0),
    "char, lines": ("tokenizer='char', documents='line'", 1.0),
    "subword": ("tokenizer='subword'", 0.1),
}
WORDS = [
    "the",
    "strawberry",
    "is",
    "red",
    "and",
    "sweet;",
    "naïve",
    "café",
    "déjà",
    "ἄνθρωπος",
    "漢字",
    "🍓",
]
ENCODE = """
import sys
from chargen.config import (CorpusConfig)
from chargen.data.corpus import open_corpus
corpus = open_corpus([sys.argv[1]], CorpusConfig({options}))
print(len(corpus.train))
"""


def write_text(path: Path, size: int) -> None:
    """A text of at least `size` bytes, in lines of some 60 characters."""
    draw = random.Random(1)
    lines = (" ".join(draw.choices(WORDS, k=10)) + "\n" for _ in range(50_000))
    block = "".join(lines).encode()
    with open(path, "wb") as file:
        for _ in range(-(-size // len(block))):
            file.write(block)


def anonymous_memory(pid: int) -> int:
    """Of a process and its children, in bytes; 0 once it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    own = sum(int(x.split()[1]) * 1024 for x in rollup.splitlines() if x.startswith("Pss_Anon"))
    return own + sum(anonymous_memory(int(child)) for child in children)


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The largest anonymous memory, in bytes, once the process has ended; it must end well."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous_memory(process.pid))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(process.returncode)
    return peak


def measure(text: Path, options: str) -> tuple[float, int]:
    """(seconds, peak of anonymous memory in bytes) of one encoding with an empty cache."""
    with tempfile.TemporaryDirectory(dir=text.parent) as cache:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", ENCODE.format(options=options), str(text)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "XDG_CACHE_HOME": cache},
        )
        peak = peak_memory(process)
        return time.monotonic() - begun, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    size = round(parser.parse_args().gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        print("Python and torch started anew for each way\n")
        print(f"{'way':<12} {'MB of text':>10} {'MB/s':>6} {'peak memory':>12}")
        for way, (options, share) in WAYS.items():
            if not text.exists() or share < 1:
                write_text(text, round(size * share))
            megabytes = text.stat().st_size / 1e6
            seconds, peak = measure(text, options)
            figures = f"{megabytes:10,.0f} {megabytes / seconds:6.1f} {peak / 1e6:9,.0f} MB"
            print(f"{way:<12} {figures}", flush=True)
    print(f"\non {cores()} cores")


if __name__ == "__main__":
    main()
