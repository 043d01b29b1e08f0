"""How fast, and in how much memory, a large text is encoded.

    python benchmarks/encode.py [--gigabytes 1]

Makes a text of words, ASCII and not, encodes it afresh in a process of its own for each way, and
prints megabytes a second and the largest anonymous memory (RssAnon) that the process had. Linux
only: it reads /proc.
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

WAYS = {
    "char": "tokenizer='char'",
    "byte": "tokenizer='byte'",
    "char, lines": "tokenizer='char', documents='line'",
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
from chargen.config import CorpusConfig
from chargen.corpus import open_corpus
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
    """RssAnon of a process, in bytes; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return sum(int(x.split()[1]) * 1024 for x in status.splitlines() if x.startswith("RssAnon"))


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """The largest anonymous memory of a process, in bytes, once it has ended; it must end well."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous_memory(process.pid))
        time.sleep(0.01)
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
        write_text(text, size)
        megabytes = text.stat().st_size / 1e6
        print(f"{megabytes:,.0f} MB of text, Python and torch started anew for each way\n")
        print(f"{'way':<12} {'MB/s':>6} {'peak RssAnon':>13}")
        for way, options in WAYS.items():
            seconds, peak = measure(text, options)
            print(f"{way:<12} {megabytes / seconds:6.1f} {peak / 1e6:10,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
