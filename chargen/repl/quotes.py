'''A prompt of several lines, or one that would be taken for a command: between two `"""`.

What stands on the lines of the quotes belongs to the text; where nothing stands there, the lines
are no part of it.
'''

from __future__ import annotations

QUOTES = '"""'


def is_quoted(text: str) -> bool:
    return (
        len(text) >= 2 * len(QUOTES) and text.startswith(QUOTES) and text.rstrip().endswith(QUOTES)
    )


def is_open(text: str) -> bool:
    """Whether such a text has begun and not ended."""
    return text.startswith(QUOTES) and not is_quoted(text)


def unquoted(text: str) -> str:
    """What stands between the quotes."""
    inner = text.rstrip().removeprefix(QUOTES).removesuffix(QUOTES)
    return inner.removeprefix("\n").removesuffix("\n")
