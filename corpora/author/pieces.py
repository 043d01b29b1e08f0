"""Small forms: letters, notes and invitations, diaries, weather, signs, recipes, shopping lists,
riddles, verses, reasons, small sums and who likes what.

A line of a form names its parts: <news> is a line of the section [news] that this text does not
have yet, and <did {weather}> one of [did rainy] if it rains in this text. "| " begins a line of its
own; [list hour] names what stands in the slot {hour}.
"""

import random
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product

from author.lexicon import GRAMMAR, Lexicon, Slots, Word, Writer, finish, sections
from author.reader import Domain, Template
from author.stories import people, sentences

EATEN = ("apple", "pear", "plum", "cookie", "walnut", "pancake", "carrot", "banana", "orange",
         "peach", "cherry", "strawberry")  # fmt: skip
THINGS = (*EATEN, "egg", "lemon", "book", "pencil", "ball", "button", "shell", "stone")
CROWDS = {  # where animals are, and how they go
    "bird": ("on the roof", "fly"), "duck": ("on the pond", "swim"), "cow": ("in the field", "run"),
    "cat": ("on the wall", "run"), "frog": ("by the pond", "jump"), "mouse": ("in the barn", "run"),
    "sheep": ("on the hill", "run"), "bee": ("on the flower", "fly"),
    "rabbit": ("in the grass", "jump"), "seagull": ("on the beach", "fly"),
    "dog": ("in the yard", "run"), "crow": ("in the tree", "fly"), "goat": ("on the rock", "jump"),
}  # fmt: skip
GOES = {"fly": "flies", "swim": "swims", "run": "runs", "jump": "jumps"}
FORMS = (
    "letter", "postcard", "note", "invitation", "diary", "forecast", "door", "recipe", "shopping",
    "riddle", "verse", "counting", "rhyming", "because", "sums", "likes",
)  # fmt: skip
LIKED = ("fruit", "berry", "color", "farm", "flower", "dish", "drink", "day", "month")
MANY = ("fruit", "berry", "farm", "flower")  # of which one likes more than one


class Pieces(Writer):
    """Writes small forms, no one twice."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        super().__init__(rng, lexicon)
        self.told: set[str] = set()
        heroes = sections("heroes.grammar")
        self.names, grown_ups = people(heroes["names"]), people(heroes["grown-ups"])
        self.lists = lexicon.lists | {"name": self.names, "grown": grown_ups}
        self.sections: dict[str, list[str]] = {}
        for file in ("letters", "days", "verses"):
            for name, lines in sections(f"{file}.grammar").items():
                if name.startswith("list "):
                    self.lists[name.removeprefix("list ")] = list(map(Word, lines[0].split(", ")))
                else:
                    self.sections[name] = [part for line in lines for part in line.split(" / ")]
        self.numbers = lexicon.lists["count"]
        self.lists["few"] = self.numbers[1:4]
        self.known = {str(word): word for word in reversed(lexicon.words)}
        self.frames = sections("frames.grammar")
        self.reasons = sections("because.grammar")
        self.riddles = sections("riddles.grammar")
        blocks = (GRAMMAR / "recipes.grammar").read_text("utf-8").strip().split("\n\n")
        self.recipes = [[line.split(" / ") for line in block.split("\n")] for block in blocks]
        families = (GRAMMAR / "rhyme-words.grammar").read_text("utf-8").splitlines()
        self.families = [line.split(": ")[1].split(", ") for line in families]

    # -- how a piece is written -------------------------------------------------------------

    def some(self, name: str, count: int) -> Iterator[str]:
        """So many texts of the form, no one twice."""
        write = getattr(self, name, None) or partial(self.form, name)
        while count:
            text = write()
            if text not in self.told:
                self.told.add(text)
                count -= 1
                yield text

    def slots(self, **given: Word) -> Slots:
        return Slots(self.rng, self.lists, **given)

    def frame(self, name: str) -> str:
        return self.rng.choice(self.frames[name])

    def form(self, name: str) -> str:
        """A text of the form that this section tells."""
        slots = self.slots()
        return tidy(self.expand(f"<{name}>", slots).format_map(slots))

    def expand(self, line: str, slots: Slots) -> str:
        """The line with a part in the place of each <name>."""
        used: set[str] = set()
        while found := re.search(r"<([^<>]+)>", line):
            lines = self.sections[found[1].format_map(slots)]
            part = self.rng.choice([part for part in lines if part not in used] or lines)
            used.add(part)
            line = line[: found.start()] + part + line[found.end() :]
        return line

    # -- the forms --------------------------------------------------------------------------

    def verse(self) -> str:
        """Lines that rhyme; an animal that they name is not whom they tell of."""
        slots = self.slots()
        lines = self.expand("<verse>", slots)
        free = [word for word in self.lists["short"] if word not in re.findall(r"\w+", lines)]
        slots["short"] = self.rng.choice(free)
        return tidy(lines.format_map(slots))

    def recipe(self) -> str:
        titles, needs, *steps = self.rng.choice(self.recipes)
        told = [self.rng.choice(step) for step in steps]
        lines = [self.rng.choice(titles), f"You need: {needs[0]}."]
        if self.rng.random() < 0.5:
            lines += [f"{number}. {step}" for number, step in enumerate(told, 1)]
        else:
            lines.append(" ".join(told))
        return tidy(" | ".join(lines).format_map(self.slots()))

    def shopping(self) -> str:
        """What somebody buys: for a dish that takes it, or just so."""
        slots = self.slots()
        if self.rng.random() < 0.4:
            recipe = self.rng.choice(self.recipes)
            return tidy(self.frame("dish").replace("<need>", needed(recipe)).replace(
                "<dish>", dish(recipe)).format_map(slots))  # fmt: skip
        foods = [word for word in self.lexicon.words if hasattr(word, "good")]
        chosen = [self.amount(word) for word in self.rng.sample(foods, self.rng.choice((3, 4, 5)))]
        if self.rng.random() < 0.5:
            return "\n".join([self.frame("list title").format_map(slots), *chosen])
        slots["bought"] = Word(", ".join(chosen[:-1]) + f" and {chosen[-1]}")
        return tidy(self.frame("buy").format_map(slots))

    def amount(self, word: Word) -> str:
        return f"{self.rng.choice(self.numbers[1:8])} {word:s}" if word.counted else str(word)

    def riddle(self) -> str:
        """What something says of itself, and what it is."""
        answer = self.rng.choice(list(self.riddles))
        clues = " ".join(self.shuffled(self.riddles[answer])[: self.rng.choice((2, 3))])
        said = answer[0].upper() + answer[1:]
        line = self.frame("riddle").replace("<clues>", clues).replace("<answer>", said)
        return tidy(line.format_map(self.slots()))

    def because(self) -> str:
        """Reasons of some people, one a line."""
        lines = []
        for heading in self.rng.sample(list(self.reasons), self.rng.choice((2, 3, 4))):
            whys = list(self.whys(heading))
            lines.append(self.rng.choice(whys).format_map(self.slots()))
        return tidy(" | ".join(lines))

    def whys(self, heading: str) -> Iterator[str]:
        """Every wording of what somebody does, with each of its reasons."""
        for why in self.reasons[heading]:
            does, do = heading.split(" / ")
            for frame in self.frames["because"] + self.frames["because asked"]:
                yield people_in(frame, does=does, do=do, why=why)
            if not re.search("{h(e|im|is)}", why):
                for frame in self.frames["because of it"]:
                    yield people_in(frame, does=does, why=why)
            if why.startswith("{he} "):
                for frame in self.frames["because of oneself"]:
                    yield people_in(frame, does=does, state=why.removeprefix("{he} "))

    def sums(self) -> str:
        """One or some small sums, each with its story."""
        return "\n".join(self.sum() for _ in range(self.rng.choice((1, 1, 2, 3))))

    def sum(self) -> str:
        some, more = self.rng.randrange(1, 7), self.rng.randrange(1, 6)
        more += some == more  # a reader takes what is told of the one for the other
        a, b, c = (self.numbers[count - 1] for count in (some, more, some + more))
        slots = self.slots(a=a, b=b, c=c)
        kind = self.rng.choice(("plus", "plus", "minus", "minus", "eat", "together", "come", "go"))
        if kind in ("come", "go"):
            animal = self.rng.choice(list(CROWDS))
            slots["crowd"], slots["bigger"] = crowd(a, animal), crowd(c, animal)
            slots["comes"] = Word(f"{b} more {'comes' if b == 'one' else 'come'}")
            go = CROWDS[animal][1]
            slots["goes"] = Word(f"{b} {GOES[go] if b == 'one' else go}")
            return tidy(self.frame(f"crowd {kind}").format_map(slots))
        thing = self.rng.choice(EATEN if kind == "eat" else THINGS)
        x = slots["x"] = self.known.get(thing, Word(thing))
        slots["have"], slots["part"], slots["total"] = (amount(n, x) for n in (a, b, c))
        others = [name for name in self.names if name != slots["name"]]
        slots["giver"] = self.rng.choice([*self.lists["grown"], *self.rng.sample(others, 6)])
        line = self.frame(f"sum {kind}")
        if kind != "together":
            line += " " + self.frame("sum plus end" if kind == "plus" else "sum minus end")
        return tidy(line.format_map(slots))

    def likes(self) -> str:
        """Who likes what, and questions about it."""
        kind = self.rng.choice(LIKED)
        names = self.rng.sample(self.names, self.rng.choice((2, 3)))
        words = self.rng.sample(self.lists[kind], len(names))
        liked = {name: Word(f"{word:s}" if kind in MANY else word)
                 for name, word in zip(names, words, strict=True)}  # fmt: skip
        told = [self.frame("likes").format(name=name, liked=liked[name]) for name in names]
        who = self.rng.choice(names)
        asked = []
        for name in self.rng.sample(names, self.rng.choice((1, 2))):
            other = self.rng.choice([other for other in names if other != name])
            frames = self.frames["likes asked"]
            words_of = {"name": name, "liked": liked[name], "liked2": liked[other]}
            asked.append(self.rng.choice(frames).format_map(words_of))
        also = self.rng.choice([name for name in self.names if name not in names])
        if self.rng.random() < 0.4:
            told.insert(names.index(who) + 1, self.frame("likes too").format(
                name=also, liked=liked[who]))  # fmt: skip
            asked.append(self.frame("who else").format(name=also, liked=liked[who]))
        elif self.rng.random() < 0.5:
            asked.append(self.frame("who likes").format(name=who, liked=liked[who]))
        return tidy(" | ".join([" ".join(told), *self.shuffled(asked)]))

    def rhyming(self) -> str:
        """Words that sound alike at the end."""
        families = [words for words in map(apart, self.families) if len(words) > 2]
        lines = []
        for words in self.rng.sample(families, 3):
            one, two, three = map(Word, self.shuffled(words)[:3])
            lines.append(self.frame("rhyme").format(sound=one, sound2=two, sound3=three))
        return tidy(" | ".join(lines))

    # -- reading ----------------------------------------------------------------------------

    def rhymes(self, text: str) -> bool:
        """Whether the lines of a verse rhyme: two by two, or each second one."""
        lines = [line for line in text.split("\n") if re.search(r"\w", line)]
        ends = [re.findall(r"\w+", line)[-1].lower() for line in lines]
        if not ends or len(ends) % 2:
            return False
        seconds = ends[1::2]
        return all(map(self.rhyme, ends[::2], seconds)) or (
            len(seconds) % 2 == 0 and all(map(self.rhyme, seconds[::2], seconds[1::2]))
        )

    def rhyme(self, one: str, two: str) -> bool:
        """Whether two words end alike, and are not the same."""
        return one != two and any(one in words and two in words for words in self.families)

    def wordings(self) -> dict[str, list[str]]:
        """Every wording by its section, sentence by sentence."""
        found: dict[str, list[str]] = {}
        for name, lines in self.sections.items():
            parts = [part for line in lines for part in re.split(r"\s*(?:\||<[^>]*>)\s*", line)]
            found[name] = [part for whole in parts for part in sentences(whole)]
        found["close"] = [f"{line} {{name}}" for line in self.sections["close"]]
        for titles, needs, *steps in self.recipes:
            found.setdefault("title", []).extend(titles)
            told = [f"{number}. {line}" for number, step in enumerate(steps, 1) for line in step]
            told += [part for step in steps for line in step for part in sentences(line)]
            found.setdefault("step", []).extend([f"You need: {needs[0]}.", *told])
        found["dish"] = [
            line.replace("<need>", needed(recipe)).replace("<dish>", dish(recipe))
            for line, recipe in product(self.frames["dish"], self.recipes)
        ]
        found["because"] = [line for heading in self.reasons for line in self.whys(heading)]
        for name in ("likes", "likes too", "likes asked", "who likes", "who else", "rhyme"):
            found[name] = self.frames[name]
        items = ("{item}, {item2}", "{item}, {item2}, {item3}", "{item}, {item2}, {item3}, {item4}")
        found["buy"] = [
            line.replace("{bought}", f"{bought} and {{item5}}")
            for line, bought in product(self.frames["buy"], items)
        ]
        found["item"] = ["{item}", *self.frames["list title"]]
        found["riddle"] = self.asked()
        return found

    def asked(self) -> list[str]:
        """The wordings of riddles, sentence by sentence."""
        found = []
        for frame, answer in product(self.frames["riddle"], self.riddles):
            lines = frame.replace("<answer>", answer).split(" | ")
            parts = [line.rpartition("<clues>")[2].strip() for line in lines]
            found += [part for line in parts if line for part in sentences(line)]
        for clues in self.riddles.values():
            for clue in clues:
                found += [clue, f'"{clue}', f'{{name}} asked {{name2}} a riddle: "{clue}']
        return list(dict.fromkeys(found))

    def templates(self) -> Iterator[Template]:
        """All wordings, as they can be read again."""
        domains = {name: Domain(words) for name, words in self.lists.items()}
        things = [self.known.get(thing, Word(thing)) for thing in THINGS]
        foods = [word for word in self.lexicon.words if hasattr(word, "good")]
        amounts = [Word(f"{number} {word:s}") for word in foods if word.counted
                   for number in self.numbers[1:8]]  # fmt: skip
        liked = [Word(f"{word:s}" if kind in MANY else word)
                 for kind in LIKED for word in self.lists[kind]]  # fmt: skip
        rhyming = Domain([Word(word) for words in self.families for word in words])
        counts = self.numbers[:11]
        domains |= {
            "item": Domain([*amounts, *(word for word in foods if not word.counted)]),
            "liked": Domain(liked), "sound": rhyming,
            "giver": Domain([*self.lists["grown"], *self.names]), "x": Domain(things),
            **dict.fromkeys("abc", Domain(counts)),
            **dict.fromkeys(("have", "part", "total"), Domain(
                [amount(number, thing) for number in counts for thing in things])),
            **dict.fromkeys(("crowd", "bigger"), Domain(
                [crowd(number, kind) for number in counts for kind in CROWDS])),
            "comes": Domain([Word(f"{number} more {'comes' if number == 'one' else 'come'}",
                                  number=number) for number in counts[:6]]),
            "goes": Domain([Word(f"{number} {one if number == 'one' else go}", number=number)
                            for number in counts[:6] for go, one in GOES.items()]),
        }  # fmt: skip
        for section, lines in self.wordings().items():
            for line in dict.fromkeys(lines):
                fits = self.alike if section == "rhyme" else lambda words: True
                yield Template("piece", section, line, domains, domains, fits)
        for kind, end in (("plus", "plus end"), ("minus", "minus end"), ("eat", "minus end")):
            for line, last in product(self.frames[f"sum {kind}"], self.frames[f"sum {end}"]):
                yield Template("piece", "sum", f"{line} {last}", domains, domains, self.adds_up)
        for name in ("sum together", "crowd come", "crowd go"):
            for line in self.frames[name]:
                yield Template("piece", "sum", line, domains, domains, self.adds_up)

    def alike(self, words: Mapping[str, Word]) -> bool:
        others = [word for slot, word in words.items() if slot != "sound"]
        return all(self.rhyme(words["sound"], other) for other in others)

    def adds_up(self, words: Mapping[str, Word]) -> bool:
        """Whether the numbers of a sum agree, and the things."""
        counts = []
        for slots in ("have crowd a", "part comes goes b", "total bigger c"):
            said = {
                getattr(words[slot], "number", words[slot])
                for slot in slots.split()
                if slot in words
            }
            if len(said) > 1:
                return False
            counts += [self.numbers.index(number) + 1 for number in said]
        things = {words[slot].thing for slot in words if hasattr(words[slot], "thing")}
        if "x" in words:
            things.add(words["x"])
        return len(things) < 2 and (len(counts) < 3 or counts[0] + counts[1] == counts[2])


def amount(number: Word, thing: Word) -> Word:
    text = f"{number} {thing}" if number == "one" else f"{number} {thing:s}"
    return Word(text, number=number, thing=thing)


def crowd(number: Word, kind: str) -> Word:
    """So many animals of the kind at their place."""
    animal = Word(kind, plural={"mouse": "mice", "sheep": "sheep"}.get(kind, ""))
    where, _ = CROWDS[kind]
    said = f"is one {animal}" if number == "one" else f"are {number} {animal:s}"
    return Word(f"{said} {where}", number=number, thing=kind)


def apart(words: list[str]) -> list[str]:
    """The words of which none ends in another: "inside" and "side" are hardly a rhyme."""
    return [
        word
        for word in words
        if len(word) > 1 and not any(word != other and word.endswith(other) for other in words)
    ]


def dish(recipe: list[list[str]]) -> str:
    return next(title for title in recipe[0] if not re.search(r"HOW|{", title)).lower()


def needed(recipe: list[list[str]]) -> str:
    """What a recipe takes, as it is said within a sentence."""
    return re.sub(r", (?!.*, )", " and ", recipe[1][0])


def people_in(frame: str, **parts: str) -> str:
    """The frame with its parts, of which he is the one that the frame names."""
    for name, part in parts.items():
        for he in ("he", "him", "his"):
            part = part.replace(f"{{{he}}}", f"{{name.{he}}}")
        frame = frame.replace(f"<{name}>", part.replace("{friend}", "{name2}"))
    return frame


def tidy(text: str) -> str:
    """Each line with its capitals, and a or an."""
    return "\n".join(finish(f"{line.strip()}.")[:-1] for line in text.split("|"))
