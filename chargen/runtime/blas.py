"""How many threads numpy's matrix products take. Knows no network.

numpy's wheels bring OpenBLAS, whose threads wait for each other at every product, however small:
where other programs want the same cores, a product of 50 us then takes milliseconds. So all is done
by one thread, but for products that say that they are worth several. Their number is the whole
process's: afterwards it is what it was. Another BLAS (Accelerate, MKL) is left alone.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from threading import Lock, get_ident
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Multiply = Callable[[Floats], object]
P = ParamSpec("P")
R = TypeVar("R")

# A product that several threads took so many times as long for as one thread takes at best was held
# up by other programs: one thread goes on for some time, longer each time that happens again.
HELD_UP = 2.0
MIN_PAUSE, MAX_PAUSE = 0.05, 3.0  # seconds
BY_ONE_FIRST = 5  # products, to know what one thread takes
# Threads share the columns of a matrix. Where each gets whole vectors, of up to so many numbers,
# every sum is taken in the same order, so that its last bit does not depend on their number.
ALIGNMENT = 64


def by_one_thread(work: Callable[P, R]) -> Callable[P, R]:
    """The same work, in which one thread computes numpy's products. It may go on in several threads
    of Python at once."""

    @wraps(work)
    def alone(*args: P.args, **options: P.kwargs) -> R:
        blas = _openblas()
        return work(*args, **options) if blas is None else blas.alone(work, *args, **options)

    return alone


def by_free_threads(multiply: Multiply, columns: int) -> Multiply:
    """The product of a vector and a matrix of so many columns, in work `by_one_thread`, that
    several threads compute while nothing else is in their way. The numbers are the same."""
    blas = _openblas()
    threads = 1 if blas is None else 1 << (blas.own.bit_length() - 1)  # a power of two
    if blas is None or threads == 1 or columns % (threads * ALIGNMENT):
        return multiply
    return blas.by_free(multiply, threads)


class _OpenBLAS:
    """The threads of one OpenBLAS."""

    def __init__(self, get: Callable[[], int], set_: Callable[[int], object]) -> None:
        self._get, self._set = get, set_
        self._lock = Lock()
        # The threads of Python in work that is to be done by one. An interrupt at the wrong moment
        # may leave one there; its next work heals that.
        self._inside: set[int] = set()
        self._own = 1  # the caller's number
        self._pauses = _Pauses()

    @property
    def own(self) -> int:
        """The caller's number."""
        with self._lock:
            return self._own if self._inside else self._get()

    def alone(self, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        try:
            with self._lock:
                if not self._inside:
                    self._own = self._get()
                self._inside.add(get_ident())
                if self._own > 1:
                    self._set(1)
            return work(*args, **options)
        finally:
            try:
                self._leave()
            except BaseException:  # an interrupt, which must not leave the caller's number changed
                self._leave()
                raise

    def _leave(self) -> None:
        with self._lock:
            if self._own > 1 and self._inside <= {get_ident()}:
                self._set(self._own)
            self._inside.discard(get_ident())

    def by_free(self, multiply: Multiply, threads: int) -> Multiply:
        best = math.inf  # seconds that one thread takes
        left = BY_ONE_FIRST

        def by_free(x: Floats) -> None:
            nonlocal best, left
            begun = time.perf_counter()
            if left or self._pauses.is_pausing(begun) or not self._take(threads):
                multiply(x)
                best, left = min(best, time.perf_counter() - begun), max(left - 1, 0)
                return
            try:
                multiply(x)
            finally:
                self._set(1)
            ended = time.perf_counter()
            self._pauses.after(ended, ended - begun > HELD_UP * best)

        return by_free

    def _take(self, threads: int) -> bool:
        """Have so many threads from now on, unless others are inside: the last bits of what they
        multiply may depend on the number."""
        with self._lock:
            is_free = self._own >= threads and len(self._inside) == 1
            if is_free:
                self._set(threads)
            return is_free

    def after_fork(self) -> None:
        """In the child no other thread goes on, whatever held the lock."""
        self._lock = Lock()
        if self._inside:
            self._inside.clear()
            self._set(self._own)


class _Pauses:
    """Until when several threads are of no use, since other programs hold them up."""

    def __init__(self) -> None:
        self._seconds, self._until = MIN_PAUSE, -math.inf

    def is_pausing(self, now: float) -> bool:
        return now < self._until

    def after(self, now: float, was_held_up: bool) -> None:
        if was_held_up:
            self._until = now + self._seconds
            self._seconds = min(2 * self._seconds, MAX_PAUSE)
        else:
            self._seconds = max(self._seconds * 0.99, MIN_PAUSE)


@cache
def _openblas() -> _OpenBLAS | None:
    """numpy's, where it has threads of its own."""
    from threadpoolctl import ThreadpoolController  # 8 ms, at the first network alone

    found = [
        library
        for library in ThreadpoolController().lib_controllers
        if library.internal_api == "openblas" and library.threading_layer == "pthreads"
    ]
    # Other packages may bring one of their own: scipy does.
    found.sort(key=lambda library: not any("numpy" in p for p in Path(library.filepath).parts[-3:]))
    for library in found:
        for name in library.check_symbols:
            get = getattr(library.dynlib, name, None)
            set_ = getattr(library.dynlib, name.replace("_get_", "_set_"), None)
            if get is not None and set_ is not None:
                blas = _OpenBLAS(get, set_)
                os.register_at_fork(after_in_child=blas.after_fork)
                return blas
    return None
