"""Stories with a plot: somebody wants something, tries, fails, is helped or thinks again, and is
glad. Also the older plans, which have a line for each step, and each line some alternatives.

`plots.grammar` has a block for each wish, `tales.grammar` what all stories share, `heroes.grammar`
who they tell of and where. In their wordings (beside the slots of the lexicon):

{h} {n}             the hero by name; the hero by name or as he, she, it, as it comes
{he} {him} {his} {himself}  the hero's words
{someone} {f} {f2}  who helps: met for the first time, again, and spoken to ("an old owl", "the
                    owl", "owl")
{at}                the place, with its preposition
a line  x / y > z   one of the alternatives before the sign, then one of those behind it
x @ owl, crow       only these can help so
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product

from author.lexicon import GRAMMAR, Lexicon, Slots, Word, Writer, finish, sections
from author.reader import Domain, Template

MADE_UP = ("dragon", "ghost", "robot")  # only in plots of their own
HOME = ("in the kitchen", "in the attic", "in the yard", "in the garden")
# What just happens is nobody's idea.
LUCK = re.compile(
    "forgot|mistake|sneezed|yawned|slipped|fell|[Ss]uddenly|once|saw|looked up|smell|stepped|heard"
    "|rest|thought and thought"
)
# The line before is about the hero: "it" in the next one is not the ball.
ABOUT_THE_HERO = re.compile(r"(^|\n)(But )?{[hn]}[^\n]*\n$")
PRONOUNS = {"he": {"he", "him", "his", "himself"}, "she": {"she", "her", "hers", "herself"}}
PERSONS = {
    "he": "snowman|father|grandpa|uncle|mr\\.|man|king|boy",
    "she": "mother|granny|aunt|mrs\\.|miss|lady|queen|girl",
}
HE = {he: {"he": he, "him": him, "his": his, "himself": f"{him}self"} for he, him, his in (
    ("he", "him", "his"), ("she", "her", "her"), ("it", "it", "its"))}  # fmt: skip
WORD_LISTS = ("mix", "sweet", "veg", "inst", "fur", "late", "treat")  # of tales.grammar
SETTINGS = ("who", "where", "animals", "without", "helpers", "night", "asleep")  # of a plot
OPENINGS = {  # sections of tales.grammar, and whom their stories tell of
    "open child": "child", "open child night": "child",
    "open named": "named", "open unnamed": "unnamed",
}  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A wish with its obstacle, its attempts and its ways out; each with some wordings."""

    lines: dict[str, list[str]]
    attempts: list[tuple[list[str], list[str]]]

    def words(self, key: str, otherwise: str = "") -> list[str]:
        return ", ".join(self.lines.get(key, [otherwise])).split(", ")


def read_plots() -> list[Plot]:
    found = []
    for block in (GRAMMAR / "plots.grammar").read_text("utf-8").strip().split("\n\n"):
        lines: dict[str, list[str]] = {}
        attempts = []
        for line in block.split("\n"):
            key, text = line.split(": ", 1)
            if key == "try":
                first, second = text.split(" > ")
                attempts.append((first.split(" / "), second.split(" / ")))
            else:
                lines[key] = text.split(" / ")
        found.append(Plot(lines, attempts))
    return found


@dataclass(frozen=True)
class Verdict:
    """What is the same from the beginning of a story to its end."""

    hero: str | None
    hero_kept: bool
    place_kept: bool
    pronouns_kept: bool

    def __bool__(self) -> bool:
        return bool(self.hero) and self.hero_kept and self.place_kept and self.pronouns_kept


class Stories(Writer):
    """Writes stories, no one twice."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        super().__init__(rng, lexicon)
        self.told: set[str] = set()
        self.plots = read_plots()
        self.shared = sections("tales.grammar")
        heroes = sections("heroes.grammar")
        self.names = people(heroes["names"])
        self.animal_names = people(heroes["animal names"])
        self.grown_ups = people(heroes["grown-ups"])
        pairs = [line.split(": ") for line in heroes["helping animals"]]
        self.helping_animals = {kind: Word(f"the {kind}", first=first, called=kind)
                                for kind, first in pairs}  # fmt: skip
        self.places = dict(line.split(": ") for line in heroes["places"])

    # -- writing ----------------------------------------------------------------------------

    def story(self, plan: list[list[str]]) -> str:
        """A story of this plan that has not been told yet; "| " begins a line of its own."""
        while True:
            slots = self.slots()
            heading, *told = [self.rng.choice(line).format_map(slots) for line in plan]
            text = finish(" ".join(told).replace(" | ", "\n").removeprefix("| "))
            if text not in self.told:
                self.told.add(text)
                return f"{finish(heading)}\n{text}"

    def tale(self, plot: Plot) -> str:
        """A story of this plot that has not been told yet."""
        while True:
            text = self.draft(plot)
            if text not in self.told:
                self.told.add(text)
                return text

    def draft(self, plot: Plot) -> str:
        form, place, hero = self.hero(plot)
        slots = self.filled(hero, place)
        parts = [self.opening(plot, form)]
        parts += [self.rng.choice(plot.lines["wish"]), self.rng.choice(plot.lines["but"])]
        attempts = self.shuffled(plot.attempts)[: self.rng.choice((1, 2, 2))]
        sad = self.shuffled(self.shared["sad"])
        for firsts, seconds in attempts:
            parts.append(f"{self.rng.choice(firsts)} {self.rng.choice(seconds)}")
            if self.rng.random() < 0.5:
                parts.append(sad.pop())
        helped = self.rng.random() < 0.6
        parts += self.help(plot, form, hero, slots) if helped else self.idea(plot, parts[-1])
        asleep = "asleep" in plot.lines
        thanks = helped and self.rng.random() < 0.5
        if (thanks or self.rng.random() < 0.6) and not asleep:
            parts.append(self.after(parts[-1], self.shared["thanks" if thanks else "glad"]))
        parts.append(self.after(parts[-1], plot.lines["end"]))
        if self.rng.random() < 0.65 and not asleep:
            parts.append(self.last(plot, form, place, parts[-1]))
        told = self.refer("\n".join(map(self.unfold, parts)), form).format_map(slots)
        title = self.rng.choice(plot.lines["title"]).format_map(slots).upper()
        return "\n".join([finish(title), " ".join(map(finish, told.split("\n")))])

    def after(self, before: str, wordings: list[str]) -> str:
        """One of the wordings, but speech does not follow speech, and nobody laughs twice."""
        if "laugh" in before:
            wordings = [wording for wording in wordings if "laugh" not in wording]
        quiet = [wording for wording in wordings if '"' not in wording]
        return self.rng.choice(quiet if '"' in before and quiet else wordings)

    def unfold(self, wording: str) -> str:
        """One of the words in each (a|b)."""
        return re.sub(
            r"\(([^()]*\|[^()]*)\)", lambda found: self.rng.choice(found[1].split("|")), wording
        )

    def hero(self, plot: Plot) -> tuple[str, str, Word]:
        """Whether the hero is a child, or an animal with a name or without; where; and who."""
        forms = plot.words("who")
        weights = [3 if form == "child" else 2 if form == "named" else 1 for form in forms]
        while True:
            form = self.rng.choices(forms, weights)[0]
            place = self.rng.choice(plot.words("where"))
            kinds = [kind for kind in self.places[place].split(", ") if kind != "child"]
            real = [kind for kind in kinds if kind not in MADE_UP]
            kinds = [kind for kind in kinds if kind in plot.words("animals", ", ".join(real))]
            if form == "child":
                return form, place, self.rng.choice(self.names)
            if kinds:
                kind = self.rng.choice(kinds)
                if form == "named":
                    names = [
                        name for name in self.animal_names if kind != "hen" or name.he == "she"
                    ]
                    name = self.rng.choice(names)
                    return form, place, Word(name, kind=kind, **HE[name.he])
                return form, place, Word(f"the {kind}", kind=kind, **HE["it"])

    def filled(self, hero: Word, place: str) -> Slots:
        """The slots, with all that this story knows from the start."""
        mix, first, second, things = re.split(r" = | \+ |: ", self.rng.choice(self.shared["mix"]))
        given = {
            "h": hero, "name": hero, "at": Word(place), "kind": Word(getattr(hero, "kind", "")),
            "mix": Word(mix), "mix1": Word(first), "mix2": Word(second),
            "mixed": Word(self.rng.choice(things.split(", "))),
            "sex": Word("boy" if hero.he == "he" else "girl"),
            "grown": self.rng.choice(self.grown_ups),
            "name2": self.rng.choice([name for name in self.names if name != hero]),
        }  # fmt: skip
        for key in ("sweet", "veg", "inst", "fur", "late", "treat"):
            given[key] = self.word(self.rng.choice(self.shared[key][0].split(", ")))
        given |= {key: Word(getattr(hero, key)) for key in HE["he"]}
        if place == "at school":
            given["day"] = self.rng.choice(self.lexicon.lists["day"][:5])
            given["time"] = self.rng.choice(self.lexicon.lists["time"][:2])
        return self.slots(**given)

    def word(self, text: str) -> Word:
        """The word of the tables, if it is one of theirs."""
        return next((word for word in self.lexicon.words if word == text), Word(text))

    def opening(self, plot: Plot, form: str) -> str:
        night = " night" if form == "child" and "night" in plot.lines else ""
        return self.rng.choice(plot.lines.get("open") or self.shared[f"open {form}{night}"])

    def last(self, plot: Plot, form: str, place: str, end: str) -> str:
        """How it went on, if it is not said already that it is night, or that all are home."""
        known = "{time}|day|night|sun|again" if {"night", "open"} & plot.lines.keys() else "$^"
        if place in HOME or re.search("home|bed|night", end):
            known += "|home|stayed|night"
        lines = self.shared["last child" if form == "child" else "last animal"]
        return self.rng.choice([line for line in lines if not re.search(known, line)])

    def help(self, plot: Plot, form: str, hero: Word, slots: Slots) -> list[str]:
        child = form == "child"
        own = plot.lines.get(f"help {'child' if child else 'animal'}", [])
        wording, _, able = self.rng.choice(own + plot.lines.get("help", [])).partition(" @ ")
        if not child:
            kinds = able.split(", ") if able else list(self.helping_animals)
            taken = {hero.kind, *plot.words("without")}
            kind = self.rng.choice([kind for kind in kinds if kind not in taken])
            helper = self.helping_animals[kind]
        elif "helpers" in plot.lines:
            helper = self.rng.choice([name for name in self.names if name != hero])
        else:
            helper = self.rng.choice([who for who in self.grown_ups if who != slots["grown"]])
        slots["f"] = helper
        slots["someone"] = Word(getattr(helper, "first", helper))
        slots["f2"] = Word(getattr(helper, "called", helper))
        tell = self.rng.choice(plot.lines["tell"])
        told = self.rng.choice(self.shared["tell"])
        told = told.replace("{tell}", tell).replace("{tell2}", within(tell))
        come = [
            line for line in self.shared["come"] if "met" not in line or slots["at"] not in HOME
        ]
        return [self.rng.choice(come), told, wording]

    def idea(self, plot: Plot, before: str) -> list[str]:
        wording = self.rng.choice(plot.lines["self"])
        ideas = [idea for idea in self.shared["idea"] if not before.startswith(idea[:4])]
        return [self.after(before, ideas)] * (not LUCK.search(wording)) + [wording]

    def refer(self, text: str, form: str) -> str:
        """Puts the hero's name, or a pronoun where it is clear whom it means, for {n} and {h}."""
        last = "none"

        def reference(found: re.Match[str]) -> str:
            nonlocal last
            slot = found[1]
            if slot in ("f", "someone"):
                last = "helper"
                return found[0]
            opened = last == "none" and form != "child"  # only the animal is known so far
            clear = opened or last == "name" or (last == "pronoun" and self.rng.random() < 0.25)
            follows = ABOUT_THE_HERO.search(text[: found.start()])
            shy = 0.65 if form != "unnamed" or opened else 0.5 if follows else 0.2
            if slot == "n" and clear and self.rng.random() < shy:
                last = "pronoun"
                return "{he}"
            last = "name"
            if form == "named" and self.rng.random() < 0.12:
                return "the {kind}"
            return "{h}"

        return re.sub(r"{(h|n|f|someone)}", reference, text)

    # -- recognising ------------------------------------------------------------------------

    def wordings(self) -> dict[str, list[str]]:
        """Every wording by its section, sentence by sentence; an attempt's parts are together."""
        whole = {name: [*lines] for name, lines in self.shared.items() if name not in WORD_LISTS}
        for plot in self.plots:
            for key, lines in plot.lines.items():
                if key not in SETTINGS:
                    whole.setdefault(key, []).extend(line.partition(" @ ")[0] for line in lines)
            for firsts, seconds in plot.attempts:
                whole.setdefault("try", []).extend(map(" ".join, product(firsts, seconds)))
        tells = [tell for plot in self.plots for tell in plot.lines["tell"]]
        whole["tell"] = [
            line.replace("{tell}", tell).replace("{tell2}", within(tell))
            for line, tell in product(self.shared["tell"], tells)
        ]
        found = {}
        for name, lines in whole.items():
            plain = chain.from_iterable(map(unfolded, lines))
            found[name] = [part for line in plain for part in sentences(line)]
        return found

    def templates(self) -> Iterator[Template]:
        """All wordings of plots, as they can be read again; who is who, `check_story` sees."""
        domains = {name: Domain(words) for name, words in self.lexicon.lists.items()}
        for slot, texts in self.fillers().items():
            domains[slot] = Domain(list(dict.fromkeys(map(self.word, texts))))
        for section, lines in self.wordings().items():
            for line in lines:
                for who in ("{h}", "{he}") if "{n}" in line else ("",):
                    wording = line.replace("{n}", who)
                    yield Template("story", section, wording, domains, domains)

    def fillers(self) -> dict[str, list[str]]:
        """What can stand in the slots of the wordings that the lexicon does not know."""
        kinds = sorted({kind for line in self.places.values() for kind in line.split(", ")[1:]})
        animals = [f"the {kind}" for kind in kinds]
        helpers = list(self.helping_animals.values())
        people = [*self.names, *self.grown_ups]
        mixes = [re.split(r" = | \+ |: ", line) for line in self.shared["mix"]]
        listed = {key: self.shared[key][0].split(", ") for key in WORD_LISTS[1:]}
        words: dict[str, Iterable[str]] = {
            "h": [*self.names, *self.animal_names, *animals],
            "n": [*self.names, *self.animal_names, *animals, "he", "she", "it"],
            "name": self.animal_names, "name2": self.names, "kind": kinds, "at": self.places,
            "he": ["he", "she", "it"], "him": ["him", "her", "it"], "his": ["his", "her", "its"],
            "himself": ["himself", "herself", "itself"], "sex": ["boy", "girl"],
            "grown": self.grown_ups, "f": [*people, *helpers],
            "someone": [*people, *(helper.first for helper in helpers)],
            "f2": [*people, *self.helping_animals], "mix": [mix[0] for mix in mixes],
            "mix1": [mix[1] for mix in mixes], "mix2": [mix[2] for mix in mixes],
            "mixed": [thing for mix in mixes for thing in mix[3].split(", ")], **listed,
        }  # fmt: skip
        return {key: list(map(str, found)) for key, found in words.items()}

    @cached_property
    def openings(self) -> list[tuple[str, re.Pattern[str]]]:
        """How a story begins: the form of its hero, and the pattern with its groups."""
        words = {key: "|".join(map(re.escape, fillers)) for key, fillers in self.fillers().items()}
        words |= {key: "|".join(self.lexicon.lists[key]) for key in ("day", "time")}
        words |= {"h": "[A-Z][a-z]+", "name": "[A-Z][a-z]+"}
        lines = [(form, line) for name, form in OPENINGS.items() for line in self.shared[name]]
        lines += [("child", line) for plot in self.plots for line in plot.lines.get("open", [])]
        found = []
        for form, line in lines:
            seen: set[str] = set()

            def group(slot: re.Match[str], seen: set[str] = seen) -> str:
                key = slot[1]
                if key in seen:
                    return f"(?i:(?P={key}))"
                seen.add(key)
                return f"(?P<{key}>{words[key]})" if key in ("h", "name") else (
                    f"(?i:(?P<{key}>{words[key]}))")  # fmt: skip

            pattern = re.sub(r"\\{(\w+)(?::t)?\\}", group, re.escape(line))
            found.append((form, re.compile(re.sub(r"\b([Aa])\\ ", r"\1n?\\ ", pattern))))
        return found

    def hero_of(self, told: str) -> tuple[str, str, str, str] | None:
        """Of the first sentences of a story its hero, the hero's kind, the place, and he, she or
        it ("" where it does not say)."""
        for form, pattern in self.openings:
            if found := pattern.match(told):
                groups = {"kind": "", "sex": "", "he": "", "his": "", "at": ""} | found.groupdict()
                he = "it" if form == "unnamed" else (groups["he"] or groups["his"]).lower()
                he = {"his": "he", "her": "she", "its": "it"}.get(he, he)
                if groups["sex"]:
                    he = "he" if groups["sex"] == "boy" else "she"
                kind = groups["kind"]
                name = groups.get("h") or groups.get("name") or f"the {kind}"
                known = [word.he for word in (*self.names, *self.animal_names) if word == name]
                return name, kind, groups["at"].lower(), he or "".join(known[:1])
        return None

    def check_story(self, text: str) -> Verdict:
        """Whether a story (with its title, or without) keeps its hero, place and pronouns."""
        told = text.strip().split("\n")[-1]
        hero = self.hero_of(told)
        if hero is None:
            return Verdict(None, False, False, False)
        name, kind, place, he = hero
        sentences = re.findall(r'[^.?!]+[.?!]+"?(?= |$)', told)
        late = " ".join(sentences[len(sentences) // 2 :])
        called = [name, f"the {kind}"] if kind else [name]
        kept = any(re.search(rf"\b{re.escape(word)}\b", late, re.IGNORECASE) for word in called)
        strangers = self.strangers(name, sentences)
        places = set(re.findall("|".join(self.places), told, re.IGNORECASE))
        elsewhere = {word.lower() for word in places} - {place}
        return Verdict(name, kept and not strangers, not elsewhere, pronouns_kept(sentences, he))

    def strangers(self, hero: str, sentences: list[str]) -> set[str]:
        """Names of heroes in the text that nobody introduced: they came for the hero."""
        names = {str(word) for word in (*self.names, *self.animal_names)} - {hero}
        known: set[str] = set()
        for sentence in sentences:
            here = names & set(re.findall(r"[A-Z][a-z]+", sentence))
            if re.search(r"came|met|asked|saw him|saw her|saw it|called the star", sentence):
                known |= here
            names -= known
            if names & here:
                return names & here
        return set()


def pronouns_kept(sentences: list[str], he: str) -> bool:
    """Whether every he and she is the hero's, or that of a person just named."""
    before = ""
    for sentence in sentences:
        said = re.sub(r'"[^"]*"', " ", sentence).lower()
        words = set(re.findall(r"[a-z]+", said))
        for other in {"he", "she"} - {he}:
            if words & PRONOUNS[other] and not re.search(PERSONS[other], f"{before} {said}"):
                return False
        before = said
    return True


def within(sentence: str) -> str:
    """As it stands after a comma."""
    return sentence if re.match(r"I\b|{", sentence) else sentence[0].lower() + sentence[1:]


def unfolded(wording: str) -> list[str]:
    """The wording with each choice of its (a|b)."""
    parts = re.split(r"\(([^()]*\|[^()]*)\)", wording)
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    return list(map("".join, product(*choices)))


def people(lines: list[str]) -> list[Word]:
    """The names on lines that begin with "he: " and "she: "."""
    pairs = [line.split(": ") for line in lines]
    return [Word(name, **HE[he]) for he, names in pairs for name in names.split(", ")]


def sentences(text: str) -> list[str]:
    """The sentences of a text; what is said stays with who says it."""
    return re.split(r'(?:(?<=[.?!])|(?<=[.?!]"))(?<!Mr\.)(?<!Mrs\.) (?=["A-Z{])', text)
