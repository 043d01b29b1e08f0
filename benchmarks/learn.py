"""What learning while reading is worth: the same text, read by a model that stays as it is, and by
one that learns each chunk after it was scored.

    python benchmarks/learn.py TEXT FOREIGN [--steps 3000] [--hidden-size 256] [--everyday FOLDER]

Two models: one trained here on the first 80 % of TEXT, and the bundled one. Each
reads, once from start to end and in one pass: text of its own kind that it never saw (the last
tenth of TEXT; what corpora/make_everyday.py makes with another seed, without the lines that stand
in the training text), FOREIGN text, and for the second model TEXT's last tenth. The constants of
chargen/generation/dynamic_evaluation.py were chosen on TEXT's validation split, everyday.txt and
other talks than these; nothing was chosen on what is reported. Times are ratios to reading alone,
in one process.

Then talks of two or three lines with made-up words, and other lines with the same words, read from
a fresh start: what these words cost, what the rest of those lines cost, and what the model's own
kind of text costs after it.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import chargen
from chargen.data.documents import EncodedText
from chargen.generation.dynamic_evaluation import DynamicEvaluator
from chargen.generation.generator import TextGenerator
from chargen.nn.engine import Engine, initial_state
from chargen.scoring.scores import score_text, token_nats
from chargen.scoring.units import NATS_PER_BIT
from chargen.tokenizers.base import Tokenizer, Tokens

HOUSE = Path(__file__).resolve().parent.parent
OTHER_SEED = 8  # everyday.txt is made with 7
MAX_BYTES = 200_000  # of each text
KNOWN_CHARACTERS = 5_000  # of the own kind of text, read again after each talk

SAID = (
    "We call our new boat {a}. The {a} sails to {b} on Monday.\n{c} sells the sails of the {a}.\n",
    "{a} is a town on the river {b}.\nOld {c} was born in {a}, near the {b}.\n",
    "My teacher, {a}, plays the {b}. {c} plays the {b} too.\nNobody plays like {a}.\n",
)
AFTER = (
    "Who knows {a}? I saw {a} with {c} and a {b}.\n",
    "It rained in the morning, so {c} and {a} stayed at home near {b}.\n",
    "First comes {b}, then {a}, and last of all comes {c}.\n",
)
Marks = npt.NDArray[np.bool_]


def word(draw: random.Random) -> str:
    """A made-up name of two or three syllables."""
    syllables = [draw.choice("bdfgklmnprstvwz") + draw.choice("aeiou") for _ in range(2)]
    return "".join([*syllables, draw.choice(["", "lo", "x", "nt", "rk", "mu"])]).capitalize()


def talk(seed: int) -> tuple[str, str, list[str]]:
    """What is said, what comes after it, and the words that both have."""
    draw = random.Random(seed)
    words = [word(draw) for _ in range(3)]
    named = dict(zip("abc", words, strict=True))
    return draw.choice(SAID).format(**named), draw.choice(AFTER).format(**named), words


def marked(text: str, words: list[str]) -> Marks:
    """Which characters of an ASCII text belong to the words."""
    marks = np.zeros(len(text), dtype=np.bool_)
    for word in words:
        at = text.find(word)
        while at >= 0:
            marks[at : at + len(word)] = True
            at = text.find(word, at + 1)
    return marks


def document(tokenizer: Tokenizer, text: str) -> Tokens:
    return np.insert(tokenizer.encode_array(text), 0, tokenizer.end)


def encoded(tokenizer: Tokenizer, text: str) -> EncodedText:
    return EncodedText.spelled(tokenizer.encode_array(text), tokenizer)


def bits_per_byte(engine: Engine, tokenizer: Tokenizer, text: str) -> float:
    return score_text(engine, tokenizer, [encoded(tokenizer, text)]).bits_per_byte


def beginning(text: str) -> str:
    return text.encode()[:MAX_BYTES].decode(errors="ignore")


def timed(work: Callable[[], float]) -> tuple[float, float]:
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def read_once(name: str, generator: TextGenerator, text: str) -> None:
    """A row: static and dynamic bits per byte of one document."""
    model, tokenizer = generator.model, generator.tokenizer
    tokens = document(tokenizer, text)
    static, reading = timed(lambda: bits_per_byte(generator.engine, tokenizer, text))
    learner = DynamicEvaluator(model, tokenizer)
    start = initial_state(model.config)
    nats, learning = timed(lambda: learner.learn(tokens, start, passes=1) * (len(tokens) - 1))
    dynamic = nats / NATS_PER_BIT / len(text.encode())
    print(
        f"{name:<36}{len(tokens) - 1:>9,}{static:>9.4f}{dynamic:>9.4f}{dynamic - static:>+9.4f}"
        f"{dynamic / static - 1:>+8.1%}{learning / reading:>8.1f}",
        flush=True,
    )


def talks(name: str, generator: TextGenerator, known: str, count: int) -> None:
    """Rows: what is left of a talk without learning, with the talk as the beginning of the text,
    and when it was learned in so many passes. Here characters are tokens."""
    tokenizer = generator.tokenizer
    ways = {"as it is": 0, "the talk before it": 0, "learned in 1 pass": 1, "in 3 passes": 3}
    for way, passes in ways.items():
        rows = []
        for seed in range(count):
            said, after, words = talk(seed)
            engine = generator.engine
            if passes:
                learner = DynamicEvaluator(generator.model, tokenizer)
                learner.learn(document(tokenizer, said), initial_state(engine.config), passes)
                engine = TextGenerator(learner.model, tokenizer).engine
            before = said if way == "the talk before it" else ""
            parts = [encoded(tokenizer, before + after)]
            nats = np.concatenate([nats for _, nats in token_nats(engine, tokenizer, parts)])
            bits = nats[len(before) :] / NATS_PER_BIT
            marks = marked(after, words)
            own = bits_per_byte(engine, tokenizer, known)
            rows.append((bits[marks].mean(), bits[~marks].mean(), own))
        means = "".join(f"{mean:>10.3f}" for mean in np.mean(rows, axis=0))
        print(f"{name + ', ' + way:<36}{means}", flush=True)


def unseen_everyday() -> str:
    """Lines of everyday English like those of the bundled model's text, and in none of it."""
    script = HOUSE / "corpora" / "make_everyday.py"
    known = set((HOUSE / "corpora" / "everyday.txt").read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(script), "--seed", str(OTHER_SEED), "--folder", folder]
        subprocess.run(command, check=True)
        lines = (Path(folder) / "everyday.txt").read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if line not in known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("text", type=Path)
    parser.add_argument("foreign", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--everyday", type=Path, default=HOUSE / "checkpoints" / "everyday")
    parser.add_argument("--talks", type=int, default=50)
    arguments = parser.parse_args()
    content = arguments.text.read_bytes()
    own = beginning(content[-(len(content) // 10) :].decode(errors="ignore"))
    foreign = beginning(arguments.foreign.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "trained"
        chargen.train(
            arguments.text, out=out, steps=arguments.steps, hidden_size=arguments.hidden_size,
            valid_fraction=0.1, test_fraction=0.1, quiet=True,
        )  # fmt: skip
        trained = chargen.load(out)
    everyday, unseen = chargen.load(arguments.everyday), beginning(unseen_everyday())
    threads = torch.get_num_threads()
    text, other = arguments.text.stem, arguments.foreign.stem
    print(f"bits per byte, read once from start to end, {threads} threads\n")
    print(f"{'model: what it reads':<36}{'tokens':>9}{'static':>9}{'learns':>9}{'':>17}{'time':>8}")
    read_once(f"{text}: its last tenth", trained, own)
    read_once(f"{text}: {other}", trained, foreign)
    read_once("everyday: more, unseen", everyday, unseen)
    read_once(f"everyday: {text}", everyday, own)
    read_once(f"everyday: {other}", everyday, foreign)
    print(f"\nbits per byte after a talk, mean of {arguments.talks}\n")
    print(f"{'':<36}{'new words':>10}{'the rest':>10}{'own kind':>10}")
    talks(text, trained, own[:KNOWN_CHARACTERS], arguments.talks)
    talks("everyday", everyday, unseen[:KNOWN_CHARACTERS], arguments.talks)


if __name__ == "__main__":
    main()
