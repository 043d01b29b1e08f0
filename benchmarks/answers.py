"""What learning the answers alone is worth: right answers, with and without.

    python benchmarks/answers.py [--steps 3000] [--seeds 1 2 3] [--only NAME ...] [--plan] [--tune]

Trains on corpora/sentiment.txt (by characters and by subwords) and corpora/translations.txt, and on
a chat that is made here, for so many steps, with all options as they are planned: on all of the
text, and on what counts alone. What is asked stands nowhere in the training text. --plan trains
them for a minute instead, and times are of one machine; --tune scores other strengths of dropout on
lines that are split off the training text, never on what is asked at last.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chargen
from chargen.evaluation.classification import Example, classify, read_examples
from chargen.evaluation.prompts import Prompt, ask, read_prompts

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
LABELS = ("positive", "negative")
SUBWORDS: dict[str, Any] = {"tokenizer": "subword", "vocab_size": 500}
TUNED = ((0.0, 0.0), (0.0, 0.2), (0.1, 0.1), (0.2, 0.2), (0.3, 0.4))  # dropout, weight dropout

# The chat: what is asked in it comes in many wordings, and half of the lines are the user's.
PLACES = ("kitchen", "garden", "attic", "garage", "cellar", "library", "porch", "stable")
THINGS = (
    "lamp", "rope", "kettle", "ladder", "violin", "basket", "mirror", "saddle", "globe", "bell",
)  # fmt: skip
TALK = (
    "I slept badly again, the wind was howling.", "My cousin has painted the fence green.",
    "Do you remember the summer by the lake?", "The bus was late, as always.",
)  # fmt: skip


def chat(seed: int = 7) -> tuple[str, list[Prompt]]:
    """A text of conversations, and prompts whose pair of thing and place is in none of them."""
    draw = random.Random(seed)
    pairs = [(thing, place) for thing in THINGS for place in PLACES]
    draw.shuffle(pairs)
    asked, said = pairs[:20], pairs[20:]

    def exchange(thing: str, place: str) -> tuple[str, str]:
        return f"You: {draw.choice(TALK)} I put the {thing} into the {place}. Where is it?\nBot:", (
            f" The {thing} is in the {place}."
        )

    lines = ["".join(exchange(*draw.choice(said))) for _ in range(1500)]
    return "\n\n".join(lines) + "\n", [Prompt(*exchange(*pair)) for pair in asked for _ in range(5)]


def right_labels(model: chargen.TextGenerator) -> tuple[int, int]:
    examples: list[Example] = read_examples(CORPORA / "sentiment.examples.jsonl", LABELS)
    said = [classify(model, example.text, LABELS).label for example in examples]
    return sum(a == b.label for a, b in zip(said, examples, strict=True)), len(examples)


def right_answers(prompts: Sequence[Prompt]) -> Callable[[chargen.TextGenerator], tuple[int, int]]:
    def count(model: chargen.TextGenerator) -> tuple[int, int]:
        return sum(answer.correct for answer in ask(model, prompts)), len(prompts)

    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--plan", action="store_true", help="a minute instead of steps")
    parser.add_argument("--tune", action="store_true", help="other strengths of dropout")
    parser.add_argument("--keep", type=Path, help="where the models stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        text, prompts = chat()
        (Path(temporary) / "chat.txt").write_text(text, encoding="utf-8")
        translations = right_answers(read_prompts(CORPORA / "translations.prompts.jsonl"))
        lines = {"documents": "line"}
        tasks: dict[str, tuple[Path, dict[str, Any], dict[str, Any], Any]] = {
            "sentiment, char": (
                CORPORA / "sentiment.txt", lines, {"loss_after": "=> "}, right_labels,
            ),
            "sentiment, subword": (
                CORPORA / "sentiment.txt", lines | SUBWORDS, {"loss_after": "=> "}, right_labels,
            ),
            "translations, subword": (
                CORPORA / "translations.txt", lines | SUBWORDS, {"loss_after": " > "}, translations,
            ),
            "chat, char": (
                Path(temporary) / "chat.txt", {"documents": "paragraph"}, {"loss": "turns"},
                right_answers(prompts),
            ),
        }  # fmt: skip
        length = {"minutes": 1.0} if arguments.plan else {"steps": arguments.steps}
        for name in arguments.only or tasks:
            path, options, counted, judge = tasks[name]
            print(name, flush=True)
            for what, loss in (("all of the text", {"loss": "all"}), ("answers alone", counted)):
                if arguments.tune:
                    tune(path, options | loss | length, what, folder)
                    continue
                for seed in arguments.seeds:
                    begun = time.monotonic()
                    report = chargen.train(
                        path, out=folder / "model", overwrite=True, quiet=True, device="cpu",
                        **options | loss | length | {"seed": seed},
                    )  # fmt: skip
                    took = time.monotonic() - begun
                    right, count = judge(chargen.load(report.checkpoint))
                    told = (
                        "" if report.answers is None else f"  held out {report.answers:.1%} exact"
                    )
                    print(
                        f"  {what:<16} seed {seed} {right:4} of {count} {right / count:7.1%}"
                        f"  {report.steps:,} steps, {took:.0f} s{told}",
                        flush=True,
                    )


def tune(path: Path, options: dict[str, Any], what: str, folder: Path) -> None:
    """The loss of lines that are split off the training text, and the answers that are right."""
    for dropout, weight_dropout in TUNED:
        report = chargen.train(
            path, out=folder / "model", overwrite=True, quiet=True, device="cpu",
            valid_fraction=0.15, test_fraction=0.0, dropout=dropout, weight_dropout=weight_dropout,
            **options,
        )  # fmt: skip
        told = "" if report.answers is None else f"  {report.answers:.1%} exact"
        print(
            f"  {what:<16} dropout {dropout:g}, weight dropout {weight_dropout:g}: "
            f"{report.valid_loss:.4f} nats per token that counts{told}",
            flush=True,
        )


if __name__ == "__main__":
    main()
