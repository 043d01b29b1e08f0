"""What a token costs: the engine beside the plain ways, and all that comes with it.

    python benchmarks/sample_speed.py [--rounds 9] [--sizes 192 512] [--rows 1 64 256]

Sides, in turn, a few steps each, in one process; a ratio is the median over the rounds:

    loop     a step and a draw at temperature 1 in plain numpy, as a script of twenty lines does it
    bare     the matrix products of a step alone, by the same calls
    engine   NumpyEngine
    torch    TorchEngine on this CPU, with torch's own number of threads
    whole    TextGenerator: engine, processors, random draw, text

Then: the time to the first piece after a prompt, and the reading of a long prompt beside torch's
forward pass over the same tokens, chunks of each in turn, and what memory it takes.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch

from chargen.config import ModelConfig, SampleConfig
from chargen.generation.decoding import sample
from chargen.generation.generator import TextGenerator
from chargen.generation.sampling import streams
from chargen.nn.engine import READ_AT_ONCE, Engine, Floats, initial_state, read_tokens
from chargen.nn.model import LanguageModel
from chargen.nn.numpy_engine import NumpyEngine
from chargen.nn.torch_engine import TorchEngine
from chargen.nn.transfer import weights_of
from chargen.nn.weights import Array, Weights
from chargen.runtime.blas import by_one_thread
from chargen.runtime.device import describe
from chargen.tokenizers.byte import ByteTokenizer

EMBEDDING = 64
SIDES = ("loop", "bare", "engine", "torch", "whole")
RATIOS = (("whole", "loop"), ("engine", "bare"), ("whole", "bare"), ("engine", "torch"))
Step = Callable[[], object]


def network(cell: str, size: int, layers: int) -> LanguageModel:
    torch.manual_seed(1)
    shape = ModelConfig(cell=cell, hidden_size=size, num_layers=layers, embedding_size=EMBEDDING)
    model = LanguageModel(shape, ByteTokenizer().vocab_size).eval()
    model.seen[ByteTokenizer().end] = False  # so that no text ends
    return model


def sigmoid(x: Floats) -> Floats:
    half = np.float32(0.5)
    y: Floats = np.tanh(x * half) * half + half
    return y


def lstm(read: Floats, recurrent: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
    i, f, g, o = np.split(read + recurrent, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(read: Floats, recurrent: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
    (r, z, n), (r_own, z_own, n_own) = (np.split(x, 3, axis=1) for x in (read, recurrent))
    z, n = sigmoid(z + z_own), np.tanh(n + sigmoid(r + r_own) * n_own)
    return n + z * (h - n), c


def loop_step(weights: Weights, rows: int) -> Step:
    """What a script would do; only what the first layer reads is looked up."""
    cell = {"lstm": lstm, "gru": gru}[weights.config.cell]
    layers = [weights.layer(index) for index in range(weights.config.num_layers)]
    reads, recurs = ([np.ascontiguousarray(layer[at].T) for layer in layers] for at in (0, 1))
    table = weights.embedding @ reads[0] + layers[0][2]
    head, bias = np.ascontiguousarray(weights.arrays["head.weight"].T), weights.arrays["head.bias"]
    h, c = ([np.zeros((rows, len(recurs[0])), np.float32) for _ in layers] for _ in range(2))
    tokens, random = np.zeros(rows, np.int64), np.random.default_rng(1)

    def step() -> None:
        nonlocal tokens
        x: Array = table[tokens]
        for index, (_, _, _, recur_bias) in enumerate(layers):
            if index:
                x = h[index - 1] @ reads[index] + layers[index][2]
            recurrent = h[index] @ recurs[index] + recur_bias
            h[index], c[index] = cell(x, recurrent, h[index], c[index])
        logits = h[-1] @ head + bias
        cumulative = np.exp(logits - logits.max(axis=1, keepdims=True)).cumsum(axis=1)
        uniform = random.random((rows, 1)) * cumulative[:, -1:]
        tokens = (cumulative > uniform).argmax(axis=1)

    return by_one_thread(step)


def bare_step(engine: NumpyEngine, rows: int) -> Step:
    """The products that no step can do without, each whole."""
    layers = engine.layers
    products = [layer.recur for layer in layers] + [layer.read for layer in layers[1:]]
    shapes = [product.matrix.shape for product in (*products, engine.head)]
    multiplies = [
        product.into(np.empty((1, rows, length), np.float32))
        for product, (_, length) in zip((*products, engine.head), shapes, strict=True)
    ]
    x = np.zeros((rows, engine.config.hidden_size), np.float32)

    @by_one_thread
    def step() -> None:
        for multiply in multiplies:
            multiply(x)

    return step


def engine_step(engine: Engine, rows: int) -> Step:
    stepper = engine.start(initial_state(engine.config, rows))
    tokens = np.zeros(rows, np.int64)
    return lambda: stepper.step(tokens)


def whole_step(generator: TextGenerator, rows: int) -> Step:
    """All that comes with a token: `rows` texts side by side, drawn at temperature 1."""
    config = SampleConfig(max_tokens=10**9, num_samples=rows, seed=1)
    work = generator.continuation("", config)
    builders = [work.builder() for _ in range(rows)]
    draws: Iterator[object] = sample([work] * rows, builders, list(islice(streams(1), rows)))
    return lambda: next(draws)


def microseconds(step: Step, count: int) -> float:
    time.sleep(0.01)  # torch's threads spin for some time after their last product
    step()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - begun) / count * 1e6


def in_turn(sides: list[Step], count: int, rounds: int) -> list[list[float]]:
    for side in sides:
        microseconds(side, 3)
    return [[microseconds(side, count) for side in sides] for _ in range(rounds)]


def ratio(taken: list[list[float]], above: int, below: int) -> float:
    return statistics.median(row[above] / row[below] for row in taken)


def compare(cell: str, size: int, rows: int, arguments: argparse.Namespace) -> None:
    model = network(cell, size, arguments.num_layers)
    weights = weights_of(model)
    engine = NumpyEngine(weights)
    sides = [
        loop_step(weights, rows), bare_step(engine, rows), engine_step(engine, rows),
        engine_step(TorchEngine(model), rows),
        whole_step(TextGenerator(weights, ByteTokenizer()), rows),
    ]  # fmt: skip
    taken = in_turn(sides, max(4, 100_000 // (rows * size)), arguments.rounds)
    middle = [statistics.median(row[side] for row in taken) for side in range(len(sides))]
    ratios = [ratio(taken, SIDES.index(one), SIDES.index(other)) for one, other in RATIOS]
    print(
        f"{cell:<5}{arguments.num_layers} x {size:<5}{rows:>5}"
        + "".join(f"{value:>9.0f}" for value in middle)
        + "".join(f"{value:>14.2f}" for value in ratios),
        flush=True,
    )


def first_piece(size: int, arguments: argparse.Namespace) -> None:
    weights = weights_of(network("lstm", size, arguments.num_layers))
    times = []
    for _ in range(arguments.rounds):
        generator = TextGenerator(weights, ByteTokenizer())  # its engine is not made yet
        row = []
        for prompt in ("The color of a strawberry is", "The color of a banana is"):
            begun = time.perf_counter()
            next(generator.stream(prompt))
            row.append((time.perf_counter() - begun) * 1000)
        times.append(row)
    first, again = (statistics.median(row[side] for row in times) for side in (0, 1))
    print(
        f"\n{arguments.num_layers} x {size}: first piece after a prompt of 28 characters "
        f"{first:.1f} ms, {again:.1f} ms when the engine has been made"
    )


@torch.inference_mode()
def reading(size: int, arguments: argparse.Namespace) -> None:
    model = network("lstm", size, arguments.num_layers)
    engine = NumpyEngine(weights_of(model))
    state, begun = initial_state(engine.config), model.initial_state(1)
    chunk = np.zeros((1, READ_AT_ONCE), np.int64)
    tensor = torch.from_numpy(chunk)
    sides: list[Step] = [lambda: engine.read(chunk, state), lambda: model.read(tensor, begun)]
    taken = in_turn(sides, 1, arguments.rounds)
    own, torchs = (statistics.median(row[side] for row in taken) / READ_AT_ONCE for side in (0, 1))
    print(
        f"reading, a token: engine {own:.0f} us, torch's forward pass {torchs:.0f} us, "
        f"ratio {ratio(taken, 0, 1):.2f}"
    )
    before = peak_megabytes()
    begin = time.perf_counter()
    read_tokens(engine, np.zeros(arguments.prompt_tokens, np.int64), state)
    print(
        f"a prompt of {arguments.prompt_tokens:,} tokens: {time.perf_counter() - begin:.1f} s; "
        f"peak memory grew by {peak_megabytes() - before:.0f} MB"
    )


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[192, 512])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--num-layers", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(
        f"{describe(torch.device('cpu'))}, numpy {np.__version__}, torch {torch.__version__}; "
        f"microseconds a step\n"
    )
    print(
        f"{'':<14}{'rows':>5}"
        + "".join(f"{side:>9}" for side in SIDES)
        + "".join(f"{f'{one}/{other}':>14}" for one, other in RATIOS)
    )
    for size in arguments.sizes:
        for cell in ("lstm", "gru"):
            for rows in arguments.rows:
                compare(cell, size, rows, arguments)
    for size in arguments.sizes:
        first_piece(size, arguments)
        reading(size, arguments)


if __name__ == "__main__":
    main()
