"""How numbers are spelled for people: in few digits, with their unit."""

from __future__ import annotations

import math


def percent(share: float) -> str:
    """A probability in percent, small ones in two digits."""
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.2g}%"


def count(number: float) -> str:
    """A number in three digits: 473, 1.12 M."""
    for unit in ("", " k", " M", " G"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"


def clock(seconds: float) -> str:
    """1:05, or 2:03:04 from an hour on."""
    if not math.isfinite(seconds):
        return "?"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def ago(seconds: float) -> str:
    """How long something is past: 5 minutes ago."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            units = int(seconds / length)
            return f"{units:,} {unit}{'s' if units > 1 else ''} ago"
    return "just now"
