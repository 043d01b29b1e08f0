"""Whether texts without a prompt begin as texts do: what `--reset` teaches.

    python benchmarks/beginnings.py TEXT... [--seeds 1 2] [--steps 2500]
    python benchmarks/beginnings.py TEXT --checkpoint FOLDER

The first form makes a list of names of the texts, their words that always begin with a capital, and
trains on its lines with resets and without: a name that begins with a small letter is the tail of
one. The second asks a model of the text for texts without a prompt.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import chargen

SAMPLES = 1000
RESETS = (0.02, 0.0)


def names_in(text: str) -> list[str]:
    common = set(re.findall(r"\b[a-z]{3,}\b", text))
    names = re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,11}\b", text)
    return sorted({name for name in names if name.lower() not in common})


def tails(names: list[str], seed: int, steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "names.txt"
        text.write_text("\n".join(names) + "\n", encoding="utf-8")
        for reset in RESETS:
            report = chargen.train(
                text,
                out=Path(folder) / f"{reset}",
                documents="line",
                steps=steps,
                hidden_size=128,
                num_layers=1,
                dropout=0.4,
                reset=reset,
                seed=seed,
                quiet=True,
            )
            model = chargen.load(report.checkpoint)
            samples = model.generate(num_samples=SAMPLES, seed=1)
            count = sum(not sample.text[:1].isupper() for sample in samples)
            print(
                f"reset {reset:<5} seed {seed}  tails {count:4} of {SAMPLES}  "
                f"validation {report.valid_loss:.3f} nats per token",
                flush=True,
            )


def beginnings(checkpoint: Path, text: str) -> None:
    model = chargen.load(checkpoint)
    samples = model.generate(num_samples=SAMPLES, seed=1, max_tokens=40, temperature=1.0)
    known = {word for line in text.splitlines() for word in line.split()[:1]}
    first = [(sample.text.split() or [""])[0] for sample in samples]
    begin = sum(word in known for word in first)
    print(f"{begin:4} of {SAMPLES} begin with a word that a line begins with")
    begin = sum(word in known or word[:1].isupper() for word in first)
    print(f"{begin:4} of {SAMPLES} begin with such a word or a capital letter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", nargs="+", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=2500)
    arguments = parser.parse_args()
    text = "\n".join(path.read_text(encoding="utf-8") for path in arguments.text)
    if arguments.checkpoint is not None:
        beginnings(arguments.checkpoint, text)
        return
    names = names_in(text)
    print(f"{len(names):,} names")
    for seed in arguments.seeds:
        tails(names, seed, arguments.steps)


if __name__ == "__main__":
    main()
