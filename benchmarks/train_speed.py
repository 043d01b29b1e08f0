"""What chargen's training step costs beside the bare step of the same shape.

    python benchmarks/train_speed.py [--rounds 15]

The bare step is embedding, `nn.LSTM`, `nn.GRU` or `nn.RNN`, head, loss, clipping and AdamW on
tokens that lie ready; chargen's also reads its text, resets streams, keeps the state and checks
itself. Both run in turn, a few steps each, in one process; a ratio is the median over the rounds.
`plain`: the same precision on both sides, float32. `auto`: chargen as it comes, which takes
bfloat16 where the device has it, against the bare step in float32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from chargen.config import CorpusConfig, ModelConfig, TrainConfig
from chargen.data.corpus import Corpus, open_corpus
from chargen.data.shards import Shards
from chargen.nn.model import LanguageModel
from chargen.runtime.device import describe, pick_device
from chargen.runtime.precision import autocast
from chargen.training.trainer import Trainer

BATCH_SIZE, BPTT, EMBEDDING = 16, 64, 64
SIZES = (128, 256, 512, 1024)
Steps = Callable[[], int]  # does some steps and tells how many


def bare_step(
    cell: str,
    hidden_size: int,
    vocab_size: int,
    device: torch.device,
    batch_size: int = BATCH_SIZE,
    bfloat16: bool = False,
) -> Steps:
    """The least that trains such a network: what a script of thirty lines would do."""
    embedding = nn.Embedding(vocab_size, EMBEDDING)
    module = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
    layer = module(EMBEDDING, hidden_size, batch_first=True)
    head = nn.Linear(hidden_size, vocab_size)
    model = nn.ModuleList([embedding, layer, head]).to(device)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    tokens = torch.randint(vocab_size, (batch_size, BPTT + 1)).to(device)
    zeros = torch.zeros(1, batch_size, hidden_size, device=device)
    state = (zeros, zeros) if cell == "lstm" else zeros

    def step() -> int:
        nonlocal state
        if device.type == "cuda":  # as chargen: cuDNN's cells in TF32, the rest under autocast
            x, after = layer(embedding(tokens[:, :-1]), state)
        with autocast(device, bfloat16):
            if device.type != "cuda":
                x, after = layer(embedding(tokens[:, :-1]), state)
            loss = F.cross_entropy(head(x).flatten(0, 1), tokens[:, 1:].flatten())
        state = tuple(part.detach() for part in after) if cell == "lstm" else after.detach()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return 1

    return step


def chargen_step(
    corpus: Corpus,
    cell: str,
    hidden_size: int,
    device: torch.device,
    precision: str,
    batch_size: int = BATCH_SIZE,
) -> Steps:
    """A run at its defaults, step by step, its checks and reports included."""
    model = LanguageModel(
        ModelConfig(cell=cell, hidden_size=hidden_size, embedding_size=EMBEDDING),
        corpus.tokenizer.vocab_size,
    ).to(device)
    config = TrainConfig(
        batch_size=batch_size, bptt=BPTT, steps=10**9, learning_rate=1e-3, precision=precision
    )
    trainer = Trainer(model, replace(corpus, valid=Shards([], np.uint16)), config)
    events = trainer.run()

    def steps_to_the_next_report() -> int:
        before = trainer.step
        next(events)
        return trainer.step - before

    return steps_to_the_next_report


def seconds_of(steps: Steps, count: int, device: torch.device) -> float:
    begun, done = time.perf_counter(), 0
    while done < count:
        done += steps()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    device = pick_device("auto")
    print(f"{describe(device)}, torch {torch.__version__}; batch {BATCH_SIZE}, bptt {BPTT}\n")
    print(f"{'':<12} {'bare ms':>8} {'plain ms':>9} {'ratio':>6} {'auto ms':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("the quick brown fox jumps over the lazy dog; " * 20_000)
        corpus = open_corpus([text], CorpusConfig())
    for cell in ("lstm", "gru", "rnn"):
        for hidden_size in SIZES:
            sides = [
                bare_step(cell, hidden_size, corpus.tokenizer.vocab_size, device),
                chargen_step(corpus, cell, hidden_size, device, "float32"),
                chargen_step(corpus, cell, hidden_size, device, "auto"),
            ]
            for side in sides:
                seconds_of(side, 3, device)
            count = max(3, 3200 // hidden_size)
            taken = [[seconds_of(side, count, device) for side in sides] for _ in range(rounds)]
            bare, plain, auto = (
                1000 * statistics.median(row[side] for row in taken) for side in range(3)
            )
            ratios = [statistics.median(row[side] / row[0] for row in taken) for side in (1, 2)]
            print(
                f"{cell:<5} {hidden_size:<6} {bare:8.1f} {plain:9.1f} {ratios[0]:6.2f} "
                f"{auto:9.1f} {ratios[1]:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
