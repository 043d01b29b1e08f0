"""What `chargen serve` costs beside its engine, how soon it answers, and whether it loses anything.

    python benchmarks/serve.py [CHECKPOINT] [--rounds 5] [--requests 10000]

The server is a process of its own, its clients are another one (http_load.py), and both share the
cores. Four tables:

- Tokens a second: 100 texts in a batch of the engine, then 100 clients that stream a text each;
  one text by TextGenerator.stream, then one client that streams. Sides in turn, in one run; the
  ratio is the median over the rounds.
- Milliseconds to the first event, connecting included: of one client, of 100 that come at once, and
  of each that comes while 99 are being served; all with the same prompt, or each with one of its
  own, which nobody has sent before.
- Requests: clients that come one after another, all answers looked at, and what memory the server
  has after some thousands of requests, each with a prompt of its own.
- Milliseconds of CPU time that the server still spends once a client has hung up in the midst of a
  long text, streaming or not. Linux counts with an error of some milliseconds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from string import ascii_lowercase
from typing import Any

from http_load import Answer, Server, ask, completion, connect, serving

import chargen
from chargen.generation.generator import TextGenerator

CLIENTS = 100
TOKENS = 400
TOKENS_ALONE = 4000
PROMPT = "The color of a strawberry is"
SAMPLING: dict[str, Any] = {"prompt": PROMPT, "temperature": 1}
SHORT = 8  # tokens of a short request
MARKS = (0.1, 0.2, 0.5, 1)  # shares of the requests after which memory is looked at
WATCHED_SECONDS = 1


class Lost:
    """What should have been whole, and was not."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def check(self, answers: Sequence[Answer]) -> int:
        """How many of the answers are not what they should be."""
        faults = [answer.fault for answer in answers if answer.fault]
        self.faults += faults
        return len(faults)


def engine_batch(model: TextGenerator, seed: int) -> float:
    """Tokens a second."""
    begun = time.perf_counter()
    done = model.generate(
        PROMPT, num_samples=CLIENTS, batch_size=CLIENTS, max_tokens=TOKENS, temperature=1, seed=seed
    )
    return sum(len(text.tokens) for text in done) / (time.perf_counter() - begun)


def engine_alone(model: TextGenerator, seed: int) -> float:
    """Tokens a second."""
    begun = time.perf_counter()
    pieces = model.stream(PROMPT, max_tokens=TOKENS_ALONE, temperature=1, seed=seed)
    return sum(len(piece.tokens) for piece in pieces) / (time.perf_counter() - begun)


def prompts_of_their_own(seed: int) -> Iterator[str]:
    """Without end, and no two of them alike."""
    draw = random.Random(seed)
    while True:
        yield f"{''.join(draw.choices(ascii_lowercase, k=10))}. {PROMPT}"


def streamed(
    server: Server, clients: int, tokens: int, seed: int, prompts: Iterable[str] = repeat(PROMPT)
) -> list[Answer]:
    """What so many clients get that come at once."""
    requests = [
        completion(
            prompt=prompt,
            temperature=1,
            max_tokens=tokens,
            seed=seed * clients + client,
            stream=True,
        )
        for client, prompt in zip(range(clients), prompts, strict=False)
    ]
    return ask(server.port, requests, clients)


def one_after_another(server: Server, rounds: int, prompts: Iterable[str]) -> list[Answer]:
    """What clients get that come while others are being served: of texts of all lengths, so that
    one after another makes room for the next."""
    draw = random.Random(1)
    requests = [
        completion(
            prompt=prompt,
            temperature=1,
            max_tokens=draw.randrange(TOKENS // 8, TOKENS),
            seed=number,
            stream=True,
        )
        for number, prompt in zip(range(CLIENTS * (1 + rounds)), prompts, strict=False)
    ]
    answers = ask(server.port, requests, CLIENTS)
    # The first came at once, the last have fewer beside them.
    last = min(answer.ended or 0 for answer in answers[-CLIENTS:])
    return [answer for answer in answers[CLIENTS:] if answer.begun < last]


def tokens_per_second(answers: Sequence[Answer]) -> float:
    ended = [answer.ended for answer in answers if answer.ended]
    begun = min(answer.begun for answer in answers)
    return sum(answer.num_tokens for answer in answers) / (max(ended) - begun)


def first_events(answers: Sequence[Answer]) -> list[float]:
    """Milliseconds until each came."""
    return [1000 * (answer.first - answer.begun) for answer in answers if answer.first]


def throughput(model: TextGenerator, server: Server, rounds: int, lost: Lost) -> None:
    print(f"{'tokens a second':<44} {'engine':>9} {'server':>9} {'ratio':>7} {'least':>7}")
    for name, clients, tokens, engine in (
        (f"a batch of {CLIENTS}, {CLIENTS} clients", CLIENTS, TOKENS, engine_batch),
        ("a text, a client", 1, TOKENS_ALONE, engine_alone),
    ):
        own, served = [], []
        engine(model, 0)
        streamed(server, clients, tokens, 0)
        for turn in range(1, rounds + 1):
            own.append(engine(model, turn))
            answers = streamed(server, clients, tokens, turn)
            lost.check(answers)
            served.append(tokens_per_second(answers))
        row(name, own, served)


def row(name: str, engine: Sequence[float], server: Sequence[float]) -> None:
    ratios = [theirs / own for own, theirs in zip(engine, server, strict=True)]
    print(
        f"{name:<44} {statistics.median(engine):9,.0f} {statistics.median(server):9,.0f} "
        f"{statistics.median(ratios):7.2f} {min(ratios):7.2f}",
        flush=True,
    )


def latency(server: Server, rounds: int, lost: Lost) -> None:
    print(f"\n{'ms to the first event':<44} {'clients':>9} {'median':>9} {'99 %':>7} {'most':>7}")
    own, turns = prompts_of_their_own(1), range(rounds)
    sides: dict[str, Callable[[int, Iterable[str]], list[Answer]]] = {
        "alone": lambda turn, prompts: [
            streamed(server, 1, SHORT, turn, prompts)[0] for _ in range(20)
        ],
        f"{CLIENTS} at once": lambda turn, prompts: streamed(
            server, CLIENTS, TOKENS // 4, turn, prompts
        ),
        f"beside {CLIENTS - 1}": lambda turn, prompts: one_after_another(server, 2, prompts),
    }
    for name, side in sides.items():
        for whose, prompts in (("", repeat(PROMPT)), (", prompts of their own", own)):
            answers = [answer for turn in turns for answer in side(turn, prompts)]
            lost.check(answers)
            times = first_events(answers)
            nearly_all = statistics.quantiles(times, n=100, method="inclusive")[-1]
            print(
                f"{name + whose:<44} {len(times):9,} {statistics.median(times):9.1f} "
                f"{nearly_all:7.1f} {max(times):7.1f}",
                flush=True,
            )


def in_turn(server: Server, count: int, lost: Lost) -> None:
    print(f"\n{'clients one after another':<44} {'answered':>9} {'lost':>9} {'a second':>9}")
    for keep_alive in (False, True):
        for stream in (False, True):
            requests = (
                completion(
                    keep_alive=keep_alive, **SAMPLING, max_tokens=SHORT, seed=n, stream=stream
                )
                for n in range(count)
            )
            begun = time.perf_counter()
            answers = ask(server.port, requests, keep_alive=keep_alive)
            seconds = time.perf_counter() - begun
            name = ("on one connection" if keep_alive else "a connection each") + (
                ", streaming" if stream else ""
            )
            print(
                f"{name:<44} {len(answers):9,} {lost.check(answers) or 'nothing':>9} "
                f"{count / seconds:9,.0f}",
                flush=True,
            )


def memory(server: Server, count: int, lost: Lost) -> None:
    """Of requests whose prompts have nothing in common, ten at once."""
    print(f"\n{'requests':<44} {'lost':>9} {'memory, MB':>12}")
    asked = 0
    for mark in MARKS:
        numbers = range(asked, asked := round(mark * count))
        requests = (
            completion(prompt=f"{n} is a number. {PROMPT}", max_tokens=SHORT, stream=n % 2 == 0)
            for n in numbers
        )
        answers = ask(server.port, requests, 10)
        print(
            f"{asked:<44,} {lost.check(answers) or 'nothing':>9} "
            f"{server.resident_bytes / 1e6:12.1f}",
            flush=True,
        )


def spent_after(server: Server, stream: bool | None, seed: int) -> float:
    """Milliseconds of CPU time within a second after a hang-up; None: after nothing at all."""
    if stream is not None:
        with connect(server.port) as connection:
            connection.sendall(
                completion(prompt=PROMPT, max_tokens=100_000, seed=seed, stream=stream)
            )
            time.sleep(0.2)
    before = server.cpu_seconds
    time.sleep(WATCHED_SECONDS)
    return 1000 * (server.cpu_seconds - before)


def hang_ups(server: Server, rounds: int) -> None:
    print(f"\n{'ms of CPU time in the second after':<44} {'median':>9} {'most':>9}")
    sides = {"nothing": None, "a stream that was hung up": True, "another answer": False}
    spent = [[spent_after(server, side, n) for side in sides.values()] for n in range(rounds)]
    for name, times in zip(sides, zip(*spent, strict=True), strict=True):
        print(f"{name:<44} {statistics.median(times):9.1f} {max(times):9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint", nargs="?", default="everyday")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=10_000)
    arguments = parser.parse_args()
    lost = Lost()
    model = chargen.load(arguments.checkpoint)
    with serving(arguments.checkpoint) as server:
        throughput(model, server, arguments.rounds, lost)
        latency(server, arguments.rounds, lost)
        in_turn(server, min(1000, arguments.requests), lost)
        memory(server, arguments.requests, lost)
        hang_ups(server, 3 * arguments.rounds)
    for fault in lost.faults[:10]:
        print(fault)
    raise SystemExit(bool(lost.faults))


if __name__ == "__main__":
    main()
