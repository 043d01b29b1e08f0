"""The words of the grammar, what its tables say of them, and how a wording gets its words.

{child} {child2}    a word drawn from a list, the same in a whole text; another one
{x}                 what a sentence is about; {x.color} is what the tables say of it
{o} {p} {y} {z}     beside x: two that agree in what the sentence tells; one that differs; one
                    of which nobody could think that it agrees
{x:s} {x:a}         its plural; with its article ("milk" has none)
{x:t} {x:u}         with a capital letter; in capitals (and they combine: {x:su})
"""

import csv
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, TypeVar

GRAMMAR = Path(__file__).resolve().parents[1] / "grammar"
NOUNS = ("animals", "foods", "things", "nature", "jobs", "rooms")  # what lists may name
TABLES = (
    *NOUNS, "opposites", "parts", "body", "countries", "happens", "meanings", "reasons",
)  # fmt: skip
T = TypeVar("T")


class Word(str):
    """A word, with what the tables say of it as attributes."""

    next: "Word"  # of a day, a month or a number
    season: "Word"  # of a month
    key: str  # names it among words that are spelled alike

    def __new__(cls, text: str, **facts: Any) -> "Word":
        word = super().__new__(cls, text)
        word.key = text
        for name, fact in facts.items():
            setattr(word, name, Word(fact) if type(fact) is str else fact)
        return word

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"nothing is known of the {name} of {self}")

    @property
    def counted(self) -> bool:
        """Whether there can be two of it: of milk and of the sky there cannot."""
        return getattr(self, "plural", "") != "-"

    def __format__(self, spec: str) -> str:
        text = plural(self) if "s" in spec else str(self)
        if "a" in spec and self.counted:
            text = f"a {text}"
        if "t" in spec:
            text = text[0].upper() + text[1:]
        return text.upper() if "u" in spec else text


def plural(word: Word) -> str:
    irregular = getattr(word, "plural", "")
    if irregular:
        return str(irregular)
    noun, of, rest = word.partition(" of ")
    if noun.endswith("y") and noun[-2] not in "aeiou":
        noun = noun[:-1] + "ie"
    elif noun.endswith(("s", "x", "ch", "sh")):
        noun += "e"
    elif noun.endswith(("af", "lf")):
        noun = noun[:-1] + "ve"
    return noun + "s" + of + rest


def infinitive(does: str) -> str:
    """The infinitive of what somebody does: of "catches fish" it is "catch fish"."""
    verb, space, rest = does.partition(" ")
    return re.sub(r"(?<=ch)es$|ies$|s$", lambda end: "y" * (end[0] == "ies"), verb) + space + rest


def articles(text: str) -> str:
    """A or an."""
    text = re.sub(r"\b([Aa]) (?=(?!uni|use|one\b)[aeiou]|hour|[AEIO][a-z])", r"\1n ", text)
    return re.sub(r"\bA (?=[AEIOU][A-Z])", "AN ", text)


def finish(text: str) -> str:
    """A or an, and capitals where a sentence begins (a phrase with no end mark keeps its own)."""
    text = articles(text)
    if text[-1] not in '.?!"':
        return text
    return re.sub(r'(?m:^"?|[.?!] "?)[a-z]', lambda found: found[0].upper(), text)


def sections(name: str) -> dict[str, list[str]]:
    """The lines below each [heading] of a grammar file."""
    found: dict[str, list[str]] = {}
    for line in filter(None, (GRAMMAR / name).read_text("utf-8").splitlines()):
        if line.startswith("["):
            lines = found[line.strip("[]")] = []
        else:
            lines.append(line)
    return found


def plans(name: str) -> list[list[list[str]]]:
    """The plans of stories: of each line its alternatives; the heading is the first line."""
    text = (GRAMMAR / name).read_text("utf-8").strip()
    return [[line.split(" / ") for line in plan.split("\n")] for plan in text.split("\n\n")]


def rows() -> Iterator[Word]:
    """The words of the tables."""
    for table in TABLES:
        with open(GRAMMAR / f"{table}.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                known = {key: fact for key, fact in row.items() if fact}
                if "does" in known:
                    known["do"] = infinitive(known["does"])
                yield Word(known.pop("name"), table=table, **known)


def ring(property: str, names: Sequence[str]) -> list[Word]:
    """Words that follow each other, and the first the last: each knows its `next`."""
    words = [Word(name, **{property: name}, table=property) for name in names]
    for word, following in zip(words, words[1:] + words[:1], strict=True):
        word.next = following
    return words


def sums(numbers: Sequence[Word]) -> Iterator[Word]:
    """What two numbers make, up to ten; of `some` things and `others` there are two and more."""
    for a, b in product(range(9), repeat=2):
        if a + b < 9:
            many = {"some": numbers[a], "others": numbers[b]} if a and b else {}
            more, sum = numbers[b], numbers[a + b + 1]
            key = f"{numbers[a]} + {more}"
            yield Word(numbers[a], key=key, more=more, sum=sum, table="sum", **many)


def orders() -> Iterator[Word]:
    """Things that are bigger than others, or faster: each comes after those that are less so."""
    for line in (GRAMMAR / "orders.grammar").read_text("utf-8").splitlines():
        names, things = line.split(": ")
        more, less = names.split()
        for than, word in combinations(things.split(", "), 2):
            yield Word(word, than=than, more=more, less=less, table=more)


class Lexicon:
    """All words: those of the tables by property, and the lists that stories draw from."""

    def __init__(self) -> None:
        named = {word: word for word in rows() if word.table in NOUNS}
        lists: dict[str, list[Word]] = {}
        for line in (GRAMMAR / "lists.grammar").read_text("utf-8").splitlines():
            heading, names = line.split(": ")
            name, *he = heading.split()
            words = [named.get(Word(word), Word(word)) for word in names.split(", ")]
            if he == ["he"]:
                words = [Word(word, he="he", him="him", his="his") for word in words]
            elif he == ["she"]:
                words = [Word(word, he="she", him="her", his="her") for word in words]
            lists.setdefault(name, []).extend(words)
        signs = (GRAMMAR / "signs.grammar").read_text("utf-8").splitlines()
        lists["sign"] = [Word(sign, sign=sign, table="sign") for sign in signs]
        lists["day"] = ring("day", lists["day"])
        lists["month"] = ring("month", lists["month"])
        for index, month in enumerate(lists["month"]):
            month.season = lists["season"][(index + 10) // 3 % 4]
        self.lists = lists
        numbers = ring("number", lists["count"])
        rings = [*lists["day"], *lists["month"], *numbers[:20]]
        self.words = [*rows(), *rings, *sums(numbers), *orders(), *lists["sign"]]

    def having(self, property: str) -> list[Word]:
        return [word for word in self.words if hasattr(word, property)]


class Slots(dict[str, Word]):
    """What stands in the slots of one text; a slot met for the first time draws from its list."""

    def __init__(self, rng: random.Random, lists: dict[str, list[Word]], **given: Word) -> None:
        super().__init__(given)
        self.rng, self.lists = rng, lists

    def __missing__(self, slot: str) -> Word:
        taken = set(self.values())
        choices = [word for word in self.lists[slot.rstrip("0123456789")] if word not in taken]
        self[slot] = self.rng.choice(choices)
        return self[slot]


class Writer:
    """Draws each choice from one seeded source."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        self.rng, self.lexicon = rng, lexicon

    def slots(self, **given: Word) -> Slots:
        return Slots(self.rng, self.lexicon.lists, **given)

    def shuffled(self, items: Iterable[T]) -> list[T]:
        return sorted(items, key=lambda _: self.rng.random())

    def pick(self, words: Sequence[Word]) -> Word:
        """One of the words, and mostly one that everyone speaks of."""
        common = [word for word in words if word in self.lexicon.lists["common"]]
        return self.rng.choice(common if common and self.rng.random() < 0.8 else words)
