"""Let a model continue some texts. Copy this script and change it.

python examples/sample.py checkpoints/everyday
"""

import sys

import chargen

PROMPTS = [
    "GRANN",
    "The color of a strawberry is",
    "The color of a banana is",
    "The opposite of cold is",
]

model = chargen.load(sys.argv[1] if len(sys.argv) > 1 else "everyday")

for prompt in PROMPTS:
    print(prompt, end="")
    for piece in model.stream(prompt, max_tokens=80, temperature=0.5, stop="\n", seed=1):
        print(piece, end="", flush=True)
    print()

print("\nThe most likely sentences that begin with: The color of a strawberry is")
for best in model.generate("The color of a strawberry is", beams=3, max_tokens=80, stop="."):
    print(f"{best.score:8.2f} nats {best.text}")
