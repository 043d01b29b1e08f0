"""What a model knows: two beginnings of texts, the questions that it never saw, and a short talk.

python examples/ask.py checkpoints/demo

The prompts ask for facts that the training text tells, in wordings that it never has for them.
"""

import json
import sys
from pathlib import Path

import chargen

PROMPTS = Path(__file__).resolve().parent.parent / "corpora" / "everyday.prompts.jsonl"
TALK = [
    "Hello!",
    "What does a cow say?",
    "And a duck?",
    "What color is a banana?",
    "Goodbye!",
]

folder = sys.argv[1] if len(sys.argv) > 1 else "everyday"
model = chargen.load(folder)

print("What it makes of these beginnings, always by the most likely token:")
for prompt in ("GRANN", "The color of a strawberry is"):
    said = model.generate(prompt, max_tokens=40, temperature=0, stop=["\n", ".", "!"])
    print(f"  {prompt} > {said.text.split()[0] if said.text.strip() else ''}")

rows = [json.loads(line) for line in PROMPTS.read_text("utf-8").splitlines()]
asked = [row["prompt"] for row in rows]
right = 0
for row, said in zip(rows, model.generate(asked, max_tokens=40, temperature=0), strict=True):
    text, end = said.text, len(row["answer"])
    right += text.startswith(row["answer"]) and not text[end : end + 1].isalnum()
print(f"\nIt answers {right} of {len(rows)} questions that it never saw ({right / len(rows):.0%}).")

print("\nA short talk:")
session = chargen.Session(folder, mode="chat")
for line in TALK:
    print(f"  You: {line}\n  Bot: {''.join(map(str, session.answer(line))).strip()}")

print(f"\nGo on:  chargen chat {folder}   (or: chargen repl {folder})")
