"""How long work tells how far it has come: by a callback, which may raise to end the work."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, float], None]  # what is being done, and the share of it done, 0 to 1
OnShare = Callable[[float], None]  # the share alone, where there is but one thing to do


def no_progress(*_: object) -> None:
    """For those who do not want to know."""


def part_of(on_progress: OnProgress, doing: str, begin: float = 0.0, end: float = 1.0) -> OnShare:
    """For work that is a part of a whole, from `begin` to `end` of it, and knows its own share."""
    return lambda share: on_progress(doing, begin + (end - begin) * min(1.0, share))


def share_of(on_share: OnShare, begin: float, end: float) -> OnShare:
    """The same for a whole that is a single thing to do."""
    return lambda share: on_share(begin + (end - begin) * share)
