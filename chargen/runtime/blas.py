"""How many threads numpy's matrix products take. Knows no network.

numpy's wheels bring OpenBLAS, whose threads wait for each other at every product, however small:
where other programs want the same cores, a product of 50 us then takes milliseconds. So all is done
by one thread, but what says that it is worth several. After it the caller's own number is what it
was. Another BLAS (Accelerate, MKL) is left alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Multiply = Callable[[Floats], object]

# A product that several threads took so many times as long for as one thread takes at best was held
# up by other programs: one thread goes on for some time, longer each time that happens again.
HELD_UP = 2.0
MIN_PAUSE, MAX_PAUSE = 0.05, 3.0  # seconds
BY_ONE_FIRST = 5  # products, to know what one thread takes
# Threads share the columns of a matrix. Where each gets whole vectors, of up to so many numbers,
# every sum is taken in the same order, so that its last bit does not depend on their number.
ALIGNMENT = 64


class _OpenBLAS:
    """The threads of one OpenBLAS, whose number is the whole process's."""

    def __init__(self, get: Callable[[], int], set_: Callable[[int], object]) -> None:
        self._get, self._set = get, set_
        self._lock = Lock()
        self._inside = 0  # how many pieces of work, in threads of Python
        self._own = 1  # the caller's number
        self._pause, self._until = MIN_PAUSE, -math.inf

    def own(self) -> int:
        with self._lock:
            return self._own if self._inside else self._get()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._own = self._get()
                if self._own > 1:
                    self._set(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._own > 1:
                self._set(self._own)

    def by_all(self, multiply: Multiply) -> Multiply:
        def by_all(x: Floats) -> None:
            self._set(self._own)
            multiply(x)
            self._set(1)

        return by_all

    def by_free(self, multiply: Multiply, threads: int) -> Multiply:
        best, left = (
            math.inf,
            BY_ONE_FIRST,
        )  # seconds that one thread takes; how often it still does

        def by_free(x: Floats) -> None:
            nonlocal best, left
            begun = time.perf_counter()
            if left or begun < self._until:
                multiply(x)
                best, left = min(best, time.perf_counter() - begun), max(left - 1, 0)
                return
            self._set(threads)
            multiply(x)
            self._set(1)
            ended = time.perf_counter()
            if ended - begun > HELD_UP * best:
                self._until = ended + self._pause
                self._pause = min(2 * self._pause, MAX_PAUSE)
            else:
                self._pause = max(self._pause * 0.99, MIN_PAUSE)

        return by_free


def one_thread() -> AbstractContextManager[object]:
    """Within it one thread computes numpy's products. It can be entered again and again."""
    return _openblas() or nullcontext()


def by_all_threads(multiply: Multiply) -> Multiply:
    """A product within `one_thread` that all threads compute."""
    blas = _openblas()
    return multiply if blas is None else blas.by_all(multiply)


def by_free_threads(multiply: Multiply, columns: int) -> Multiply:
    """The product of a vector and a matrix of so many columns, within `one_thread`, that
    several threads compute while no other program is in their way. The numbers are the same."""
    blas = _openblas()
    threads = 1 if blas is None else 1 << (blas.own().bit_length() - 1)  # a power of two
    if blas is None or threads == 1 or columns % (threads * ALIGNMENT):
        return multiply
    return blas.by_free(multiply, threads)


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
                return _OpenBLAS(get, set_)
    return None
