"""chargen on one GPU: training, generating, and what three minutes of it learn.

    python benchmarks/gpu.py [--text tinyshakespeare.txt] [--out gpu.md]

Training: chargen's run, checks and reports included, beside the bare step of the same shape and
precision (cells in TF32, the head in bfloat16): embedding, cuDNN's `nn.LSTM` or `nn.GRU`, head,
loss, clipping, fused AdamW on tokens that lie on the GPU. Both in turn, some steps each, in one
process; the ratio, of tokens a second, is the median over the rounds. The share of the peak is that
of the matrix products (six operations a weight and token) in what a large product reaches in the
same process, in bfloat16.
Generating: TextGenerator, the draw and the text included. `graph` tells whether the steps were
replayed from a CUDA graph.

With --text, the quality run: `benchmarks/quality.py TEXT --only lstm --minutes 3`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sample_speed import whole_step
from train_speed import BPTT, EMBEDDING, Steps, bare_step, seconds_of

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.generation.generator import TextGenerator
from chargen.nn.engine import initial_state
from chargen.nn.model import LanguageModel
from chargen.nn.torch_engine import TorchEngine
from chargen.nn.weights import NUM_GATES
from chargen.runtime.device import describe, pick_device
from chargen.tokenizers.byte import ByteTokenizer
from chargen.training.trainer import Trainer

HOUSE = Path(__file__).resolve().parent.parent
HIDDEN_SIZES = (256, 512, 1024, 2048)
ROWS = (1, 64, 1024)
GENERATED_BY = (512, 2)  # hidden size, layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--text", type=Path, help="of the quality run, which is left out without")
    parser.add_argument("--minutes", default="3", help="of the quality run")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--hidden-sizes", type=int, nargs="+", default=HIDDEN_SIZES)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each side in each round")
    parser.add_argument("--device", default="cuda", help="cpu only tries the benchmark itself")
    parser.add_argument("--out", type=Path, help="also write the table there")
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    with open(arguments.out or "/dev/null", "w", encoding="utf-8") as file:
        for line in table(arguments, device):
            print(line, flush=True)
            print(line, file=file, flush=True)


def table(arguments: argparse.Namespace, device: torch.device) -> Iterator[str]:
    """All of it, line by line."""
    peak = peak_rate(device)
    yield f"{describe(device)}, torch {torch.__version__}, chargen at {commit()}"
    yield f"a large bfloat16 product: {peak / 1e12:.1f} TFLOP/s"
    yield ""
    yield f"training, batch {arguments.batch_size}, bptt {BPTT}"
    yield (
        f"{'':<11} {'bare tokens/s':>14} {'chargen':>12} {'ratio':>6} {'of peak':>8} {'graph':>6}"
    )
    for cell in ("lstm", "gru"):
        for hidden_size in arguments.hidden_sizes:
            yield training_row(cell, hidden_size, arguments, device, peak)
    yield ""
    hidden_size, layers = GENERATED_BY
    yield f"generating, lstm {layers} x {hidden_size}"
    yield (
        f"{'texts at once':<13} {'tokens/s':>10} {'ms a step':>10} {'its engine':>12} {'graph':>6}"
    )
    for rows in ROWS:
        yield generating_row(rows, arguments.seconds * arguments.rounds, device)
    if arguments.text:
        yield ""
        done = subprocess.run(
            [sys.executable, HOUSE / "benchmarks" / "quality.py", arguments.text,
             "--only", "lstm", "--minutes", arguments.minutes],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        yield from done.stdout.splitlines()


def training_row(
    cell: str, hidden_size: int, arguments: argparse.Namespace, device: torch.device, peak: float
) -> str:
    corpus = some_corpus()
    batch_size, vocab_size = arguments.batch_size, corpus.tokenizer.vocab_size
    model = LanguageModel(
        ModelConfig(cell=cell, hidden_size=hidden_size, embedding_size=EMBEDDING), vocab_size
    ).to(device)
    config = TrainConfig(
        batch_size=batch_size, bptt=BPTT, steps=10**9, learning_rate=1e-3, precision="bfloat16"
    )
    trainer = Trainer(model, corpus, config)
    events = trainer.run()

    def chargen() -> int:
        before = trainer.step
        next(events)
        return trainer.step - before

    bare = bare_step(cell, hidden_size, vocab_size, device, batch_size, bfloat16=True)
    sides: list[Steps] = [bare, chargen]
    counts = []
    for side in sides:
        once = seconds_of(side, 5, device)  # the first steps are recorded, or choose algorithms
        once = min(once, seconds_of(side, 5, device))
        counts.append(max(3, round(arguments.seconds / once)))
    taken = [
        [seconds_of(side, count, device) for side, count in zip(sides, counts, strict=True)]
        for _ in range(arguments.rounds)
    ]
    tokens = batch_size * BPTT
    rates = [tokens / statistics.median(row[side] for row in taken) for side in range(2)]
    ratio = statistics.median(row[0] / row[1] for row in taken)
    multiplied = hidden_size * (NUM_GATES[cell] * (EMBEDDING + hidden_size) + vocab_size)
    graph = "yes" if trainer.stepper.is_captured else "no"
    return (
        f"{cell:<5} {hidden_size:<5} {rates[0]:14,.0f} {rates[1]:12,.0f} {ratio:6.2f} "
        f"{6 * multiplied * rates[1] / peak:8.1%} {graph:>6}"
    )


def some_corpus() -> Corpus:
    """Enough to learn from for all sizes, without a validation text."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("the quick brown fox jumps over the lazy dog; " * 20_000)
        return open_corpus([text], CorpusConfig(valid_fraction=0, test_fraction=0))


def generating_row(rows: int, seconds: float, device: torch.device) -> str:
    hidden_size, layers = GENERATED_BY
    tokenizer = ByteTokenizer()
    torch.manual_seed(1)
    shape = ModelConfig(hidden_size=hidden_size, num_layers=layers, embedding_size=EMBEDDING)
    model = LanguageModel(shape, tokenizer.vocab_size).to(device).eval()
    model.seen[tokenizer.end] = False  # so that no text ends
    stepper = TorchEngine(model).start(initial_state(shape, rows))
    tokens = np.zeros(rows, np.int64)

    def step() -> int:
        stepper.step(tokens)
        return 1

    generator = TextGenerator(model, tokenizer)
    draw = whole_step(generator, rows)

    def whole() -> int:
        draw()
        return 1

    taken = []
    for side in (whole, step):
        once = seconds_of(side, 20, device)  # recorded after some steps
        count = max(3, round(seconds / min(once, seconds_of(side, 5, device))))
        taken.append(seconds_of(side, count, device))
    replay = stepper.buffers.replay
    graph = "yes" if replay is not None and replay.is_captured else "no"
    return (
        f"{rows:<13} {rows / taken[0]:10,.0f} {1000 * taken[0]:10.3f} {1000 * taken[1]:12.3f} "
        f"{graph:>6}"
    )


def peak_rate(device: torch.device) -> float:
    """Operations a second of a large bfloat16 product."""
    size = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def product() -> int:
        torch.mm(left, right)
        return 1

    seconds_of(product, 3, device)
    return 2 * size**3 / min(seconds_of(product, 10, device) for _ in range(3))


def commit() -> str:
    """What git says of the checkout, with a + where it was changed since."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=HOUSE, stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    return told.stdout.strip() or "no commit"


if __name__ == "__main__":
    main()
