"""Invent names like those in a file that has one name per line.

python examples/names.py names.txt --count 20
"""

import argparse
from pathlib import Path

import chargen

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", type=Path, help="a text with one name per line")
parser.add_argument("--count", type=int, default=20, help="how many to print (20)")
parser.add_argument("--steps", type=int, default=600, help="steps of training (600)")
args = parser.parse_args()

# Each line is a document of its own, so the model learns where names begin and where they end.
report = chargen.train(
    args.names, documents="line", steps=args.steps, hidden_size=128, bptt=32, dropout=0.3
)
model = chargen.load(report)

# Many of the samples are names that are already in the file, so take several times as many.
known = set(args.names.read_text(encoding="utf-8").splitlines())
samples = model.generate(num_samples=10 * args.count, temperature=0.7, seed=1)
new_names = dict.fromkeys(sample.text for sample in samples if sample.text not in known)
print(*list(new_names)[: args.count], sep="\n")
