"""What models by characters, bytes, subwords and words make of the same text and the same prompts.

    python benchmarks/tokenizers.py [--steps 4000] [--keep FOLDER]
    python benchmarks/tokenizers.py TEXT... [--minutes 10] [--keep FOLDER]

Trains one of each on corpora/everyday.txt, alike but for the tokens, and asks the prompts of
corpora/everyday.prompts.jsonl and GRANN, greedily; those of subwords and words also without token
healing. Given texts, it trains one of each on each of them instead, as planned for the time alone,
and compares their bits per byte of the validation split.
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
    "word": {"tokenizer": "word"},
}
OF_TEXTS: dict[str, dict[str, Any]] = {
    "char": {"tokenizer": "char"},
    "byte": {"tokenizer": "byte"},
    "subword 2000": {"tokenizer": "subword"},
    "word 4000": {"tokenizer": "word", "vocab_size": 4000},
    "word 10000": {"tokenizer": "word"},
    "word 10000, not tied": {"tokenizer": "word", "tie_weights": False},
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


def compare(text: Path, minutes: float, within: Path) -> None:
    """Print what a model of each kind, trained for so long, makes of a text's validation split."""
    print(f"{text.name}, {minutes:g} minutes each")
    for name, tokens in OF_TEXTS.items():
        folder = within / f"{text.stem}-{name.replace(', ', '-').replace(' ', '-')}"
        report = chargen.train(text, out=folder, minutes=minutes, quiet=True, **tokens)
        model = chargen.load(folder)
        sizes = f"hidden {model.weights.config.hidden_size}, {model.tokenizer.vocab_size} tokens"
        bits = f"{report.bits_per_byte:.4f} bits per byte"
        print(f"{name:<24}{bits:<24}{report.steps:>8,} steps   {sizes}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--keep", type=Path, help="where the models stay")
    parser.add_argument("texts", nargs="*", type=Path, metavar="TEXT")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each model of a TEXT")
    arguments = parser.parse_args()
    if arguments.texts:
        with tempfile.TemporaryDirectory() as temporary:
            for text in arguments.texts:
                compare(text, arguments.minutes, arguments.keep or Path(temporary))
        return
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
            if tokens["tokenizer"] in ("subword", "word"):
                show(f"{name}, not healed", model, prompts, heal=False)


if __name__ == "__main__":
    main()
