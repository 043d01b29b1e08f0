"""What a model knows: two beginnings of texts, the questions that it never saw, and a short talk.

python examples/ask.py checkpoints/demo

The prompts ask for facts that the training text tells, in wordings that it never has for them.
"""

import sys
from pathlib import Path

import chargen
from chargen.evaluation.prompts import Prompt, ask, read_prompts

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
for answer in ask(model, [Prompt("GRANN", "Y"), Prompt("The color of a strawberry is", " red")]):
    print(f"  {answer.prompt} > {answer.text.strip()}")

answers = list(ask(model, read_prompts(PROMPTS)))
right = sum(answer.correct for answer in answers)
share = right / len(answers)
print(f"\nIt answers {right} of {len(answers)} questions that it never saw ({share:.0%}).")

print("\nA short talk:")
session = chargen.Session(folder, mode="chat")
for line in TALK:
    print(f"  You: {line}\n  Bot: {''.join(map(str, session.answer(line))).strip()}")

print(f"\nGo on:  chargen chat {folder}   (or: chargen repl {folder})")
