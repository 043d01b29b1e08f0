"""Train a model further on a text of your own, and measure what that changes.

python examples/fine_tune.py corpus.txt --prompt "My dear"
"""

import argparse
from pathlib import Path

import chargen

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("text", type=Path, help="the text to train on")
parser.add_argument("--checkpoint", default="everyday", help="the model to start from (everyday)")
parser.add_argument("--prompt", default="", help="a beginning that both models continue")
parser.add_argument("--steps", type=int, default=500, help="steps of training (500)")
args = parser.parse_args()

report = chargen.train(
    args.text,
    init_from=args.checkpoint,  # its weights, its tokenizer, its sizes
    steps=args.steps,
    test_fraction=0.1,
)

print(f"forgotten: {report.forgotten_bits_per_character:.2f} bits per character of old text")

# The test part is the end of the text, which training has not seen.
content = args.text.read_bytes()
held_out = content[-len(content) // 10 :].decode("utf-8", errors="ignore")

for name, checkpoint in (("before", args.checkpoint), ("after", report)):
    model = chargen.load(checkpoint)
    bits = model.evaluate(held_out).bits_per_byte
    print(f"{name}: {bits:.2f} bits per byte of the held-out text")
    print(args.prompt + model.generate(args.prompt, max_tokens=100, seed=1).text, end="\n\n")
