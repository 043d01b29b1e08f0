"""One thread computes numpy's products, several where that pays; the caller's number is kept."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Event, Thread

import numpy as np
import pytest

from chargen.runtime import blas

X = np.zeros(1, np.float32)


class Machine:
    """An OpenBLAS and a clock that say how they are used."""

    def __init__(self, threads: int = 2) -> None:
        self.threads, self.now, self.is_busy = threads, 0.0, False
        self.taken: list[int] = []  # by each product
        self.interrupts = False
        self.library: blas._OpenBLAS

    def set(self, threads: int) -> None:
        self.threads = threads

    def multiply(self, x: blas.Floats) -> None:
        self.taken.append(self.threads)
        held_up = self.is_busy and self.threads > 1
        self.now += 0.01 if held_up else 0.001 / self.threads


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    it = Machine()
    it.library = blas._OpenBLAS(lambda: it.threads, it.set)
    monkeypatch.setattr(blas, "_openblas", lambda: it.library)
    monkeypatch.setattr("time.perf_counter", lambda: it.now)
    yield it
    assert it.threads == 2, "the caller's number is not what it was"


def test_one_thread_within_and_the_callers_number_after(machine: Machine) -> None:
    @blas.by_one_thread
    def work(depth: int) -> None:
        machine.multiply(X)
        if depth == 0:
            raise ZeroDivisionError
        work(depth - 1)

    with pytest.raises(ZeroDivisionError):
        work(2)
    assert machine.taken == [1, 1, 1]


def test_several_threads_of_python_share_the_number(machine: Machine) -> None:
    both, first_is_done = Barrier(2), Event()

    @blas.by_one_thread
    def work(is_first: bool) -> None:
        both.wait(timeout=60)
        if not is_first:
            assert first_is_done.wait(timeout=60)
        machine.multiply(X)

    other = Thread(target=work, args=(False,))
    other.start()
    work(True)
    first_is_done.set()
    other.join()
    assert machine.taken == [1, 1]


def test_work_that_an_interrupt_left_heals(machine: Machine) -> None:
    """As where it comes between the number and the work."""

    @blas.by_one_thread
    def work() -> None:
        machine.multiply(X)

    limit, machine.interrupts = machine.set, True

    def interrupted(threads: int) -> None:
        limit(threads)
        if machine.interrupts:
            raise KeyboardInterrupt

    machine.library._set = interrupted
    with pytest.raises(KeyboardInterrupt):
        work()
    machine.interrupts = False
    work()
    assert machine.taken == [1]


def test_a_fork_amid_work_has_the_callers_number(machine: Machine) -> None:
    @blas.by_one_thread
    def work() -> None:
        with machine.library._lock:  # as another thread may hold it
            machine.library.after_fork()
        assert machine.threads == 2
        again()
        machine.set(2)

    @blas.by_one_thread
    def again() -> None:
        machine.multiply(X)

    work()
    assert machine.taken == [1]


def test_several_threads_while_no_other_program_is_in_their_way(machine: Machine) -> None:
    multiply = blas.by_one_thread(blas.by_free_threads(machine.multiply, 128))
    for is_busy in (False, True, False):
        machine.is_busy = is_busy
        for _ in range(2000):
            multiply(X)
    free, busy, again = (machine.taken[at : at + 2000] for at in (0, 2000, 4000))
    assert free == [1] * blas.BY_ONE_FIRST + [2] * (2000 - blas.BY_ONE_FIRST)
    assert 1 <= busy.count(2) <= 6, "it must try again now and then, and seldom"
    assert again[-1000:].count(2) > 0


def test_nobody_else_is_inside_while_there_are_several_threads(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    multiply = blas.by_one_thread(blas.by_free_threads(machine.multiply, 128))
    for _ in range(20):
        multiply(X)
    is_inside, is_over = Event(), Event()

    @blas.by_one_thread
    def work() -> None:
        is_inside.set()
        assert is_over.wait(timeout=60)

    other = Thread(target=work)

    def is_pausing(now: float) -> bool:
        other.start()  # just then
        assert is_inside.wait(timeout=60)
        return False

    monkeypatch.setattr(machine.library._pauses, "is_pausing", is_pausing)
    multiply(X)
    is_over.set()
    other.join()
    assert machine.taken[-2:] == [2, 1]


@pytest.mark.parametrize(("columns", "threads"), [(128, 2), (192, 1), (650, 1), (2048, 2)])
def test_threads_share_a_matrix_where_that_changes_no_bit(
    machine: Machine, columns: int, threads: int
) -> None:
    multiply = blas.by_one_thread(blas.by_free_threads(machine.multiply, columns))
    for _ in range(20):
        multiply(X)
    assert machine.taken[-1] == threads


def test_a_limit_that_the_caller_sets_later_holds(machine: Machine) -> None:
    multiply = blas.by_one_thread(blas.by_free_threads(machine.multiply, 128))
    for _ in range(20):
        multiply(X)
    machine.set(1)
    multiply(X)
    assert machine.taken[-2:] == [2, 1]
    machine.set(2)


def test_where_there_is_another_blas_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    it = Machine()
    blas.by_one_thread(it.multiply)(X)
    blas.by_free_threads(it.multiply, 128)(X)
    assert it.taken == [2, 2]


@pytest.mark.parametrize("size", [384, 512])
def test_threads_give_the_same_numbers(size: int) -> None:
    """That of numpy's own BLAS, whichever it is."""
    random = np.random.default_rng(1)
    x = random.standard_normal((1, size), dtype=np.float32)
    matrix = random.standard_normal((size, 4 * size), dtype=np.float32)
    product = np.empty((1, 4 * size), np.float32)

    def multiply(x: blas.Floats) -> None:
        np.matmul(x, matrix, product)

    watched = blas.by_one_thread(blas.by_free_threads(multiply, 4 * size))
    blas.by_one_thread(multiply)(x)
    once = product.copy()
    for _ in range(2 * blas.BY_ONE_FIRST):
        product[:] = 0
        watched(x)
        assert np.array_equal(product, once)
