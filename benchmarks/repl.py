"""What a talk costs: session files, memory over many turns, and what it takes to know at every
piece where a text stands. (How soon the REPL is there: first_word.py.)

    python benchmarks/repl.py [CHECKPOINT] [--rounds N] [--turns N]

Times are medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from chargen import __version__
from chargen.config import SampleConfig
from chargen.generation.decoding import sample
from chargen.generation.sampling import RandomStream
from chargen.session.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("checkpoints/everyday"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=2000)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, chargen {__version__}")
    place(arguments.checkpoint, arguments.rounds)
    files(arguments.checkpoint)
    talk(arguments.checkpoint, arguments.turns)


def place(checkpoint: Path, rounds: int) -> None:
    """Streaming a text against only drawing its tokens."""
    session = Session(checkpoint)
    generator = session.generator
    config = SampleConfig(max_tokens=2000, seed=1)

    def draw() -> None:
        work = generator.continuation("The", config)
        for _ in sample([work], [work.builder()], [RandomStream(1)]):
            pass

    def stream() -> None:
        for _ in generator.stream("The", config):
            pass

    stream()
    ratio = statistics.median(_seconds(stream) / _seconds(draw) for _ in range(2 * rounds + 1))
    print(f"a text that knows at every piece where it stands: {ratio:.3f} times only drawing it")


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def files(checkpoint: Path) -> None:
    """Bytes of a session file beyond its text, and milliseconds to open it."""
    print("session file   text bytes   beyond the text   opened in")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "talk"
        for length in (1_000, 100_000, 10_000_000):
            session = Session(checkpoint)
            session.enter("story")
            session.change("max_tokens", 10)
            with closing(session.answer("x" * min(length, 1000))) as pieces:  # type: ignore[type-var]
                for _ in pieces:
                    pass
            # The rest of the text is put there: reading it would say nothing of the file.
            last = session.exchanges[-1]
            more = type(last)(last.prompt, "x" * (length - 1000), last.text)
            history = replace(session.state.history, exchanges=(*session.exchanges[:-1], more))
            session.state = replace(session.state, history=history)
            session.save(path)
            text = sum(len((e.read + e.text + e.prompt).encode()) for e in session.exchanges)
            other = Session(checkpoint)
            seconds = _seconds(lambda other=other: other.open(path))  # type: ignore[misc]
            beyond = path.stat().st_size - text
            print(f"{'':14} {text:10,}   {beyond:15,}   {seconds * 1000:6.1f} ms")


def talk(checkpoint: Path, turns: int) -> None:
    """Memory and time of a talk as it grows."""
    session = Session(checkpoint)
    session.change("max_tokens", 40)
    session.enter("chat")
    print("turns   text characters   anonymous memory   a turn")
    marks = {turns // 20, turns // 4, turns}
    began, before = time.perf_counter(), 0
    for turn in range(1, turns + 1):
        with closing(session.answer("How are you?")) as pieces:  # type: ignore[type-var]
            for _ in pieces:
                pass
        if turn in marks:
            taken = (time.perf_counter() - began) / (turn - before)
            began, before = time.perf_counter(), turn
            print(f"{turn:5,}   {len(session.text):15,}   {_anonymous() / 1e6:13.1f} MB   "
                  f"{taken * 1000:5.1f} ms")  # fmt: skip


def _anonymous() -> float:
    """Bytes of this process that lie in no file; Linux alone tells."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024.0 * int(status.partition("RssAnon:")[2].split()[0])


if __name__ == "__main__":
    main()
