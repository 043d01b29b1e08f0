"""Made-up texts, small enough to say what a network should make of them. Knows of no network.

All chance comes from a numpy Generator that is passed in.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

Random = np.random.Generator

# -- words in a row ---------------------------------------------------------------------------

# Others begin, go on or end as NAMASKAR and GRANNY do, so that no few letters give them away.
WORDS = (
    "NAMASKAR", "NAMASTE", "NAME", "NAMIBIA", "NATION", "NATURE", "DYNAMO", "PANAMA", "UNAMUSED",
    "MASK", "MASTER", "MASON", "DAMASK", "DAMASCUS", "ASK", "TASK", "ALASKA", "ALASKAN", "SKATE",
    "SKIP", "KARMA", "KAYAK", "KALE", "OSKAR", "KABUL", "GRANNY", "GRANITE", "GRANT", "GRAND",
    "GRAIN", "GRAPE", "GREEN", "TYRANNICAL", "TYRANNOUS", "ERRAND", "RANCH", "ANNA", "ANNUAL",
    "BANNER", "CANNOT", "CANNON", "MANNER", "SCANNER", "PLANNING", "SUNNY", "BUNNY", "ANY", "MANY",
)  # fmt: skip


def word_text(random: Random, words: int) -> str:
    """So many of the words, all equally likely, a space after each."""
    return "".join(f"{WORDS[place]} " for place in random.integers(len(WORDS), size=words).tolist())


def next_letters(beginning: str) -> Counter[str]:
    """How many of the words go on with each letter after a beginning; a space where one ends."""
    return Counter(f"{word} "[len(beginning)] for word in WORDS if f"{word} ".startswith(beginning))


# -- people in rooms --------------------------------------------------------------------------

SHE = ("Sophie", "Lynn", "Anna", "Mary", "Clara", "Judith")
HE = ("Paul", "Tom", "Victor", "Oscar", "Edgar", "Ben")
# What one goes there for, and what one does there.
ROOMS = {
    "bathroom": ("take a bath", ("washes her hair", "fills the tub")),
    "kitchen": ("bake a cake", ("looks for the sugar", "beats the eggs")),
    "office": ("write a letter", ("sharpens a pencil", "calls the bank")),
    "garden": ("water the roses", ("pulls up the weeds", "feeds the birds")),
    "bedroom": ("take a nap", ("draws the curtains", "shakes the pillow")),
    "garage": ("mend the car", ("changes a wheel", "drips some oil")),
    "library": ("read a novel", ("turns the pages", "climbs the ladder")),
    "cellar": ("fetch some wine", ("lights a candle", "counts the bottles")),
}
Sentence = Literal["subject", "pronoun"]
CHANGE_OF_SUBJECT = "Sophie goes to the bathroom to take a bath. Lynn was working in"


@dataclass(frozen=True)
class Story:
    """A text and where its sentences begin; each ends with a full stop, a space after it.

    A sentence is about a new subject, or goes on about the last one by a pronoun.
    """

    text: str
    starts: tuple[int, ...]
    kinds: tuple[Sentence, ...]


def story(random: Random, subjects: int) -> Story:
    """So many people, one after the other: where each is, and up to two sentences more that can
    only be foreseen by who that is and where. Nothing of it says what the next will do."""
    pieces: list[tuple[Sentence, str]] = []
    last = ""
    for _ in range(subjects):
        names = [name for name in (*SHE, *HE) if name != last]
        last = name = names[random.integers(len(names))]
        pronoun, possessive = ("She", "her") if name in SHE else ("He", "his")
        room = list(ROOMS)[random.integers(len(ROOMS))]
        reason, doings = ROOMS[room]
        if random.random() < 0.5:
            pieces.append(("subject", f"{name} goes to the {room} to {reason}. "))
        else:
            pieces.append(("subject", f"{name} was working in the {room}. "))
        for _ in range(random.integers(3)):
            doing = doings[random.integers(len(doings))].replace("her", possessive)
            pieces.append(("pronoun", f"{pronoun} {doing}. "))
    lengths = [len(text) for _, text in pieces]
    return Story(
        "".join(text for _, text in pieces),
        tuple(itertools.accumulate(lengths[:-1], initial=0)),
        tuple(kind for kind, _ in pieces),
    )


# -- what can be known ------------------------------------------------------------------------


def entropy_after_one(text: str) -> float:
    """The entropy of a letter of the text given the one before it, in bits: no memoryless model
    can have a lower mean loss over these letters (Shannon 1951)."""
    pairs = Counter(itertools.pairwise(text))
    before = Counter(text[:-1])
    bits = sum(count * math.log2(before[first] / count) for (first, _), count in pairs.items())
    return bits / (len(text) - 1)


def commonest_after(text: str) -> dict[str, str]:
    """For each letter the one that stands after it most often."""
    follow: dict[str, Counter[str]] = {}
    for first, second in itertools.pairwise(text):
        follow.setdefault(first, Counter())[second] += 1
    return {letter: counts.most_common(1)[0][0] for letter, counts in follow.items()}
