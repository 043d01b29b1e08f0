"""How many cores there are for this process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def cores() -> int:
    """How many cores this process may use."""
    if sys.platform != "linux":
        return os.cpu_count() or 1
    count = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # a container may have less than its machine
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count
