"""Sort sentences by how familiar they are to a model, and mark what surprised it.

python examples/score.py "The sky is blue." "The sky is a hammer."
"""

import sys

import chargen

SURPRISING = 6.0  # bits: the model gave the token a probability of 1 in 64
TEXTS = [
    "The color of the sky is blue.",
    "The color of the sky is seven.",
    "A bee says moo.",
    "Colorless green ideas sleep furiously.",
]

model = chargen.load("everyday")
scores = [(model.score(text), text) for text in sys.argv[1:] or TEXTS]

for score, text in sorted(scores, key=lambda pair: pair[0].bits_per_byte):
    print(f"{score.bits_per_byte:5.2f} bits per byte  {text}")
    marks = "".join(
        ("^" if cost.bits >= SURPRISING else " ") * len(cost.text) for cost in score.costs
    )
    if marks.strip():
        print(" " * 21 + marks.rstrip())
