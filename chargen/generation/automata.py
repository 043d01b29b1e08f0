"""An expression as an automaton over bytes. The only door to outlines-core.

A few letters can spell an automaton that takes all memory, and the library cannot be stopped. So
it works in a process of its own, which is this file run as a program: in goes the expression, out
comes the automaton, or nothing within the limits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

SECONDS, BYTES = 10, 1 << 30  # that the process may take
POLL_SECONDS = 0.02
NUM_BYTES = 256
UNDECIDABLE, TOO_LARGE = 3, 4  # exit codes of the process

# Called while a process is waited for, often; what it raises ends that. A context's own, as those
# who ask for an automaton are far from those who know whether anybody still wants it.
on_wait: ContextVar[Callable[[], None]] = ContextVar("on_wait", default=lambda: None)

# (state, byte, state after it) of each step, and the states in which all that was read matches.
Steps = tuple[list[tuple[int, int, int]], list[int]]


def steps_of(pattern: str) -> Steps | int:
    """The automaton of an expression, from state 0 on, or the exit code that says why not. Raises
    ImportError where outlines-core is missing."""
    import subprocess  # slow to import, and few texts must match an expression

    import outlines_core  # noqa: F401  the process would fail, too, but could not say so as well

    with subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as process:
        try:
            written = _output(process, pattern)
        finally:
            process.kill()  # unless it has ended
    if written is None or process.returncode:
        return UNDECIDABLE if process.returncode == UNDECIDABLE else TOO_LARGE
    steps, final = json.loads(written)
    return steps, final


def _output(process: subprocess.Popen[str], pattern: str) -> str | None:
    """What it writes, given the expression; None where it takes too long."""
    import subprocess

    given: str | None = pattern
    give_up_at = time.monotonic() + SECONDS
    while time.monotonic() < give_up_at:
        on_wait.get()()
        try:
            return process.communicate(given, timeout=POLL_SECONDS)[0]
        except subprocess.TimeoutExpired:
            given = None  # it has that
    return None


def _build(pattern: str) -> Steps:
    """Raises ValueError on what no automaton decides."""
    from outlines_core import Index, Vocabulary

    end = NUM_BYTES
    vocabulary = Vocabulary(end, {bytes([byte]): [byte] for byte in range(end)})
    # The library loses the ways on from a match (it takes a match that regex-automata tells one
    # byte late for the end). So nothing matches before a NUL, which stands for the end; in a text
    # that keeps to an expression there is none.
    index = Index(f"(?:{pattern})\\x00", vocabulary)
    edges = index.get_transitions()
    order = dict.fromkeys([index.get_initial_state(), *edges])
    number = {state: place for place, state in enumerate(order)}
    steps, final = [], []
    for state, row in edges.items():
        for byte, after in row.items():
            if byte == 0 and index.is_final_state(after):
                final.append(number[state])
            elif 0 < byte < end and after in number:
                steps.append((number[state], byte, number[after]))
    return steps, final


def _main() -> int:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    try:
        json.dump(_build(sys.stdin.buffer.read().decode()), sys.stdout)
    except ValueError:
        return UNDECIDABLE
    return 0


if __name__ == "__main__":
    sys.exit(_main())
