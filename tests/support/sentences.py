"""The sentences of a text."""

from __future__ import annotations

import re


def sentences(text: str) -> list[str]:
    """Cut after a full stop that ends a sentence: not one in a quotation, nor a decimal point."""
    return re.split(r"(?<=\.) (?=[A-Z\"])", re.sub(r'"[^"]*"', '""', text))
