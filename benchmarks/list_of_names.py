"""What a list of names, one a line, is learned to in equal seconds: with a fresh state for each, as
is planned for it, with the state carried from one into the next, and by a plain GRU.

    python benchmarks/list_of_names.py FILE... [--seconds 106] [--seeds 3]

A FILE is a list, a name a line; of any other text the words are one: each once, in small letters.
A tenth of the list is held out, and scored as `chargen eval` does: nats a character, the end of
each line included. Everything is planned for the seconds, but for the cell and the state that a row
names. The plain GRU is that of makemore as one runs it: one layer of 64, batches of 32 names padded
to the longest, AdamW at 5e-4, no dropout. It is a baseline as its readers know it, no rival that
was tuned. The second number of a row is what it gains on the row before, median against median.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import chargen

HELD_OUT = 10  # one of so many
SHUFFLED_BY = 1
ROWS: dict[str, dict[str, Any]] = {
    "state carried": {"fresh_state": False},
    "fresh state": {},
    "fresh state, gru": {"cell": "gru"},
}
END = 0  # of a name, for the plain GRU: it stands before the next one, too


def names_of(path: Path) -> list[str]:
    """The lines of a list, or the words of another text, each once, in an order of no meaning."""
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line]
    if any(" " in line for line in lines):
        lines = re.findall(r"[^\W\d_]{2,}", text.lower())
    names = sorted(set(lines))
    random.Random(SHUFFLED_BY).shuffle(names)
    return names


class PlainGRU(nn.Module):
    """makemore's, with torch's own layer."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 64)
        self.gru = nn.GRU(64, 64, batch_first=True)
        self.head = nn.Linear(64, vocab_size)

    def nats(self, names: list[list[int]]) -> tuple[torch.Tensor, int]:
        """What these names cost, and how many tokens that is."""
        longest = max(map(len, names)) + 1
        inputs = torch.tensor([[END, *name, *[END] * (longest - 1 - len(name))] for name in names])
        targets = [[*name, END, *[-1] * (longest - 1 - len(name))] for name in names]
        x, _ = self.gru(self.embedding(inputs))
        wanted = torch.tensor(targets).flatten()
        logits = self.head(x).flatten(0, 1)
        nats = F.cross_entropy(logits, wanted, ignore_index=-1, reduction="sum")
        return nats, int((wanted >= 0).sum())


def plain_gru(learned: list[str], held_out: list[str], seconds: float, seed: int) -> float:
    """Nats a character after so many seconds."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    letters = {letter: at for at, letter in enumerate(sorted(set("".join(learned))), start=1)}
    known = [[letters[letter] for letter in name] for name in learned]
    model = PlainGRU(len(letters) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99))
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        nats, count = model.nats(draw.sample(known, 32))
        optimizer.zero_grad()
        (nats / count).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        asked = [name for name in held_out if set(name) <= letters.keys()]
        rows = [[letters[letter] for letter in name] for name in asked]
        costs = [model.nats(rows[at : at + 256]) for at in range(0, len(rows), 256)]
    return sum(float(nats) for nats, _ in costs) / sum(count for _, count in costs)


def ours(
    learned: list[str], held_out: list[str], seconds: float, seed: int, **options: Any
) -> tuple[float, str]:
    """Nats a character, and what the plan had come to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names.txt"
        path.write_text("".join(f"{name}\n" for name in learned), encoding="utf-8")
        report = chargen.train(
            path, out=Path(folder) / "model", documents="line", test_fraction=0,
            minutes=seconds / 60, seed=seed, quiet=True, **options,
        )  # fmt: skip
        model = chargen.load(report.checkpoint)
        assert model.metadata is not None
        shape, scores = model.metadata.model, model.metadata.scores
        score = model.evaluate("".join(f"{name}\n" for name in held_out))
    return (
        score.loss,
        f"{shape.hidden_size} wide, {scores.epochs:.0f} epochs, dropout {shape.dropout:g}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=106.0)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    seeds = range(1, arguments.seeds + 1)
    print(f"nats a character, ends included, {arguments.seconds:g} s, "
          f"{torch.get_num_threads()} threads, seeds 1 to {arguments.seeds}")  # fmt: skip
    for path in arguments.files:
        names = names_of(path)
        held_out, learned = names[::HELD_OUT], [n for i, n in enumerate(names) if i % HELD_OUT]
        print(f"\n{path.stem}: {len(learned):,} names learned, {len(held_out):,} held out")
        before: float | None = None
        for row in ("plain gru", *ROWS):
            found, plan = [], ""
            for seed in seeds:
                if row == "plain gru":
                    found.append(plain_gru(learned, held_out, arguments.seconds, seed))
                else:
                    loss, plan = ours(learned, held_out, arguments.seconds, seed, **ROWS[row])
                    found.append(loss)
            middle = statistics.median(found)
            gain = "" if before is None else f"{middle - before:+.3f}"
            each = " ".join(f"{loss:.3f}" for loss in found)
            print(f"{row:<18}{middle:.3f} {gain:>7}   {each}   {plan}", flush=True)
            before = middle


if __name__ == "__main__":
    main()
