"""The line below the prompt: what a session samples with, as far as the terminal is wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.utils import get_cwidth

if TYPE_CHECKING:
    from chargen.session.session import Session


def toolbar(session: Session, columns: int) -> str:
    """What a session samples with, in one line of so many columns."""
    settings, now = session.settings, session.now
    speed = session.tokens_per_second

    def line(folder: str, mode: str, labels: tuple[str, ...], off: str, unit: str) -> list[str]:
        parts = [folder, mode, *(["learning"] if session.learns else [])]
        for name, label in zip(("temperature", "top_p", "beams", "seed"), labels, strict=True):
            value = settings[name]
            exact = f"{value:g}" if isinstance(value, float) else str(value)
            short = exact if len(exact) < 10 else f"{exact[:7]}\u2026"
            parts.append(label + (off if value is None else short))
        return parts if speed is None else [*parts, f"{speed:,.0f}{unit}"]

    folder, name = str(session.folder), session.folder.name
    whole = ("temperature ", "top-p ", "beams ", "seed ")
    lines = [
        "  ".join(line(folder, now.mode, whole, "off", " tokens/s")),
        "  ".join(line(name, now.mode, ("temp ", *whole[1:]), "off", " tok/s")),
        " ".join(line(name, now.mode, ("t", "p", "b", "s"), "-", "/s")),
        " ".join(line("", now.mode[:2], ("t", "p", "b", "s"), "-", "")).strip(),
    ]
    return fitting(lines, columns)


def fitting(lines: list[str], columns: int) -> str:
    """The first of the lines that fits, or the beginning of the last."""
    for text in lines:
        if get_cwidth(text) < columns:
            return text
    while text and get_cwidth(text) >= columns:
        text = text[:-1]
    return text
