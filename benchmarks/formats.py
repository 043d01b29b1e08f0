"""How fast, and in how much memory, records are read, compared with the same text as it is.

    python benchmarks/formats.py [--gigabytes 1]

Writes a text, and the same as records of some 300 characters in CSV, JSON Lines, JSON and, where
pyarrow is installed, Parquet; reads each afresh, in a process of its own, as `chargen train` does:
splits, tokens (bytes) and token files included. Prints the megabytes a second of each kind's text,
how many times as long as the plain text it takes, and the largest anonymous memory of the process
and those it forked. On disk it takes four times the text, until it ends. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from encode import WORDS, measure

OPTIONS = "tokenizer='byte'"


def records(size: int) -> Iterator[str]:
    """Texts that have so many bytes together, some with quotes, commas and newlines."""
    draw = random.Random(1)
    texts = [
        f'{" ".join(draw.choices(WORDS, k=24))}, "{draw.choice(WORDS)}"\n'
        f"{' '.join(draw.choices(WORDS, k=24))}"
        for _ in range(10_000)
    ]
    lengths = [len(text.encode()) for text in texts]
    while size > 0:
        for text, length in zip(texts, lengths, strict=True):
            yield text
            size -= length
            if size <= 0:
                return


def write_plain(path: Path, texts: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in texts)


def write_csv(path: Path, texts: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "date"])
        writer.writerows((number, text, "2026-01-01") for number, text in enumerate(texts))


def write_lines(path: Path, texts: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            record = {"id": number, "text": text, "user": {"name": "Ana"}}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_list(path: Path, texts: Iterator[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            record = {"id": number, "text": text, "user": {"name": "Ana"}}
            file.write(("," if number else "[") + json.dumps(record, ensure_ascii=False))
        file.write("]")


def write_parquet(path: Path, texts: Iterator[str]) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([("text", pyarrow.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        while rows := list(islice(texts, 100_000)):
            writer.write_table(pyarrow.table({"text": rows}, schema=schema))


KINDS: dict[str, Callable[[Path, Iterator[str]], None]] = {
    "txt": write_plain,
    "csv": write_csv,
    "jsonl": write_lines,
    "json": write_list,
    "parquet": write_parquet,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    size = round(parser.parse_args().gigabytes * 1e9)
    print("Python and torch started anew for each kind\n")
    print(f"{'kind':<8} {'MB of text':>10} {'MB/s':>6} {'times as long':>14} {'peak memory':>12}")
    plain = 0.0
    for kind, write in KINDS.items():
        if kind == "parquet" and find_spec("pyarrow") is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"text.{kind}"
            write(path, records(size))
            seconds, peak = measure(path, OPTIONS)
        plain = plain or seconds
        figures = f"{size / 1e6:10,.0f} {size / 1e6 / seconds:6.1f} {seconds / plain:14.1f}"
        print(f"{kind:<8} {figures} {peak / 1e6:9,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
