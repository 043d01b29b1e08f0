"""Threads change when things are done, never what comes of them, nor in what order."""

from __future__ import annotations

from threading import Barrier, Event, current_thread

import pytest

from chargen.progress import OnShare, no_progress
from chargen.runtime.threads import in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 20])
def test_what_comes_is_in_order_and_progress_ends_in_all(threads: int, count: int) -> None:
    shares: list[float] = []

    def square(item: int, on_share: OnShare) -> int:
        on_share(0.5)
        return item * item

    for done, value in enumerate(in_threads(square, range(count), threads, shares.append)):
        assert value == done * done
        # It ends early, and then all of it is done.
        assert not shares or shares[-1] >= (done + 0.5) / count - 1e-9
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_so_many_are_worked_on_at_once() -> None:
    together = Barrier(3)

    def meet(item: int, on_share: OnShare) -> str:
        together.wait(timeout=60)  # broken unless three come
        return current_thread().name

    assert len(set(in_threads(meet, range(3), 3, no_progress))) == 3


def test_it_works_no_further_ahead() -> None:
    begun: list[int] = []

    def note(item: int, on_share: OnShare) -> int:
        begun.append(item)
        return item

    found = in_threads(note, range(100), 2, no_progress)
    assert next(found) == 0
    assert max(begun) <= 2
    found.close()  # type: ignore[attr-defined]
    assert max(begun) <= 3


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_in_its_place(threads: int) -> None:
    def fail_at_two(item: int, on_share: OnShare) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    found = in_threads(fail_at_two, range(5), threads, no_progress)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(found)


def test_who_leaves_early_ends_all() -> None:
    ended = Event()

    def go_on(item: int, on_share: OnShare) -> int:
        if item == 0:
            return 0
        try:
            while True:
                on_share(0.5)
        finally:
            ended.set()

    found = in_threads(go_on, range(2), 2, no_progress)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # returns when all threads have
    assert ended.is_set()


def test_what_progress_raises_ends_all() -> None:
    def go_on(item: int, on_share: OnShare) -> int:
        while True:
            on_share(0.5)

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(in_threads(go_on, range(4), 2, stop))
