"""Facts: single sentences that tell what the tables say of a word, groups of them, portraits and
riddles; and the prompts, whose wordings are left out of the text for the words that they ask for.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from author.lexicon import Lexicon, Word, Writer, finish, sections

UNUSUAL = ("blue", "pink", "purple")  # colors

# How many sentences a thing gets on each of its properties, if it is one that everyone speaks of
# and if not, and what may head a block of them.
FACTS = {
    "color": (24, 2, "COLORS"), "kind": (4, 1, "WHAT IS IT?"), "size": (1, 0, "BIG AND SMALL"),
    "home": (4, 1, "WHERE ANIMALS LIVE"), "food": (4, 1, "WHAT ANIMALS EAT"),
    "sound": (44, 3, "WHAT ANIMALS SAY"), "young": (26, 3, "ANIMALS AND THEIR YOUNG"),
    "can": (1, 0, "WHAT ANIMALS CAN DO"), "taste": (6, 1, "HOW IT TASTES"),
    "grows": (2, 0, "WHERE IT GROWS"), "good": (1, 0, "GOOD TO EAT"),
    "material": (3, 0, "WHAT IT IS MADE OF"), "room": (2, 0, "IN THE HOUSE"),
    "use": (4, 0, "WHAT IT IS FOR"), "place": (2, 0, "LOOK AROUND"),
    "does": (6, 1, "PEOPLE AT WORK"), "work": (3, 1, "WHERE PEOPLE WORK"),
    "opposite": (40, 10, "OPPOSITES"), "one": (3, 1, "NOT THE SAME"),
    "day": (60, 60, "THE DAYS OF THE WEEK"), "month": (36, 36, "THE MONTHS"),
    "season": (6, 6, "THE SEASONS"), "number": (26, 26, "NUMBERS"), "sum": (1, 1, "LITTLE SUMS"),
    "sign": (5, 5, "SIGNS"),
}  # fmt: skip
ASKED = 0.5  # sentences in the wording of the prompts, for each one in another


@dataclass(frozen=True)
class Asked:
    """A wording that asks for a property, and the things of which the text never says it so."""

    prompt: str
    answer: str
    left_out: tuple[str, ...]


def read_asked() -> dict[str, Asked]:
    found = {}
    for property, (wording, names) in sections("asked.grammar").items():
        prompt, answer = wording.split(" > ")
        found[property] = Asked(prompt, answer, tuple(names.split(", ")))
    return found


class Unfit(Exception):
    """A wording does not go with a word."""


class Facts(Writer):
    """Writes what the tables say, in every wording that goes with a word."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        super().__init__(rng, lexicon)
        self.wordings = sections("facts.grammar")
        self.having = {property: lexicon.having(property) for property in FACTS}

    def say(self, wording: str, word: Word, property: str) -> str:
        """The wording, of this word; Unfit where it does not go with it."""
        fact = getattr(word, property)
        if not word.counted and re.search(r"{x(:s\w*)?}", wording):
            raise Unfit
        if fact in word and re.search(r"{x\.\w+} {x", wording):
            raise Unfit  # an orange orange
        slots = self.slots(x=word)
        for letter in sorted(set(re.findall(r"{([opyz])\b", wording))):
            choices = [
                other
                for other in self.having[property]
                if other.counted == word.counted
                and other not in slots.values()
                and self.is_beside(letter, other, word, property)
            ]
            if not choices:
                raise Unfit
            slots[letter] = self.pick(choices)
        try:
            return wording.format_map(slots)
        except AttributeError:  # not all that the wording tells is known of this word
            raise Unfit from None

    def is_beside(self, letter: str, other: Word, word: Word, property: str) -> bool:
        """Whether the other word can stand for y, z, o or p beside this one."""
        same_table = other.table == word.table
        if getattr(other, property) == getattr(word, property):
            return letter in "op" and same_table
        if letter == "z":  # roses are white, too, but none is blue
            return getattr(other, property) in UNUSUAL if property == "color" else not same_table
        return letter == "y" and same_table

    def sayings(self, wordings: Sequence[str], word: Word, property: str) -> Iterator[str]:
        """Every wording that goes with the word, once before any comes again; without end."""
        while True:
            for wording in self.shuffled(wordings):
                with suppress(Unfit):
                    yield self.say(wording, word, property)

    def some(self, wordings: Sequence[str], word: Word, property: str) -> str:
        return next(self.sayings(wordings, word, property))

    def facts(self, property: str, asked: Asked | None) -> Iterator[str]:
        """Single sentences that tell this property of each word that has it."""
        common, rare, _ = FACTS[property]
        for word in self.having[property]:
            often = common if word in self.lexicon.lists["common"] else rare
            yield from islice(self.sayings(self.wordings[property], word, property), often)
            if asked and word not in asked.left_out:
                wording = f"{asked.prompt} {asked.answer}."
                yield from [self.say(wording, word, property)] * math.ceil(often * ASKED)

    def prompts(self, property: str, asked: Asked) -> Iterator[dict[str, str]]:
        words = {word: word for word in self.having[property]}
        for name in asked.left_out:
            prompt = self.say(asked.prompt, words[Word(name)], property)
            answer = self.say(asked.answer, words[Word(name)], property)
            yield {"prompt": finish(f"{prompt}.")[:-1], "answer": f" {answer}"}

    def blocks_of_facts(self, asked: dict[str, Asked]) -> Iterator[str]:
        """Facts in small groups: half of them by subject, now and then headed, half mixed."""
        mixed: list[str] = []
        for property, (_, _, heading) in FACTS.items():
            facts = self.shuffled(map(finish, self.facts(property, asked.get(property))))
            half = len(facts) // 2
            mixed += facts[half:]
            for group in self.groups(facts[:half]):
                yield "\n".join([heading] * (self.rng.random() < 0.25) + group)
        yield from map("\n".join, self.groups(self.shuffled(mixed)))

    def groups(self, lines: list[str]) -> Iterator[list[str]]:
        while lines:
            size = self.rng.randrange(3, 9)
            yield lines[:size]
            lines = lines[size:]

    def properties(self, word: Word, form: str) -> list[str]:
        """What is told of the word in this form ("it", "I"), in a random order."""
        return self.shuffled(
            name for name in FACTS if hasattr(word, name) and f"{name} {form}" in self.wordings
        )

    def portrait(self, word: Word) -> str:
        """A few sentences about one thing, which only the first calls by its name."""
        plain = re.compile(r"{x:a} [a-z ]*{x\.\w+}\.")
        properties = self.properties(word, "it")
        openings = {name: list(filter(plain.fullmatch, self.wordings[name])) for name in properties}
        first = next(name for name in properties if openings[name])
        rest = [name for name in properties if name != first][: self.rng.randrange(2, 5)]
        told = [self.some(openings[first], word, first)]
        told += [self.some(self.wordings[f"{name} it"], word, name) for name in rest]
        return finish(" ".join(told))

    def riddle(self, word: Word) -> str:
        properties = self.properties(word, "I")[: self.rng.randrange(3, 5)]
        told = [self.some(self.wordings[f"{name} I"], word, name) for name in properties]
        return finish(" ".join([*told, f"What am I? {word:a}{self.rng.choice('.!')}"]))
