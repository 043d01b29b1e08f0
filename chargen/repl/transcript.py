"""A whole talk as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chargen.session.session import Session


def as_markdown(session: Session) -> str:
    """What was written and how it went on, each in a fence of its own."""
    parts = [f"# {session.folder}\n"]
    for exchange in session.exchanges:
        plain = exchange.read == exchange.prompt
        titles = ("prompt", "text") if plain else session.roles
        for title, text in zip(titles, (exchange.prompt, exchange.text), strict=True):
            if text:
                # A fence is longer than any row of its own sign within.
                runs = (len(run) for run in re.findall("`+", text))
                fence = "`" * max(3, 1 + max(runs, default=0))
                parts.append(f"**{title.rstrip(':')}**\n\n{fence}text\n{text}\n{fence}\n")
    return "\n".join(parts)
