"""Made-up texts, small enough to say what a network should make of them. Knows of no network.

All chance comes from a numpy Generator that is passed in.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Random = np.random.Generator

# -- things and their colours -----------------------------------------------------------------

THINGS = {
    "red": ("strawberry", "cherry", "tomato", "brick", "ruby", "fire truck"),
    "yellow": ("banana", "lemon", "canary", "daffodil", "chick", "sunflower"),
    "green": ("frog", "cucumber", "lime", "meadow", "cactus", "parrot"),
    "blue": ("sapphire", "cornflower", "dolphin", "jay", "whale", "river"),
    "white": ("swan", "snowman", "ghost", "lily", "polar bear", "tooth"),
    "black": ("raven", "panther", "tire", "beetle", "hearse", "crow"),
    "brown": ("chestnut", "sparrow", "potato", "biscuit", "horse", "log"),
    "pink": ("pig", "flamingo", "peony", "shrimp", "tongue", "carnation"),
}
COLOUR_OF = {thing: colour for colour, things in THINGS.items() for thing in things}
# The colour, the last word, is left to whoever writes or asks.
WORDINGS = (
    "The color of a {} is",
    "A {} looks",
    "Every {} I saw was",
    "What color is a {}? It is",
    "She painted the {}",
    "If it is a {}, it must be",
    "My {} has turned",
    "I like a {}, for it is",
)
ASKED = ("strawberry", 0)  # the pair of thing and wording that is always left out

Pair = tuple[str, int]  # a thing and the place of a wording


def split_pairs(random: Random, *, left_out: int = 2) -> tuple[list[Pair], list[Pair]]:
    """All pairs of thing and wording: those to train on, and those to ask, `left_out` of each
    thing. "The color of a strawberry is" is always among the latter."""
    told, asked = [], []
    for thing in COLOUR_OF:
        order = random.permutation(len(WORDINGS)).tolist()
        if thing == ASKED[0]:
            order = [ASKED[1], *(place for place in order if place != ASKED[1])]
        asked += [(thing, place) for place in order[:left_out]]
        told += [(thing, place) for place in order[left_out:]]
    return told, asked


def prompt_of(pair: Pair) -> str:
    return WORDINGS[pair[1]].format(pair[0])


def colour_text(random: Random, pairs: Sequence[Pair], rounds: int) -> str:
    """Every pair so many times, each round in another order, a line each."""
    lines = []
    for _ in range(rounds):
        for place in random.permutation(len(pairs)).tolist():
            pair = pairs[place]
            lines.append(f"{prompt_of(pair)} {COLOUR_OF[pair[0]]}.\n")
    return "".join(lines)


def copied(text: str, prompt: str) -> str:
    """What a copier would answer: the word that follows the longest end of the prompt that stands
    in the text, at its first place there."""
    for begin in range(len(prompt)):
        place = text.find(f"{prompt[begin:]} ")
        if place >= 0:
            return text[place + len(prompt) - begin + 1 :].split(".")[0]
    return ""


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


# -- strings of 0s and 1s ---------------------------------------------------------------------


def strings(
    random: Random, count: int, length: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(N, L) 0s and 1s and, (N,), whether two 1s stand in a row: in exactly half of them.

    Those without are drawn evenly from all there are. The others are made from such a string by
    two 1s at a random place, with a 0 on each side, so that they hold exactly one pair of
    neighbouring 1s: in a long string that is drawn evenly they are never missing.
    """
    bits = np.zeros((count, length + 2), dtype=np.int64)  # a 0 on each side
    # strings_without[n]: how many of length n hold no two 1s in a row, a Fibonacci number.
    strings_without = [1, 2]
    while len(strings_without) <= length:
        strings_without.append(strings_without[-1] + strings_without[-2])
    for at in range(1, length + 1):
        left = length - at + 1
        chance = strings_without[max(0, left - 2)] / strings_without[left]
        bits[:, at] = (random.random(count) < chance) & (bits[:, at - 1] == 0)
    holds = np.zeros(count, dtype=np.bool_)
    holds[random.permutation(count)[: count // 2]] = True
    rows = np.flatnonzero(holds)
    first = random.integers(1, length, size=len(rows))  # the place of the first of the two
    for offset, bit in enumerate((0, 1, 1, 0), start=-1):
        bits[rows, first + offset] = bit
    return bits[:, 1:-1], holds


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
