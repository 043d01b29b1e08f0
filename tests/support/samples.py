"""A small text, and the options of a small model."""

from __future__ import annotations

from typing import Any

# Short lines that a tiny model learns by heart in seconds.
TEXT = "".join(
    f"{name}'S {place}\nThe {thing} is {colour}.\n"
    for name, place in (("GRANNY", "KITCHEN"), ("UNCLE JOE", "GARAGE"), ("ANNA", "GARDEN"))
    for thing, colour in (
        ("strawberry", "red"), ("banana", "yellow"), ("sky", "blue"), ("grass", "green"),
        ("caf\u00e9", "brown"),
    )
) * 12  # fmt: skip


SMALL: dict[str, Any] = {
    "hidden_size": 48, "embedding_size": 16, "batch_size": 4, "bptt": 24,
    "dropout": 0.0, "weight_dropout": 0.0,
}  # fmt: skip
