"""Ask a model to finish some texts: copy this and change it.

python examples/sample.py checkpoints/demo
"""

import sys

import chargen

PROMPTS = ["GRANN", "The color of a strawberry is", "The opposite of cold is", "You: What color is"]

model = chargen.load(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/demo")

for prompt in PROMPTS:
    print(f"\n{prompt}", end="")
    for piece in model.stream(prompt, max_tokens=60, temperature=0.5, stop=("\n",), seed=1):
        print(piece.text, end="", flush=True)
print()

for candidate in model.generate("The color of a strawberry is", beams=3, max_tokens=4):
    print(f"{candidate.logprob:8.2f} nats  {candidate.text!r}")
