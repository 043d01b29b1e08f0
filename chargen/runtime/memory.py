"""How much memory is left, and what is said and done where it ends."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from chargen.errors import DeviceError, named

# What a container may take, what it has taken, and what that is, by version 2 and 1 of Linux's
# control groups.
CGROUP_FILES = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "memory.stat"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "memory.stat",
    ),
)


def free_memory(device: torch.device) -> int | None:
    """Bytes that may still be taken; None where nobody tells."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + kept)
    try:
        content = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB", content, re.MULTILINE)
    limits = [int(found[1]) * 1024] if found else []
    for folder, *names in CGROUP_FILES:
        with suppress(OSError, ValueError):  # a container may have less than its machine
            limit, used, stat = (Path(folder, name).read_text() for name in names)
            # Files that are kept in memory count as taken, and make room where it is wanted.
            cached = re.findall(r"^(?:in)?active_file (\d+)$", stat, re.MULTILINE)
            limits.append(max(0, int(limit) - int(used) + sum(int(size) for size in cached)))
    return min(limits, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is at its end."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's allocator and the libraries on a GPU have no error of their own, only these words.
    words = r"can't allocate memory|out of memory|ALLOC_FAILED"
    return isinstance(error, RuntimeError) and re.search(words, str(error)) is not None


def release_memory(device: torch.device) -> None:
    """Give back what is kept for later use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def within_memory() -> Iterator[None]:
    """Running out of memory becomes a DeviceError that says what to make smaller."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            "the model and its batch do not fit into memory",
            hint="make " + named("hidden_size", "batch_size", "bptt", last=" or ") + " smaller",
        ) from error
