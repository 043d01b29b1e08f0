"""How often a talk with the bundled model gets a right answer, by temperature.

    python benchmarks/chat_temperature.py [--questions 100] [--answers 4]

Asks what its text asks and answers in dialogues: colors, opposites and sounds, by the tables in
corpora/grammar. The prompts of corpora/everyday.prompts.jsonl are not among them. An answer that
names the right word is right; `distinct` is the share of answers to one question that differ.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import chargen

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
ASKED = {  # by the column that has the answer
    "color": "What color is {a}?",
    "sound": "What does {a} say?",
    "opposite": "What is the opposite of {name}?",
}
TEMPERATURES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def questions(count: int) -> list[tuple[str, str]]:
    """Questions that stand in the text, with the word that answers each."""
    text = (CORPORA / "everyday.txt").read_text(encoding="utf-8")
    found = []
    for path in sorted((CORPORA / "grammar").glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = row["name"]
                a = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
                for column, words in ASKED.items():
                    question = words.format(name=name, a=a)
                    if row.get(column) and f"You: {question}" in text:
                        found.append((question, row[column]))
    return random.Random(3).sample(found, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--answers", type=int, default=4, help="to each question")
    arguments = parser.parse_args()
    asked = questions(arguments.questions)
    model = chargen.load("everyday")
    print("temperature   right   distinct")
    for temperature in TEMPERATURES:
        right = distinct = 0
        for question, answer in asked:
            texts = [
                done.text
                for done in model.generate(
                    f"You: {question}\nBot:",
                    num_samples=arguments.answers,
                    max_tokens=80,
                    temperature=temperature,
                    stop=("\nYou:", "\nBot:", "\n\n"),
                    seed=1,
                )
            ]
            right += sum(answer.lower() in text.lower() for text in texts)
            distinct += len(set(texts))
        total = len(asked) * arguments.answers
        print(f"{temperature:11.1f}   {right / total:5.1%}   {distinct / total:8.0%}", flush=True)


if __name__ == "__main__":
    main()
