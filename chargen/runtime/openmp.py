"""The threads that torch computes with on a CPU. Their number is the whole process's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What the libraries below torch take their number from, where it is set.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def num_threads_is_given() -> bool:
    """Whether who started this process has said how many there should be."""
    return any(os.environ.get(name) for name in VARIABLES)


@contextmanager
def preserved_num_threads() -> Iterator[None]:
    """However many are taken within, the caller finds as many as there were."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
