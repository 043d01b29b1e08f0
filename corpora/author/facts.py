"""Facts: single sentences that tell what the tables say of a word, groups of them, portraits and
riddles; and the prompts, whose wordings are left out of the text for the words that they ask for.
"""

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice

from author.lexicon import NOUNS, Lexicon, Word, Writer, finish, sections
from author.reader import Domain, Template

# What is plainly not so of things of which the tables say something else.
UNUSUAL = {
    "color": ("blue", "pink", "purple"),
    "home": ("in the sea", "on the ice", "in a hive", "in a web", "in a fish tank", "in Australia"),
    "food": ("meat", "fish", "grass", "hay", "nectar", "leaves"),
}
PLANTS = (
    "grass",
    "dry grass",
    "hay",
    "leaves",
    "water plants",
    "bamboo",
    "nectar",
    "bark",
    "carrots",
)
MEAT = ("meat", "fish", "mice", "small sea animals", "frogs", "crabs", "shrimp", "mussels", "flies")
WATER = re.compile(r"in the sea|by the sea|on the ice|in a fish tank")

# How many sentences a thing gets on each of its properties, if it is one that everyone speaks of
# and if not, and what may head a group of them.
FACTS = {
    "color": (6, 2, "COLORS"), "kind": (4, 2, "WHAT IS IT?"), "size": (3, 2, "BIG AND SMALL"),
    "than": (3, 3, "WHICH IS MORE?"), "home": (5, 3, "WHERE ANIMALS LIVE"),
    "food": (4, 2, "WHAT ANIMALS EAT"), "sound": (17, 4, "WHAT ANIMALS SAY"),
    "young": (10, 4, "ANIMALS AND THEIR YOUNG"), "can": (3, 2, "WHAT ANIMALS CAN DO"),
    "taste": (5, 3, "HOW IT TASTES"), "grows": (3, 2, "WHERE IT GROWS"),
    "good": (3, 1, "GOOD TO EAT"), "material": (4, 2, "WHAT IT IS MADE OF"),
    "room": (3, 1, "IN THE HOUSE"), "use": (4, 2, "WHAT IT IS FOR"), "place": (2, 2, "LOOK AROUND"),
    "does": (6, 4, "PEOPLE AT WORK"), "work": (4, 3, "WHERE PEOPLE WORK"),
    "opposite": (14, 5, "OPPOSITES"), "one": (3, 3, "NOT THE SAME"),
    "day": (24, 24, "THE DAYS OF THE WEEK"), "month": (14, 14, "THE MONTHS"),
    "season": (9, 9, "THE SEASONS"), "happens": (4, 4, "ALL YEAR ROUND"),
    "number": (11, 11, "NUMBERS"), "sum": (6, 6, "LITTLE SUMS"), "parts": (4, 4, "HOW MANY?"),
    "serves": (6, 6, "OUR BODY"), "doing": (6, 6, "WHERE PEOPLE GO"),
    "capital": (6, 6, "COUNTRIES"), "greeting": (9, 9, "HELLO EVERYWHERE"),
    "famous": (4, 4, "IN OTHER COUNTRIES"), "why": (4, 4, "WHY?"),
    "means": (4, 4, "WHAT WORDS MEAN"), "sign": (3, 3, "SIGNS"),
}  # fmt: skip
ASKED = 0.5  # sentences in the wording of the prompts, for each one in another
LEFT_OUT = 14  # sentences at least on what is left out, in as many wordings as there are
PAGES = 0.4  # of the facts stand in groups that are about one thing
SAME_WORDING = 0.35  # of the other groups say the same of several things


@dataclass(frozen=True)
class Asked:
    """A wording that asks for a property, and the things of which the text never says it so."""

    prompt: str
    answer: str
    left_out: tuple[str, ...]  # their keys


def read_asked() -> dict[str, Asked]:
    found = {}
    for property, (wording, names) in sections("asked.grammar").items():
        prompt, answer = wording.split(" > ")
        found[property] = Asked(prompt, answer, tuple(names.split(", ")))
    return found


@dataclass(frozen=True)
class Telling:
    """A sentence that tells a property of a word, and the wording that it comes from."""

    property: str
    word: Word
    wording: str
    text: str


def stands_alone(telling: Telling) -> bool:
    """Whether it can stand among others, and not only in a list of its like."""
    return telling.wording[-1] in '.?!"' and telling.property != "sign"


def subject(word: Word) -> str:
    """The heading of a page about the word."""
    return f"{word:su}" if word.table in NOUNS and word.counted else f"{word:u}"


def told_in(wording: str) -> set[str]:
    """The properties of x that a wording tells."""
    return set(re.findall(r"{x\.(\w+)", wording))


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
        if not self.goes_with(wording, word, property):
            raise Unfit
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

    def goes_with(self, wording: str, word: Word, property: str) -> bool:
        if not word.counted and re.search(r"{x(:s\w*)?}", wording):
            return False
        # an orange orange
        return not (getattr(word, property) in word and re.search(r"{x\.\w+} {x", wording))

    def is_beside(self, letter: str, other: Word, word: Word, property: str) -> bool:
        """Whether the other word can stand for y, z, o or p beside this one."""
        fact, others = str(getattr(word, property)), str(getattr(other, property))
        same_table = other.table == word.table
        if fact == others:
            return letter in "op" and same_table
        if letter != "z":
            return letter == "y" and same_table
        if property not in UNUSUAL:
            return not same_table
        if others not in UNUSUAL[property]:
            return False
        if property == "home":
            return not (WATER.fullmatch(fact) and WATER.fullmatch(others))
        if property == "food":  # a cow could eat hay, too, but never meat
            return any(
                fact in eaten and others in never
                for eaten, never in ((PLANTS, MEAT), (MEAT, PLANTS))
            )
        return True  # roses are white, too, but none is blue

    def sayings(
        self, wordings: Sequence[str], word: Word, property: str
    ) -> Iterator[tuple[str, str]]:
        """Wordings and what they say: every one that goes with the word, once before any comes
        again; without end."""
        while True:
            for wording in self.shuffled(wordings):
                with suppress(Unfit):
                    yield wording, self.say(wording, word, property)

    def some(self, wordings: Sequence[str], word: Word, property: str) -> str:
        return next(self.sayings(wordings, word, property))[1]

    def told(self, property: str, asked: Asked | None) -> Iterator[Telling]:
        """Single sentences that tell this property of each word that has it."""
        common, rare, _ = FACTS[property]
        lists = self.wordings.get(f"{property} list", [])
        for word in self.having[property]:
            often = common if word in self.lexicon.lists["common"] else rare
            if asked and word.key in asked.left_out:
                often = max(often, LEFT_OUT)
            for wording, text in islice(
                self.sayings(self.wordings[property], word, property), often
            ):
                yield Telling(property, word, wording, finish(text))
            if asked and word.key not in asked.left_out:
                wording = f"{asked.prompt} {asked.answer}."
                with suppress(Unfit):
                    text = finish(self.say(wording, word, property))
                    yield from [Telling(property, word, wording, text)] * math.ceil(often * ASKED)
            if common == rare or word in self.lexicon.lists["common"]:
                for wording in lists:
                    with suppress(Unfit):
                        text = finish(self.say(wording, word, property))
                        yield Telling(property, word, wording, text)

    def prompts(self, property: str, asked: Asked) -> Iterator[dict[str, str]]:
        words = {word.key: word for word in self.having[property]}
        for key in asked.left_out:
            prompt = self.say(asked.prompt, words[key], property)
            answer = self.say(asked.answer, words[key], property)
            begun = finish(f"{prompt}.")[:-1]
            yield {"prompt": begun, "answer": finish(f"{prompt} {answer}.")[len(begun) : -1]}

    def documents(self, asked: dict[str, Asked]) -> Iterator[str]:
        """All facts in small groups that hang together: about one thing, or of one property."""
        told = {name: self.shuffled(self.told(name, asked.get(name))) for name in FACTS}
        pages: dict[str, list[Telling]] = {}
        for name, tellings in told.items():
            rest: list[Telling] = []
            for telling in tellings:
                paged = stands_alone(telling) and self.rng.random() < PAGES
                (pages.setdefault(telling.word, []) if paged else rest).append(telling)
            told[name] = rest
        for tellings in pages.values():
            for page in self.pages(tellings, told):
                yield self.headed(page, subject(page[0].word), 0.5)
        for name, tellings in told.items():
            for group in self.groups(tellings):
                yield self.headed(group, FACTS[name][2], 0.25)

    def headed(self, group: list[Telling], heading: str, often: float) -> str:
        lines = [telling.text for telling in group]
        return "\n".join([heading] * (self.rng.random() < often) + lines)

    def pages(
        self, tellings: list[Telling], rest: dict[str, list[Telling]]
    ) -> Iterator[list[Telling]]:
        """Pages about one thing, each property once on a page; what is over goes to the rest."""
        left: dict[str, list[Telling]] = {}
        for telling in tellings:
            left.setdefault(telling.property, []).append(telling)
        while len(left) >= 3:
            most = sorted(left, key=lambda name: (-len(left[name]), self.rng.random()))
            names = most[: self.rng.randrange(4, 7)]
            page = [left[name].pop() for name in names]
            left = {name: some for name, some in left.items() if some}
            yield sorted(page, key=lambda telling: (telling.property != "kind", self.rng.random()))
        for name, some in left.items():
            rest[name] += some

    def groups(self, tellings: list[Telling]) -> Iterator[list[Telling]]:
        """Groups of one property, about another thing in each line; some in the same words."""
        mixed: list[Telling] = []
        same: dict[str, list[Telling]] = {}
        for telling in tellings:
            if not stands_alone(telling) or self.rng.random() < SAME_WORDING:
                same.setdefault(telling.wording, []).append(telling)
            else:
                mixed.append(telling)
        for some in same.values():
            for group in self.apart(some, 6):
                if len(group) >= 3:
                    yield group
                else:
                    mixed += [telling for telling in group if stands_alone(telling)]
        yield from self.apart(self.shuffled(mixed), 6)

    def apart(self, tellings: list[Telling], most: int) -> Iterator[list[Telling]]:
        """Groups of four to `most` where they suffice, none with two about the same word."""
        while tellings:
            size = self.rng.randrange(4, most + 1)
            group: dict[str, Telling] = {}
            later = []
            for telling in tellings:
                if len(group) < size and telling.word not in group:
                    group[telling.word] = telling
                else:
                    later.append(telling)
            tellings = later
            yield list(group.values())

    def properties(self, word: Word, form: str) -> list[str]:
        """What is told of the word in this form ("it", "I"), in a random order."""
        return self.shuffled(
            name for name in FACTS if hasattr(word, name) and f"{name} {form}" in self.wordings
        )

    # -- reading ----------------------------------------------------------------------------

    def templates(self) -> Iterator[Template]:
        """All wordings of facts, as they can be read again."""
        lists = {name: Domain(words) for name, words in self.lexicon.lists.items()}
        nouns = [word for word in self.lexicon.words if word.table in NOUNS]
        for section, wordings in self.sections().items():
            property = section.split()[0]
            if property not in FACTS:
                for wording in wordings:
                    yield Template("fact", section, wording, lists, lists, judged=False)
                continue
            having = self.having[property]
            strict = lists | dict.fromkeys("xopyz", Domain(having))
            others = [] if property == "sign" else nouns
            loose = lists | dict.fromkeys("xopyz", Domain([*having, *others]))
            for wording in dict.fromkeys(wordings):
                fits = partial(self.fits, wording, property)
                yield Template("fact", section, wording, strict, loose, fits)
        for _, _, heading in FACTS.values():
            yield Template("heading", "heading", heading, lists, lists)
        named = {"x": Domain(self.lexicon.words)}
        yield Template("heading", "heading", "{x:su}", named, named)
        yield Template("heading", "heading", "{x}", named, named)
        known = lists | {"x": Domain(nouns)}
        for mark in ".!":
            yield Template("riddle", "riddle", f"What am I? {{x:a}}{mark}", known, known)

    def sections(self) -> dict[str, list[str]]:
        """The wordings, those of the prompts among them."""
        found = dict(self.wordings)
        for property, asked in read_asked().items():
            found[property] = [*found[property], f"{asked.prompt} {asked.answer}."]
        return found

    def fits(self, wording: str, property: str, words: Mapping[str, Word]) -> bool:
        """Whether the wording could be said of these words."""
        word = words["x"]
        return self.goes_with(wording, word, property) and all(
            other.counted == word.counted and self.is_beside(letter, other, word, property)
            for letter, other in words.items()
            if letter in "opyz"
        )

    def portrait(self, word: Word) -> str:
        """A few sentences about one thing, which only the first calls by its name."""
        plain = re.compile(r"{x:a} [a-z ]*{x\.\w+}\.")
        properties = self.properties(word, "it")
        openings = {name: list(filter(plain.fullmatch, self.wordings[name])) for name in properties}
        first = next(name for name in properties if openings[name])
        rest = [name for name in properties if name != first][: self.rng.randrange(2, 5)]
        told = [self.some(openings[first], word, first)]
        known = {first}
        for name in rest:
            if name not in known:
                wordings = [one for one in self.wordings[f"{name} it"] if not known & told_in(one)]
                wording, text = next(self.sayings(wordings, word, name))
                known |= told_in(wording)
                told.append(text)
        if self.rng.random() < 0.35:
            told.append(self.rng.choice(self.wordings["portrait end"]).format_map(self.slots()))
        return finish(" ".join(told))

    def riddle(self, word: Word) -> str:
        properties = self.properties(word, "I")[: self.rng.randrange(3, 5)]
        told = [self.some(self.wordings[f"{name} I"], word, name) for name in properties]
        return finish(" ".join([*told, f"What am I? {word:a}{self.rng.choice('.!')}"]))
