"""What torchrun tells a process that it has started, read without torch."""

from __future__ import annotations

import os


def is_one_of_several() -> bool:
    """Whether this process is one of several that torchrun has started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_rank_0() -> bool:
    """Whether this is the process that shows what is done, as one by itself is."""
    return not is_one_of_several() or os.environ.get("RANK") == "0"


def is_local_rank_0() -> bool:
    """Whether this is the one process of this machine that tells what all of them find out."""
    return not is_one_of_several() or os.environ.get("LOCAL_RANK") == "0"
