"""What talks are made of: exchanges, and the words that stand in them. Puts no talk together.

An exchange is "You says / or so > Bot answers / or so" in `questions.grammar` (about a word x of
the tables) or `talks.grammar` (about all else): each answer goes with each question. Sections tell
when one may come: "color it" after anything about x, "color and" after a question of the same
kind, "after What is it?" when Bot has just asked that, "tell age" always, "recall age" once the age
is told, "recall age unknown" before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from author.facts import MEAT, PLANTS
from author.lexicon import GRAMMAR, Lexicon, Word, sections

# What a talk remembers of what You told.
REMEMBERED = (
    "name", "pet", "petname", "liked", "hue", "age", "town", "birthday", "lunch", "went", "mine",
    "tint", "relative", "relname", "friend", "today", "lost", "drawn",
)  # fmt: skip
SLOT = re.compile(r"{(?P<slot>\w+?)(?:\.(?P<of>[\w.]+))?(?::(?P<spec>\w+))?}")
UNUSUAL = ("blue", "pink", "purple")  # colors; of others `never.grammar` tells
# What is plainly not so of things of which the tables say something else.
NEVER_HOME = {
    "in the sea": ("on a farm", "in Africa", "in the jungle", "in the house", "in a tree"),
    "on the ice": ("on a farm", "in Africa", "in the jungle", "in the desert", "in the house"),
    "on a farm": ("in the sea", "on the ice", "in Africa", "in the jungle", "in a hive"),
    "in Africa": ("on a farm", "on the ice", "in the sea", "in the house", "in a hive"),
    "in the jungle": ("on a farm", "on the ice", "in the sea", "in the desert"),
    "in the desert": ("on the ice", "in the sea", "in the jungle"),
    "in the forest": ("in the sea", "on the ice", "in a hive", "in Africa", "in the desert"),
    "in a tree": ("in the sea", "on the ice", "in a hive", "in the desert"),
    "in the house": ("in the sea", "on the ice", "in Africa", "in a hive", "in the jungle"),
    "in a hive": ("in the sea", "on the ice", "in a web", "in the house"),
    "in a web": ("in the sea", "on the ice", "in a hive"),
    "by the pond": ("in the desert", "on the ice", "in Africa", "in a hive"),
}
NEVER_MATERIAL = {
    "metal": ("wool", "paper", "cotton", "leather"), "wood": ("wool", "glass", "paper", "leather"),
    "glass": ("wood", "wool", "leather"), "wool": ("metal", "wood", "glass", "paper"),
    "cotton": ("metal", "glass", "wood"), "paper": ("metal", "wool", "glass"),
    "rubber": ("wood", "glass", "wool"), "leather": ("glass", "wood", "paper"),
    "plastic": ("wool", "paper", "leather"), "clay": ("wool", "paper", "leather"),
}  # fmt: skip
NEVER_TASTE = {
    "sweet": ("salty", "bitter", "spicy"), "sour": ("salty", "sweet", "spicy"),
    "salty": ("sweet", "sour", "bitter"), "bitter": ("sweet", "salty"),
    "spicy": ("sweet", "sour"),
}  # fmt: skip
NEVER_KIND = {
    "farm animal": ("bird", "insect", "sea animal"), "wild animal": ("bird", "insect"),
    "insect": ("bird", "sea animal", "farm animal"), "sea animal": ("bird", "insect"),
    "bird": ("insect",), "tool": ("toy", "instrument"), "instrument": ("tool",),
    "piece of clothing": ("tool", "toy"), "piece of furniture": ("toy", "tool"),
    "drink": ("fruit", "vegetable"), "fruit": ("drink", "spice"), "nut": ("drink", "spice"),
    "flower": ("gem", "coin"),
}  # fmt: skip
NEVER = {
    "home": NEVER_HOME, "taste": NEVER_TASTE, "kind": NEVER_KIND, "material": NEVER_MATERIAL
}  # fmt: skip
LEGS = {
    "bird": "two", "insect": "six", "farm animal": "four", "pet": "four", "wild animal": "four"
}  # fmt: skip
LEGS_OF = {"spider": "eight", "frog": "four", "toad": "four", "turtle": "four"}
NO_LEGS = ("goldfish", "snake", "bat", "kangaroo", "gorilla", "monkey", "caterpillar")
CANNOT_FLY = ("hen", "rooster", "chick", "turkey", "penguin", "peacock", "goose")
CAN_FLY = ("bat", "bee", "fly", "ladybug", "butterfly", "moth")
NUMBERS = 20


@dataclass(frozen=True)
class Exchange:
    section: str
    you: tuple[str, ...]
    bot: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The property that a question asks for."""
        return self.section.split()[0]


def exchanges(name: str) -> dict[str, list[Exchange]]:
    found = {}
    for section, lines in sections(name).items():
        parts = [line.split(" > ") for line in lines if line.count(" > ") == 1]
        found[section] = [
            Exchange(section, tuple(you.split(" / ")), tuple(bot.split(" / ")))
            for you, bot in parts
        ]
    return found


def slots_in(*wordings: str) -> set[str]:
    return {found["slot"] for wording in wordings for found in SLOT.finditer(wording)}


def attributes(wording: str) -> set[str]:
    """What a wording tells of x."""
    found = (found for found in SLOT.finditer(wording) if found["slot"] == "x" and found["of"])
    return {slot["of"].split(".")[0] for slot in found}


class Grammar:
    """The exchanges by section, the lists that talks draw from, the words that are asked about."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.questions = exchanges("questions.grammar")
        self.talks = exchanges("talks.grammar")
        self.lines = sections("talks.grammar")
        self.questions = {name: lines for name, lines in self.questions.items() if lines}
        self.words = list(self._askable())
        lines = (GRAMMAR / "never.grammar").read_text("utf-8").splitlines()
        never = (line.split(": ") for line in lines)
        self.never = {color: set(things.split(", ")) for color, things in never}
        self.kinds = dict.fromkeys(name.split()[0] for name in self.questions)
        self.having = {kind: self._having(kind) for kind in self.kinds}
        self.named: dict[str, Word] = {}
        for word in self.words:
            if word.table in ("animals", "foods", "things", "nature"):
                self.named.setdefault(str(word), word)
                self.named.setdefault(f"{word:s}", word)
        self.lists = lexicon.lists | self._lists()

    def _lists(self) -> dict[str, list[Word]]:
        counted = {word: word for word in self.having["number"]}
        known = {word: word for word in self.lexicon.lists["day"] + self.lexicon.lists["month"]}
        known |= counted | {Word(word): word for word in self.named.values()}
        lists: dict[str, list[Word]] = {}
        for line in (GRAMMAR / "talk-lists.grammar").read_text("utf-8").splitlines():
            heading, names = line.split(": ")
            name, *he = heading.split()
            words = [known.get(word, Word(word)) for word in map(Word, names.split(", "))]
            if he:
                him, his = ("him", "his") if he == ["he"] else ("her", "her")
                words = [Word(word, he=he[0], him=him, his=his) for word in words]
            lists.setdefault(name, []).extend(words)
        for name in (
            "name",
            "petname",
            "liked",
            "lunch",
            "word",
        ):  # as they stand, no others' facts
            lists[name] = [Word(word) for word in lists[name]]
        pairs = [line.split(", ") for line in self.lines["rhyme pairs"]]
        lists["rhymed"] = [
            Word(one, rhyme=other) for a, b in pairs for one, other in ((a, b), (b, a))
        ]
        lists["rhyming"] = [
            Word(line) for line in (GRAMMAR / "rhymes.grammar").read_text("utf-8").splitlines()
        ]
        lists["other"] = lists["newname"] = lists["name"]
        lists["hailed"] = lists["name"] + lists["petname"]
        lists["callname"] = lists["petname"]
        lists["upto"] = self.having["number"][2:12]
        lists |= {f"any{name}": lists[name] for name in ("pet", "mine", "relative")}
        lists["joke"] = [Word(line) for line in self.lines["jokes"]]
        lists["no"] = [Word(line) for line in self.lines["no"]]
        return lists

    def _askable(self) -> Iterator[Word]:
        """The words of the tables and more about them, or between them."""
        big, small = list[Word](), list[Word]()
        opposites: dict[str, str] = {}
        for word in self.lexicon.words:
            if word.table == "opposites":
                opposites.setdefault(word, word.opposite)
                continue
            if word.table == "bigger":
                continue  # these and more follow
            facts = vars(word).copy()
            if word.table == "animals":
                kind = getattr(word, "kind", "")
                if word not in NO_LEGS and (legs := LEGS_OF.get(word, LEGS.get(kind))):
                    facts["legs"] = legs
                if word in CAN_FLY or (kind == "bird" and word not in CANNOT_FLY):
                    facts["flies"] = "yes"
                elif kind not in ("bird", "insect") or word == "penguin":
                    facts["walks"] = "yes"
                size = getattr(word, "size", "")
                if size:
                    (big if size == "big" else small).append(word)
            elif word.table == "day":
                facts["nextday"] = word.next
            yield Word(str(word), **facts)
        for name, opposite in list(opposites.items()):
            opposites.setdefault(opposite, name)
        for name, opposite in opposites.items():
            yield Word(name, opposite=opposite, table="opposites")
        for word, than in product(big, small):
            facts = {"than": than, "more": "bigger", "less": "smaller", "table": "bigger"}
            yield Word(str(word), **facts, **_plural(word))
        for a, b in product(range(1, 10), repeat=2):
            if a + b < 11:
                yield Word(str(a), more=str(b), sum=str(a + b), digits="yes", table="digits")

    def _having(self, kind: str) -> list[Word]:
        found = [word for word in self.words if hasattr(word, kind)]
        if kind == "good":
            return [word for word in found if getattr(word, "kind", "") != "drink"]
        if kind == "sum":
            return [word for word in found if word.table == "sum" and hasattr(word, "some")]
        return found

    def knows(self, word: Word) -> list[str]:
        """What kinds of questions go with a word."""
        return [kind for kind in self.kinds if hasattr(word, kind) and kind != "than"]

    def goes_beside(self, letter: str, other: Word, word: Word, kind: str) -> bool:
        """Whether another word can stand for o, p, y or z beside x."""
        if other == word or other.counted != word.counted:
            return False
        fact, others = getattr(word, kind), getattr(other, kind)
        if fact == others:
            return letter in "op" and other.table == word.table
        if letter == "z":
            return self.is_unlike(str(others), word, kind) or (
                kind == "kind" and other.table != word.table
            )
        if kind in ("day", "month", "number"):
            return bool(letter == "y" and other != word.next)
        return letter == "y" and other.table == word.table

    def is_unlike(self, fact: str, word: Word, kind: str) -> bool:
        """Whether a fact is plainly not so of the word."""
        known = str(getattr(word, kind))
        if kind == "food":
            return (known in PLANTS and fact in MEAT) or (known in MEAT and fact in PLANTS)
        if kind == "color":
            return fact in UNUSUAL or word in self.never.get(fact, ())
        return fact in NEVER[kind].get(known, ())


def _plural(word: Word) -> dict[str, str]:
    return {"plural": word.plural} if hasattr(word, "plural") else {}
