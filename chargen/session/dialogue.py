"""A dialogue as the text that a model has learned: before each turn stands whose it is.

Pure. Knows neither the model nor who asks: sessions and servers write the same text.
"""

from __future__ import annotations

from collections.abc import Iterable


def dialogue_text(turns: Iterable[tuple[str, str]], next_role: str | None = None) -> str:
    """The turns, each of a role (`You:`) and what it says, on lines of their own; at the end the
    role whose turn is next, for a model to write. Without one, the last turn goes on."""
    lines = [f"{role} {said}" for role, said in turns]
    return "\n".join(lines if next_role is None else [*lines, next_role])


def turn_stops(roles: Iterable[str]) -> tuple[str, ...]:
    """The texts before which a turn ends: the next turn of any of the roles, and a blank line."""
    return (*(f"\n{role}" for role in roles), "\n\n")
