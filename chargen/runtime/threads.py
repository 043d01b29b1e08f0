"""Work on many things in threads of this process, for work that numpy does: it lets other threads
go on while it computes. Knows nothing of the work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from threading import Event
from typing import TypeVar

from chargen.progress import OnShare, share_of

Item = TypeVar("Item")
Value = TypeVar("Value")

POLL_SECONDS = 0.1  # how often it is told how far the work has come


class _Stopped(Exception):
    """Nobody wants the work any more."""


def in_threads(
    work: Callable[[Item, OnShare], Value],
    items: Sequence[Item],
    threads: int,
    on_progress: OnShare,
) -> Iterator[Value]:
    """What `work(item, on_share)` gives for each item, in order; `on_share` must be called often,
    with how far it has come. What it raises is raised here, in its place.

    So many items are worked on at once, and no further ahead than that. `on_progress` gets the
    share of all, in the caller's thread; what it raises, and leaving early, ends all threads.
    """
    if threads == 1 or len(items) == 1:
        for index, item in enumerate(items):
            begin, end = index / len(items), (index + 1) / len(items)
            yield work(item, share_of(on_progress, begin, end))
        return
    shares = [0.0] * len(items)
    stopped = Event()

    def run(index: int) -> Value:
        def on_share(share: float) -> None:
            if stopped.is_set():
                raise _Stopped
            shares[index] = share

        value = work(items[index], on_share)
        shares[index] = 1.0
        return value

    left = iter(range(len(items)))
    with ThreadPoolExecutor(threads) as pool:
        try:
            running: deque[Future[Value]] = deque(
                pool.submit(run, index) for index in islice(left, threads)
            )
            while running:
                first = running.popleft()
                while not first.done():
                    wait([first], timeout=POLL_SECONDS)
                    on_progress(sum(shares) / len(shares))
                value = first.result()
                running += [pool.submit(run, index) for index in islice(left, 1)]
                yield value
        finally:
            stopped.set()
