"""What models by characters, bytes and subwords make of the prompts that stand nowhere in the text.

    python benchmarks/tokenizers.py [--steps 4000] [--keep FOLDER]

Trains one of each on corpora/everyday.txt, alike but for the tokens, and asks the prompts of
corpora/everyday.prompts.jsonl and GRANN, greedily; the subword model also without token healing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import chargen
from chargen.config import SampleConfig
from chargen.evaluation.prompts import MAX_WORD_CHARS, Prompt, judge, read_prompts
from chargen.generation.generator import TextGenerator

CORPORA = Path(__file__).resolve().parent.parent / "corpora"
KINDS: dict[str, dict[str, Any]] = {
    "char": {"tokenizer": "char"},
    "byte": {"tokenizer": "byte"},
    "subword 1000": {"tokenizer": "subword", "vocab_size": 1000},
}
RECIPE: dict[str, Any] = {
    "cell": "lstm", "hidden_size": 192, "num_layers": 2, "embedding_size": 64, "dropout": 0.0,
    "weight_dropout": 0.0, "learning_rate": 0.0104167, "precision": "float32", "batch_size": 16,
    "bptt": 64, "valid_fraction": 0.03, "test_fraction": 0.0,
}  # fmt: skip
UNFINISHED = ("GRANN", "The color of a strawb", "The color of the sky is ")


def show(name: str, model: TextGenerator, prompts: list[Prompt], heal: bool) -> None:
    def text_of(prompt: str, length: int) -> str:
        config = SampleConfig(temperature=0, max_tokens=length, heal=heal)
        return "".join(piece.text for piece in model.stream(prompt, config))

    correct = 0
    for prompt in prompts:
        room = len(prompt.answer.encode()) + MAX_WORD_CHARS
        correct += judge(prompt, [text_of(prompt.prompt, room)]).correct
    beginnings = "  ".join(
        f"{prompt}|{text_of(prompt, 8).split(chr(10))[0]}" for prompt in UNFINISHED
    )
    print(f"{name:<24}{correct:4} of {len(prompts)}   {beginnings}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--keep", type=Path, help="where the models stay")
    arguments = parser.parse_args()
    prompts = read_prompts(CORPORA / "everyday.prompts.jsonl")
    with tempfile.TemporaryDirectory() as temporary:
        for name, tokens in KINDS.items():
            folder = (arguments.keep or Path(temporary)) / name.replace(" ", "-")
            begun = time.monotonic()
            report = chargen.train(
                CORPORA / "everyday.txt",
                out=folder,
                steps=arguments.steps,
                quiet=True,
                **RECIPE,
                **tokens,
            )
            print(f"({time.monotonic() - begun:.0f}s, {report.bits_per_byte:.3f} bits per byte)")
            model = chargen.load(folder)
            show(name, model, prompts, heal=True)
            if tokens["tokenizer"] == "subword":
                show(f"{name}, not healed", model, prompts, heal=False)


if __name__ == "__main__":
    main()
