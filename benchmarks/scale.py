"""What a step costs on one rank and on two, beside the small model of docs/project/scale.md.

    python benchmarks/scale.py [--rounds 5]

Measured, float32, one thread a rank, bptt 64: steps of chargen at several widths and batches on one
rank; the same on two, which torchrun starts; one process with both threads; how long gloo takes to
add up tensors of two ranks; the memory of a plain process beside what the planner thinks it needs.
The model's rates are fitted to the rows of one width alone and foretell all others. Then, computed
and not measured: where more GPUs stop paying.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from chargen.config import ModelConfig, TrainConfig
from chargen.data.corpus import Corpus
from chargen.data.shards import Shards
from chargen.nn.model import LanguageModel
from chargen.nn.weights import NUM_GATES
from chargen.runtime.distributed import ALONE, Ranks, join
from chargen.tokenizers.byte import ByteTokenizer
from chargen.training.planner import Task, memory_needed
from chargen.training.stepper import TrainStepper

EMBEDDING, BPTT, VOCABULARY = 64, 64, 257
WIDTHS, FITTED = (128, 256, 512, 1024), 256
BATCHES, SHARED_BATCHES = (4, 16, 64), (8, 32, 128)
ADDED_UP = (1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 24)  # bytes


# -- the model ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """Seconds and bytes of one rank, and of what connects it with the others."""

    rate: float  # operations a second with many streams
    half: float  # streams at which it has half of that
    memory: float  # bytes a second that the optimizer reads and writes
    place: float  # seconds that a place of a layer takes at the least, forward and back
    latency: float  # seconds of an exchange
    link: float  # bytes a second


def multiplied(width: int, layers: int = 1) -> int:
    """Weights that each token is multiplied with."""
    read = EMBEDDING + (layers - 1) * width + layers * width
    return width * (NUM_GATES["lstm"] * read + VOCABULARY)


def step_seconds(machine: Machine, width: int, streams: int, ranks: int, layers: int = 1) -> float:
    """A step of so many streams in all: six operations a weight and token; 28 bytes a weight for
    AdamW; and the gradients, of which a ring sends each rank twice the share of the others."""
    weights = multiplied(width, layers)
    own = streams / ranks
    rate = machine.rate * own / (own + machine.half)
    computed = max(6 * weights * own * BPTT / rate, machine.place * layers * BPTT)
    updated = 28 * weights / machine.memory
    exchanged = 0.0
    if ranks > 1:
        exchanged = (
            machine.latency * (ranks - 1) + 4 * weights * 2 * (ranks - 1) / ranks / machine.link
        )
    return computed + updated + exchanged


# -- measuring ----------------------------------------------------------------------------------


def stepper_of(width: int, streams: int, ranks: Ranks) -> TrainStepper:
    torch.manual_seed(1)
    model = LanguageModel(ModelConfig(hidden_size=width, embedding_size=EMBEDDING), VOCABULARY)
    tokens = np.random.default_rng(1).integers(0, 256, 1_000_000).astype(np.uint16)
    text, nothing = Shards([tokens], np.uint16), Shards([], np.uint16)
    counts = np.bincount(tokens, minlength=VOCABULARY)
    corpus = Corpus("", (), "file", ByteTokenizer(), text, nothing, nothing, counts)
    config = TrainConfig(batch_size=streams, bptt=BPTT, precision="float32")
    return TrainStepper(model, corpus, config, ranks)


def seconds_of(work: Callable[[], object], rounds: int, least: float = 0.3) -> float:
    """The median, each round of so many calls as fill `least` seconds. Calls in lockstep on several
    ranks cannot be counted by time: those ask for a number."""
    work()
    begun = time.perf_counter()
    work()
    count = max(1, round(least / (time.perf_counter() - begun)))
    return statistics.median(timed(work, count) for _ in range(rounds))


def timed(work: Callable[[], object], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - begun) / count


def one_rank(width: int, streams: int, rounds: int) -> float:
    stepper = stepper_of(width, streams, ALONE)
    return seconds_of(lambda: stepper.step(1e-3), rounds)


def two_ranks(rounds: int) -> None:
    """What torchrun starts: rank 0 prints JSON, {"steps": [...], "sums": [...]}."""
    torch.set_num_threads(1)
    ranks, _ = join(torch.device("cpu"))
    steps, sums = [], []
    for width in WIDTHS:
        for streams in SHARED_BATCHES:
            stepper = stepper_of(width, streams, ranks)
            if ranks.is_main:
                steps.append(seconds_of(partial(stepper.step, 1e-3), rounds))
                stepper.end()
            else:
                stepper.run_follower()
    for size in ADDED_UP:
        add_up = partial(ranks.all_reduce, torch.zeros(size // 4))
        sums.append(statistics.median(timed(add_up, 20) for _ in range(rounds)))
    if ranks.is_main:
        print(json.dumps({"steps": steps, "sums": sums}))


def measured_on_two(rounds: int) -> dict[str, list[float]]:
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         __file__, "--rounds", str(rounds)],
        stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def fitted(rows: dict[tuple[int, int], float], sums: list[float]) -> Machine:
    """The machine that makes the steps of one width as long as they were: by the smallest sum of
    squared log ratios over a grid."""
    memory = memory_rate()

    def error(rate: float, half: float) -> float:
        machine = Machine(rate, half, memory, 0.0, 0.0, 1.0)
        found = [
            np.log(step_seconds(machine, width, streams, 1) / seconds)
            for (width, streams), seconds in rows.items()
            if width == FITTED
        ]
        return float(np.sum(np.square(found)))

    rates, halves = np.geomspace(1e9, 1e12, 301), np.linspace(0, 32, 129)
    rate, half = min(((r, h) for r in rates for h in halves), key=lambda point: error(*point))
    latency = sums[0]
    link = (ADDED_UP[-1] - ADDED_UP[0]) / (sums[-1] - sums[0])
    return Machine(float(rate), float(half), memory, 0.0, latency, link)


def memory_rate() -> float:
    """Bytes a second that a thread reads and writes."""
    source = torch.ones(1 << 24)
    target = torch.ones(1 << 24)
    return 2 * source.nbytes / seconds_of(partial(target.copy_, source), 5)


# -- the tables ---------------------------------------------------------------------------------


def table(rounds: int) -> Iterator[str]:
    torch.set_num_threads(1)
    rows = {(w, b): one_rank(w, b, rounds) for w in WIDTHS for b in BATCHES}
    shared = measured_on_two(rounds)
    torch.set_num_threads(2)
    both = {(w, b): one_rank(w, b, rounds) for w in WIDTHS for b in SHARED_BATCHES}
    machine = fitted(rows, shared["sums"])
    yield f"cpu, torch {torch.__version__}, lstm, float32, bptt {BPTT}, one thread a rank"
    yield (
        f"fitted to width {FITTED}: {machine.rate / 1e9:.0f} GFLOP/s, half of it at "
        f"{machine.half:.1f} streams; gloo: {1e6 * machine.latency:.0f} us and "
        f"{machine.link / 1e9:.2f} GB/s"
    )
    yield ""
    yield f"{'one rank':<10} {'streams':>8} {'ms':>8} {'model':>8} {'model/ms':>9}"
    for (width, streams), seconds in rows.items():
        foretold = step_seconds(machine, width, streams, 1)
        yield (
            f"{width:<10} {streams:>8} {1000 * seconds:8.1f} {1000 * foretold:8.1f} "
            f"{foretold / seconds:9.2f}{'  fitted' if width == FITTED else ''}"
        )
    yield ""
    yield (
        f"{'two ranks':<10} {'streams':>8} {'ms':>8} {'model':>8} {'model/ms':>9} "
        f"{'two threads':>12} {'threads/ranks':>14}"
    )
    places = [(width, streams) for width in WIDTHS for streams in SHARED_BATCHES]
    for (width, streams), seconds in zip(places, shared["steps"], strict=True):
        foretold = step_seconds(machine, width, streams, 2)
        yield (
            f"{width:<10} {streams:>8} {1000 * seconds:8.1f} {1000 * foretold:8.1f} "
            f"{foretold / seconds:9.2f} {1000 * both[width, streams]:12.1f} "
            f"{both[width, streams] / seconds:14.2f}"
        )
    yield ""
    yield f"{'memory of':<10} {'streams':>8} {'planner':>11} {'taken':>9} {'taken/planner':>14}"
    for width, streams in ((128, 64), (512, 64), (1024, 16), (2048, 16)):
        needed, taken = memory_of(width, streams)
        megabytes = f"{needed / 1e6:8,.0f} MB {taken / 1e6:6,.0f} MB"
        yield f"{width:<10} {streams:>8} {megabytes} {taken / needed:14.2f}"
    yield ""
    yield from computed()


TAKE = """
import sys
from chargen.training.trainer import Trainer
from chargen.config import (CorpusConfig, ModelConfig, TrainConfig)
from chargen.data.corpus import open_corpus
from chargen.nn.model import LanguageModel
import torch
def anonymous():
    told = open("/proc/self/status").read()
    return next(int(line.split()[1]) for line in told.splitlines() if line.startswith("RssAnon"))
torch.set_num_threads(1)
corpus = open_corpus([sys.argv[1]], CorpusConfig(tokenizer="byte", valid_fraction=0))
torch.ones(64, 64) @ torch.ones(64, 64)
before, most = anonymous(), 0
width, streams = int(sys.argv[2]), int(sys.argv[3])
model = LanguageModel(ModelConfig(hidden_size=width, embedding_size=64), 257)
config = TrainConfig(batch_size=streams, bptt=64, steps=6, precision="float32", evaluations=2)
for event in Trainer(model, corpus, config).run():
    most = max(most, anonymous())
print((most - before) * 1024)
"""


def memory_of(width: int, streams: int) -> tuple[int, int]:
    """What the planner thinks a training needs, and by how much a process grew, in bytes. Linux."""
    options = {
        "hidden_size": width, "num_layers": 1, "embedding_size": EMBEDDING,
        "batch_size": streams, "bptt": BPTT,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("the quick brown fox jumps over the lazy dog; " * 5_000)
        done = subprocess.run(
            [sys.executable, "-c", TAKE, text, str(width), str(streams)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    needed = memory_needed(Task(10**6, VOCABULARY, "cpu", None), options)
    return needed, int(done.stdout)


def computed() -> Iterator[str]:
    """Many GPUs, by the model alone: nobody has run it."""
    yield "computed, not measured: GPUs of 400 TFLOP/s, half of it at 256 streams; 3 TB/s; 15 us"
    yield "a place and layer at the least; tokens a second beside one GPU's, 64 streams on each"
    counts = (1, 2, 4, 8, 64)
    yield f"{'width x layers':<15} {'link':>22}" + "".join(f"{count:>7}" for count in counts)
    links = {"450 GB/s, 20 us": (450e9, 20e-6), "12 GB/s, 50 us": (12e9, 50e-6),
             "1 GB/s, 100 us": (1e9, 100e-6)}  # fmt: skip
    for width, layers in ((512, 1), (2048, 2), (4096, 4)):
        for name, (link, latency) in links.items():
            machine = Machine(400e12, 256, 3e12, 15e-6, latency, link)
            one = 64 / step_seconds(machine, width, 64, 1, layers)
            times = [
                64 * count / step_seconds(machine, width, 64 * count, count, layers) / one
                for count in counts
            ]
            shown = f"{width} x {layers}"
            yield f"{shown:<15} {name:>22}" + "".join(f"{value:7.1f}" for value in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if "TORCHELASTIC_RUN_ID" in os.environ:
        two_ranks(rounds)
        return
    for line in table(rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
