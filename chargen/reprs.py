"""How values show themselves in Python: in one short line, and in a notebook as HTML, a text
coloured by what its parts cost. Needs nothing, so that any value may.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

LINE = 60  # characters of a text that one line quotes
SHOWN = 2000  # parts of a text that a notebook is given
FULL_SURPRISE = 8.0  # bits from which a surprise has the strongest colour
# Red, green and blue of what is high and, where there are two colours, of what is low. They lie
# behind the text, more or less of them, so that it stays legible on white and on black.
HIGH, LOW = (225, 60, 45), (38, 110, 230)


def printable(text: str) -> str:
    """The text with control characters made visible, so that none does anything."""
    return text.translate(_VISIBLE)


# Unicode has a picture for each control character, and one for delete.
_VISIBLE = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_VISIBLE |= {0x7F: 0x2421} | {code: 0xFFFD for code in range(0x80, 0xA0)}
# No terminal takes half a character, as Python spells bytes that are no UTF-8.
_VISIBLE |= {code: 0xFFFD for code in range(0xD800, 0xE000)}
# These turn the direction of what follows, our own words too, or break the line.
_VISIBLE |= dict.fromkeys((*range(0x2028, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)


def quoted(text: str) -> str:
    """The text as Python quotes it, its end left out where it is long."""
    return repr(text) if len(text) <= LINE else f"{text[:LINE]!r}\u2026"


def counted(number: int, noun: str) -> str:
    """1 token, 2 tokens."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def text_html(
    parts: Iterable[tuple[str, float, str]], *, before: str = "", caption: str = ""
) -> str:
    """A text of so many (part, shade from -1 to 1, what a pointer is told there) after some text
    that has no colour, and what it is in words. What is beyond `SHOWN` parts is counted."""
    spans, left = [], 0
    for place, (text, shade, title) in enumerate(parts):
        if place < SHOWN:
            spans.append(
                f'<span title="{html.escape(title)}" style="background:{_colour(shade)}">'
                f"{_escaped(text)}</span>"
            )
        else:
            left += 1
    dim = 'style="opacity:.65"'
    rest = f"<span {dim}> and {left:,} more</span>" if left else ""
    prompt = f"<span {dim}>{_escaped(before)}</span>" if before else ""
    return (
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace">'
        f"{prompt}{''.join(spans)}{rest}</div>"
        f"<div {dim}>{html.escape(printable(caption))}</div>"
    )


def surprise(bits: float) -> float:
    """How strong the colour is of what costs so much, from 0 to 1."""
    return min(1.0, max(0.0, bits / FULL_SURPRISE))


def _colour(shade: float) -> str:
    red, green, blue = LOW if shade < 0 else HIGH
    return f"rgba({red},{green},{blue},{abs(shade):.2f})"


def _escaped(text: str) -> str:
    return html.escape(printable(text)).replace("\n", "\u21b5\n")
