"""Tell good reviews from bad ones with a model that has only learned to continue text.

Every line of the training text is a review and its label: `I adored the film. => positive`. To
classify a review, ask which label is its most likely continuation.

python examples/classify.py "The opera was dull at first, but wonderful in the end."
"""

import argparse
from pathlib import Path

import chargen

CORPORA = Path(__file__).parent.parent / "corpora"
TEXTS = [
    "The opera was wonderful at first, but dull in the end.",
    "The opera was dull at first, but wonderful in the end.",
]

parser = argparse.ArgumentParser(description="Tell good reviews from bad ones.")
parser.add_argument("texts", nargs="*", default=TEXTS, help="what to classify")
parser.add_argument("--steps", type=int, default=3000, help="steps of training (3000: a minute)")
args = parser.parse_args()

checkpoint = Path("checkpoints/reviews")
if not checkpoint.exists():  # only the first time
    chargen.train(
        CORPORA / "sentiment.txt", out=checkpoint, steps=args.steps, documents="line",
        loss_after="=> ",  # of each line the label alone is learned
    )  # fmt: skip

model = chargen.load(checkpoint)
for text in args.texts:
    found = chargen.classify(model, text, ["positive", "negative"], template="{text} => {label}")
    print(f"{found.label} {found.probability:6.1%}  {text}")
