"""How many of the left-out prompts the model that comes with chargen answers, over some seeds.

    python benchmarks/everyday.py [--seeds 1 2 3] [--keep FOLDER]

Makes it anew with each seed, as `make everyday` does, unless it lies in --keep already, and asks
the prompts of corpora/everyday.prompts.jsonl, which stand nowhere in its text. Beside it stands a
model without memory, which sees one character alone and goes on with the one that most often
follows it.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import chargen
from chargen.evaluation.prompts import MAX_WORD_CHARS, Answer, Prompt, ask, judge, read_prompts
from chargen.lab.toy_texts import commonest_after

HOUSE = Path(__file__).resolve().parent.parent
CORPORA = HOUSE / "corpora"


def memoryless(text: str) -> Callable[[Prompt], Answer]:
    """A model that knows the last character alone: it goes on with what most often follows it."""
    most_likely = commonest_after(text)

    def goes_on(character: str) -> Iterator[str]:
        while True:
            character = most_likely[character]
            yield character

    def answer(prompt: Prompt) -> Answer:
        enough = len(prompt.answer) + MAX_WORD_CHARS
        return judge(prompt, islice(goes_on(prompt.prompt[-1]), enough))

    return answer


def show(name: str, answers: list[Answer], grann: Answer, seconds: float | None = None) -> None:
    correct = sum(answer.correct for answer in answers)
    took = f"{seconds:6.0f}s" if seconds is not None else ""
    print(
        f"{name:<12} {correct:4} of {len(answers)} {correct / len(answers):7.1%}   "
        f"GRANN{grann.text:<8} {took}",
        flush=True,
    )


def make(folder: Path, seed: int) -> float:
    """Train the model, and say how many seconds it took."""
    begun = time.monotonic()
    command = ["make", "everyday", f"EVERYDAY={folder}", f"BUILD={folder}-build", f"SEED={seed}"]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--keep", type=Path, help="where the models stay, or lie already")
    arguments = parser.parse_args()
    prompts = read_prompts(CORPORA / "everyday.prompts.jsonl")
    grann = Prompt("GRANN", "Y")

    answer = memoryless((CORPORA / "everyday.txt").read_text(encoding="utf-8"))
    show("memoryless", [answer(prompt) for prompt in prompts], answer(grann))
    with tempfile.TemporaryDirectory() as temporary:
        for seed in arguments.seeds:
            folder = (arguments.keep or Path(temporary)).resolve() / f"everyday-{seed}"
            seconds = None if folder.is_dir() else make(folder, seed)
            model = chargen.load(folder)
            show(f"seed {seed}", list(ask(model, prompts)), next(ask(model, [grann])), seconds)


if __name__ == "__main__":
    main()
