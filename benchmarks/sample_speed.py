"""What a step of chargen's engine costs beside the plain ways, and what a user waits for.

    python benchmarks/sample_speed.py [--rounds 9] [--hidden-size 512] [--num-layers 2]

Sides, in turn, a few steps each, in one process; a ratio is the median over the rounds:

    plain    a loop over nn.LSTM or nn.GRU, one token at a time, as a script of ten lines does it
    no dnn   the same with oneDNN switched off
    bare     the matrix products of a step alone, by the same library calls
    engine   chargen.nn.engine
    whole    TextGenerator: engine, processors, random draw, text

Then: the time to the first piece after a prompt, and the reading of a prompt of 1 MB beside the
training model's forward pass over the same tokens, and what memory that takes.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from chargen.config import ModelConfig, SampleConfig
from chargen.generation.decoding import sample
from chargen.generation.generator import TextGenerator
from chargen.generation.sampling import streams
from chargen.nn.model import NUM_GATES, LanguageModel
from chargen.nn.torch_engine import Engine
from chargen.runtime.device import describe
from chargen.tokenizers.byte import ByteTokenizer

EMBEDDING = 64
Step = Callable[[], object]


def plain_step(model: LanguageModel, rows: int) -> Step:
    config = model.config
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}[config.cell]
    layers = kind(EMBEDDING, config.hidden_size, config.num_layers, batch_first=True).eval()
    tokens, state = torch.zeros(rows, 1, dtype=torch.int64), None

    def step() -> None:
        nonlocal tokens, state
        x, state = layers(model.embedding(tokens), state)
        tokens = model.head(x[:, -1]).argmax(dim=-1, keepdim=True)

    return step


def off(step: Step) -> Step:
    """oneDNN's LSTM reorders its weights at every call, which costs more than one step."""

    def without() -> None:
        with torch.backends.mkldnn.flags(enabled=False):
            step()

    return without


def bare_step(model: LanguageModel, rows: int) -> tuple[Step, int]:
    """The products that no step can do without, and their floating-point operations: the first
    layer's input is looked up, so it has one, the others two, and the head one."""
    size, config = model.config.hidden_size, model.config
    wide = NUM_GATES[config.cell] * size
    weights = [torch.randn(size, wide) for _ in range(2 * config.num_layers - 1)]
    head = torch.randn(size, model.vocab_size)
    x, gates, logits = (torch.randn(rows, n) for n in (size, wide, model.vocab_size))
    product = torch.mm
    if rows == 1:  # the matrix-vector product, over the weights as they lie
        x, gates, logits = x[0], gates[0], logits[0]

        def product(x: Tensor, weight: Tensor, *, out: Tensor) -> Tensor:  # type: ignore[misc]
            return torch.mv(weight.t(), x, out=out)

    def step() -> None:
        for weight in weights:
            product(x, weight, out=gates)
        product(x, head, out=logits)

    operations = 2 * rows * (sum(weight.numel() for weight in weights) + head.numel())
    return step, operations


def engine_step(model: LanguageModel, rows: int) -> Step:
    engine = Engine(model)
    memory = engine.start(model.initial_state(rows))
    tokens = torch.zeros(rows, dtype=torch.int64)

    def step() -> None:
        nonlocal tokens
        tokens = engine.step(tokens, memory).argmax(dim=-1)

    return step


def whole_step(generator: TextGenerator, rows: int) -> Step:
    """All that comes with a token: `rows` texts side by side, drawn at temperature 1."""
    config = SampleConfig(max_tokens=10**9, num_samples=rows, seed=1)
    work = generator.continuation("", config)
    builders = [work.builder() for _ in range(rows)]
    draws: Iterator[object] = sample([work] * rows, builders, list(islice(streams(1), rows)))
    return lambda: next(draws)


def microseconds(step: Step, count: int) -> float:
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


@torch.inference_mode()
def compare(cell: str, rows: int, arguments: argparse.Namespace) -> None:
    tokenizer = ByteTokenizer()
    model = network(cell, arguments)
    plain = plain_step(model, rows)
    bare, operations = bare_step(model, rows)
    sides = [
        plain, off(plain), bare, engine_step(model, rows),
        whole_step(TextGenerator(model, tokenizer), rows),
    ]  # fmt: skip
    taken = in_turn(sides, max(8, 200 // rows), arguments.rounds)
    middle = [statistics.median(row[side] for row in taken) for side in range(len(sides))]
    speeds = [operations / middle[side] / 1000 for side in (2, 3)]
    print(
        f"{cell:<5}{rows:>5}" + "".join(f"{value:>9.0f}" for value in middle)
        + f"{ratio(taken, 0, 3):>9.2f}{ratio(taken, 1, 3):>8.2f}{ratio(taken, 3, 2):>8.2f}"
        + f"{speeds[0]:>9.1f}{speeds[1]:>8.1f}{ratio(taken, 2, 3):>7.0%}",
        flush=True,
    )  # fmt: skip


def network(cell: str, arguments: argparse.Namespace) -> LanguageModel:
    torch.manual_seed(1)
    shape = ModelConfig(
        cell=cell, hidden_size=arguments.hidden_size, num_layers=arguments.num_layers,
        embedding_size=EMBEDDING,
    )  # fmt: skip
    model = LanguageModel(shape, ByteTokenizer().vocab_size).eval()
    model.seen[ByteTokenizer().end] = False  # so that no text ends
    return model


def waiting(arguments: argparse.Namespace) -> None:
    """The first piece after a short prompt, and a long prompt beside the forward pass."""
    model = network("lstm", arguments)
    times = []
    for _ in range(arguments.rounds):
        generator = TextGenerator(model, ByteTokenizer())  # its engine is not made yet
        first, again = ("The color of a strawberry is", "The color of a banana is")
        row = []
        for prompt in (first, again):
            begun = time.perf_counter()
            next(generator.stream(prompt))
            row.append((time.perf_counter() - begun) * 1000)
        times.append(row)
    columns = [statistics.median(row[side] for row in times) for side in (0, 1)]
    print(
        f"\nfirst piece after a prompt of 28 characters: {columns[0]:.1f} ms, {columns[1]:.1f} ms "
        "when the engine has been made"
    )
    size = arguments.prompt_bytes
    prompt = ("The quick brown fox jumps over the lazy dog. " * (size // 45 + 1))[:size]
    before = peak_megabytes()
    begun = time.perf_counter()
    next(generator.stream(prompt))
    taken = time.perf_counter() - begun
    grown = peak_megabytes() - before
    one, many = forward_seconds(model, 1, 1024), forward_seconds(model, 16, 64)
    print(
        f"a prompt of {size:,} bytes: {taken:.1f} s, {size / taken:,.0f} tokens/s; "
        f"peak memory grew by {grown:.0f} MB\n"
        f"a token of it takes {taken / size / one:.2f} times what it takes the training model's "
        f"forward pass over one stream, {taken / size / many:.2f} times over 16 streams of 64"
    )


@torch.inference_mode()
def forward_seconds(model: LanguageModel, rows: int, length: int) -> float:
    """Seconds a token of the training model's forward pass, its state carried on."""
    tokens, state = torch.zeros(rows, length, dtype=torch.int64), model.initial_state(rows)
    model.read(tokens, state)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < 10:
        _, state = model.read(tokens, state)
        count += rows * length
    return (time.perf_counter() - begun) / count


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--hidden-size", type=int, default=512)
    parser.add_argument("--num-layers", type=int, default=2)
    parser.add_argument("--prompt-bytes", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(
        f"{describe(torch.device('cpu'))}, torch {torch.__version__}; "
        f"{arguments.num_layers} x {arguments.hidden_size}, microseconds a step\n"
    )
    print(
        f"{'':<5}{'rows':>5}" + "".join(f"{n:>9}" for n in ("plain", "no dnn", "bare", "engine"))
        + f"{'whole':>9}{'plain/e':>9}{'no/e':>8}{'e/bare':>8}{'GFLOP/s:':>9}{'engine':>8}"
        + f"{'share':>7}"
    )  # fmt: skip
    for cell in ("lstm", "gru"):
        for rows in (1, 64, 256):
            compare(cell, rows, arguments)
    waiting(arguments)


if __name__ == "__main__":
    main()
