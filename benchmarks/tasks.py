"""What a model of lines that are questions and answers gets right of what stands nowhere in them.

    python benchmarks/tasks.py [--seeds 1 2 3] [--only sentiment translations] [--keep FOLDER]

Trains on corpora/sentiment.txt and corpora/translations.txt. Beside each stand models that need no
memory for order: always the commonest label; naive Bayes over the words of the text (each as likely
as it is among the words of a label, counted once more than it was seen); and, for translations, the
answer of the line that has most words in common with the prompt. The options were chosen by lines
that were split off the training text.
"""

from __future__ import annotations

import argparse
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chargen
from chargen.evaluation.classification import Example, accuracy, classify, read_examples
from chargen.evaluation.prompts import ask, judge, read_prompts

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
LABELS = ("positive", "negative")
OPTIONS: dict[str, dict[str, Any]] = {
    "sentiment": {"steps": 5000, "dropout": 0.2, "weight_dropout": 0.2},
    "translations": {"steps": 9000, "dropout": 0.3, "weight_dropout": 0.4},
}
SHORT = 4  # German words
COMMON: dict[str, Any] = {"documents": "line", "tokenizer": "subword", "vocab_size": 500}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def naive_bayes(lines: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    """A classifier that sees which words a text has, and how often, and not in which order."""
    counts = {label: Counter[str]() for _, label in lines}
    for text, label in lines:
        counts[label].update(words(text))
    vocabulary = set().union(*counts.values())
    totals = {label: count.total() + len(vocabulary) for label, count in counts.items()}
    share = Counter(label for _, label in lines)

    def score(text: str, label: str) -> float:
        known = [word for word in words(text) if word in vocabulary]
        each = (math.log((counts[label][word] + 1) / totals[label]) for word in known)
        return math.log(share[label]) + sum(each)

    return lambda text: max(counts, key=lambda label: score(text, label))


def nearest(lines: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    """Answers as the line does that shares the largest part of its words with the prompt."""
    known = [(frozenset(words(question)), answer) for question, answer in lines]

    def answer(prompt: str) -> str:
        asked = frozenset(words(prompt))
        return max(known, key=lambda line: len(line[0] & asked) / len(line[0] | asked))[1]

    return answer


def read_lines(name: str, mark: str) -> list[tuple[str, str]]:
    text = (CORPORA / f"{name}.txt").read_text(encoding="utf-8")
    return [(line.split(mark)[0], line.split(mark)[1]) for line in text.splitlines()]


def train(name: str, seed: int, folder: Path) -> tuple[chargen.TextGenerator, float]:
    begun = time.monotonic()
    out = folder / f"{name}-{seed}"
    options = COMMON | OPTIONS[name] | {"seed": seed, "device": "cpu"}
    report = chargen.train(CORPORA / f"{name}.txt", out=out, overwrite=True, quiet=True, **options)
    seconds = time.monotonic() - begun
    return chargen.load(report.checkpoint), seconds


def show(what: str, correct: int, count: int, seconds: float | None = None, note: str = "") -> None:
    took = "" if seconds is None else f"{seconds:6.0f}s"
    share = f"{correct:4} of {count} {correct / count:7.1%}"
    print(f"  {what:<26} {share}{took}{note}", flush=True)


def sentiment(seeds: Sequence[int], folder: Path) -> None:
    lines = read_lines("sentiment", " => ")
    examples: list[Example] = read_examples(CORPORA / "sentiment.examples.jsonl", LABELS)
    true = [example.label for example in examples]
    [(commonest, _)] = Counter(label for _, label in lines).most_common(1)

    def tell(what: str, said: Sequence[str], seconds: float | None = None) -> None:
        total = accuracy(true, said)
        show(what, total.correct, total.examples, seconds)

    print(f"sentiment, {len(lines):,} lines")
    by_words = naive_bayes(lines)
    tell(f"always {commonest}", [commonest] * len(true))
    tell("naive Bayes over words", [by_words(example.text) for example in examples])
    for seed in seeds:
        model, seconds = train("sentiment", seed, folder)
        said = [classify(model, example.text, LABELS).label for example in examples]
        tell(f"seed {seed}", said, seconds)


def translations(seeds: Sequence[int], folder: Path) -> None:
    lines = read_lines("translations", " > ")
    prompts = read_prompts(CORPORA / "translations.prompts.jsonl")
    by_nearest = nearest(lines)
    print(f"translations, {len(lines):,} lines")
    guessed = [judge(prompt, [f" {by_nearest(prompt.prompt)}"]) for prompt in prompts]
    show("the nearest line's answer", sum(answer.correct for answer in guessed), len(guessed))
    for seed in seeds:
        model, seconds = train("translations", seed, folder)
        answers = list(ask(model, prompts))
        parts: dict[bool, list[bool]] = {True: [], False: []}
        for answer in answers:
            parts[len(answer.answer.split()) <= SHORT].append(answer.correct)
        short, long = (f"{sum(parts[key])} of {len(parts[key])}" for key in (True, False))
        correct = sum(answer.correct for answer in answers)
        note = f"  up to {SHORT} words {short}, longer {long}"
        show(f"seed {seed}", correct, len(answers), seconds, note)


TASKS = {"sentiment": sentiment, "translations": translations}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--keep", type=Path, help="where the models stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.only:
            TASKS[name](arguments.seeds, arguments.keep or Path(temporary))


if __name__ == "__main__":
    main()
