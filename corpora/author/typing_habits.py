"""How people type: as it should be, or without capitals, marks and apostrophes."""

import random
import re

SHORT = (
    ("What is", "What's"), ("I am", "I'm"), ("It is", "It's"), ("Who is", "Who's"),
    ("do not", "don't"), ("cannot", "can't"), ("Where is", "Where's"), ("That is", "That's"),
    ("did not", "didn't"), ("is not", "isn't"),
)  # fmt: skip


class Typing:
    """How one person types, through a whole talk."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        kinds = {"neat": 60, "bare": 20, "lower": 8, "unmarked": 12}
        self.kind = rng.choices(list(kinds), list(kinds.values()))[0]
        self.short = rng.random() < (0.3 if self.kind == "neat" else 0.6)
        self.apostrophes = self.kind == "neat" or rng.random() < 0.6
        self.colour = rng.random() < 0.05

    def __call__(self, text: str) -> str:
        if self.short:
            for long, short in SHORT:
                if self.rng.random() < 0.8:
                    text = re.sub(rf"\b{long}\b(?! ?[.?!,]| it\b)", short, text)
        if not self.apostrophes:
            text = text.replace("'", "")
        if self.colour:
            text = text.replace("color", "colour")
        if self.kind in ("bare", "lower"):
            text = text.lower()
        if self.kind in ("bare", "unmarked"):
            text = text.rstrip(".?!").rstrip()
            if self.kind == "bare" and self.rng.random() < 0.5:
                text = text.replace(",", "")
        return text
