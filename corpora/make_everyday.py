"""Makes `everyday.txt`, a training text of plain everyday English, and `everyday.prompts.jsonl`.

Words and wordings lie in `grammar/`; this script owns how they are put together. The prompts ask
for facts that the text tells, but in a wording that it does not have for them: `asked.grammar`
names the things for which a wording is left out. The same seed gives the same bytes at each run.

    {child} {child2}    a word drawn from a list, the same in a whole story; another one
    {x}                 what a sentence is about; {x.color} is what the tables say of it
    {o} {p} {y} {z}     beside x: two that agree in what the sentence tells; one that differs; one
                        of which nobody could think that it agrees
    {x:s} {x:a}         its plural; with its article ("milk" has none)
    {x:t} {x:u}         with a capital letter; in capitals (and they combine: {x:su})
"""

import csv
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

SEED = 7
HERE = Path(__file__).resolve().parent
GRAMMAR = HERE / "grammar"
UNUSUAL = ("blue", "pink", "purple")  # colors
TABLES = ("animals", "foods", "things", "nature", "jobs", "opposites")

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
EACH_STORY = 6
EACH_PIECE = 5
PORTRAITS = 220
RIDDLES = 70
TALKS = 600


class Word(str):
    """A word, with what the tables say of it as attributes."""

    next: "Word"  # of a day, a month or a number
    season: "Word"  # of a month

    def __new__(cls, text: str, **facts: Any) -> "Word":
        word = super().__new__(cls, text)
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


def finish(text: str) -> str:
    """A or an, and capitals where a sentence begins (a phrase with no end mark keeps its own)."""
    text = re.sub(r"\b([Aa]) (?=(?!uni|use|one\b)[aeiou]|hour|[AEIO][a-z])", r"\1n ", text)
    text = re.sub(r"\bA (?=[AEIOU][A-Z])", "AN ", text)
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


class Lexicon:
    """All words: those of the tables by property, and the lists that stories draw from."""

    def __init__(self) -> None:
        named = {word: word for word in rows() if word.table != "opposites"}
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
        count = ring("number", lists["count"])
        sums = [
            Word(count[a], more=count[b], sum=count[a + b + 1], table="sum")
            for a, b in product(range(10), repeat=2)
            if a + b < 9
        ]
        rings = [*lists["day"], *lists["month"], *count[:20]]
        self.words = [*rows(), *rings, *sums, *lists["sign"]]
        self.having = {name: [w for w in self.words if hasattr(w, name)] for name in FACTS}


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


class Unfit(Exception):
    """A wording does not go with a word."""


class Author:
    """Writes sentences, stories and talks, drawing each choice from one seeded source."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.lexicon = Lexicon()
        self.wordings = sections("facts.grammar")
        self.talks = sections("talks.grammar")
        self.subjects = [  # of talks
            word for word in self.lexicon.words if any(hasattr(word, name) for name in self.talks)
        ]
        self.told: set[str] = set()  # the stories so far

    def slots(self, **given: Word) -> Slots:
        return Slots(self.rng, self.lexicon.lists, **given)

    def shuffled(self, items: Iterable[Any]) -> list[Any]:
        return sorted(items, key=lambda _: self.rng.random())

    def pick(self, words: Sequence[Word]) -> Word:
        """One of the words, and mostly one that everyone speaks of."""
        common = [word for word in words if word in self.lexicon.lists["common"]]
        return self.rng.choice(common if common and self.rng.random() < 0.8 else words)

    # -- about one word ---------------------------------------------------------------------

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
                for other in self.lexicon.having[property]
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
        for word in self.lexicon.having[property]:
            often = common if word in self.lexicon.lists["common"] else rare
            yield from islice(self.sayings(self.wordings[property], word, property), often)
            if asked and word not in asked.left_out:
                wording = f"{asked.prompt} {asked.answer}."
                yield from [self.say(wording, word, property)] * math.ceil(often * ASKED)

    def prompts(self, property: str, asked: Asked) -> Iterator[dict[str, str]]:
        words = {word: word for word in self.lexicon.having[property]}
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

    # -- talks and stories ------------------------------------------------------------------

    def talk(self) -> str:
        """You ask, Bot answers: a greeting, some questions about a thing or two, a farewell."""
        slots = self.slots()
        chat = [line.format_map(slots) for line in self.shuffled(self.talks["chat"])]
        turns = []
        if self.rng.random() < 0.4:
            turns.append(self.rng.choice(self.talks["hello"]).format_map(slots))
        for _ in range(self.rng.randrange(1, 4)):
            if self.rng.random() < 0.35:
                turns.append(chat.pop())
            else:
                turns += self.questions(self.pick(self.subjects))
        if self.rng.random() < 0.3:
            turns.append(self.rng.choice(self.talks["bye"]).format_map(slots))
        lines = []
        for turn in turns:
            you, answers = turn.split(" > ")
            bot = self.rng.choice(answers.split(" / "))
            lines += [f"You: {finish(you)}", f"Bot: {finish(bot)}"]
        return "\n".join(lines)

    def questions(self, word: Word) -> Iterator[str]:
        """A question about the word, and perhaps more, with "it" for its name."""
        known = [name for name in FACTS if hasattr(word, name) and name in self.talks]
        often = [FACTS[name][0] for name in known]  # what is told often is asked often
        names = list(dict.fromkeys(self.rng.choices(known, often, k=self.rng.randrange(1, 4))))
        for index, name in enumerate(names):
            wordings = self.talks.get(f"{name} it" if index else name, [])
            if len(names) > 1:  # "it" would not go with a question about many
                wordings = [wording for wording in wordings if "{x:s}" not in wording.split(">")[0]]
            if wordings:
                yield self.some(wordings, word, name)

    def story(self, plan: list[list[str]]) -> str:
        """A story of this plan that has not been told yet; "| " begins a line of its own."""
        while True:
            slots = self.slots()
            heading, *told = [self.rng.choice(line).format_map(slots) for line in plan]
            text = finish(" ".join(told).replace(" | ", "\n").removeprefix("| "))
            if text not in self.told:
                self.told.add(text)
                return f"{finish(heading)}\n{text}"


def main() -> None:
    author = Author(random.Random(SEED))
    asked = read_asked()
    blocks = list(author.blocks_of_facts(asked))
    blocks += [author.story(plan) for plan in plans("stories.grammar") for _ in range(EACH_STORY)]
    blocks += [author.story(plan) for plan in plans("pieces.grammar") for _ in range(EACH_PIECE)]
    known = [word for word in author.lexicon.words if len(author.properties(word, "it")) >= 3]
    blocks += [author.portrait(author.pick(known)) for _ in range(PORTRAITS)]
    blocks += [author.riddle(author.pick(known)) for _ in range(RIDDLES)]
    blocks += [author.talk() for _ in range(TALKS)]
    text = "\n\n".join(author.shuffled(blocks)) + "\n"

    prompts = [row for property in asked for row in author.prompts(property, asked[property])]
    for row in prompts:
        assert row["prompt"].lower() not in text.lower(), f"{row['prompt']!r} stands in the text"
    lines = "".join(json.dumps(row) + "\n" for row in prompts)
    (HERE / "everyday.txt").write_text(text, encoding="utf-8", newline="\n")
    (HERE / "everyday.prompts.jsonl").write_text(lines, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
