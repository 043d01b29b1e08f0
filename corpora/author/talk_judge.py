"""Judges talks: what You says is read by the wordings of the grammar, and what Bot answers is
compared with what may be answered, by the tables and by what was told before. Writes nothing.

    judge = Judge(Talks(random.Random(1), Lexicon()))
    judge.check([("My name is Sam.", "Hello, Sam!"), ("What is my name?", "Your name is Tom.")])
"""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from author.lexicon import Word
from author.talk_grammar import REMEMBERED, SLOT, Exchange, attributes, slots_in
from author.talk_pieces import SUBJECTS
from author.talks import TOLD, Talk, Talks

LONG = (
    ("what'?s", "what is"), ("i'?m", "i am"), ("who'?s", "who is"), ("where'?s", "where is"),
    ("don'?t", "do not"), ("didn'?t", "did not"), ("can'?t", "cannot"), ("isn'?t", "is not"),
    ("that'?s", "that is"), ("it is|it's", "its"), ("colour(s?)", r"color\1"), ("an", "a"),
)  # fmt: skip
EXPANDED = [(re.compile(rf"\b(?:{short})\b"), long) for short, long in LONG]
ABOUT = ("hint", "like food", "like drink", "fact")  # sections about a word x
NAMED = ("tell name", "after What is your name", "after What is yours", "rename")
REQUESTS = (
    "story about me",
    "joke",
    "riddle",
    "rhyme",
    "story",
    "count",
    "spell",
    "say",
    "rhymes",
    "fact",
)
MADE = ("facts about", "known", "before fact")  # lines of answers
# Kinds of questions, and sections, each of whose answers would do for the others.
LENIENT = (
    "color", "sound", "kind", "home", "food", "taste", "can", "legs", "material", "grows", "size",
    "young",
)  # fmt: skip
ALIKE = (
    ("hello", "what is up"), ("bye",), ("recall name",), ("how",), ("thanks",),
    ("tell name", "after What is your name?", "after What is yours?", "after Who are you?",
     "after And who are you?", "after What is it?"),
)  # fmt: skip
BY_ANSWER = ("after", "guess", "quiz right", "quiz wrong", "hint right")  # follow from Bot's words
Place = tuple[str, str, str]  # a slot, what of it, and how
BESIDE = ("x", "y", "z", "o", "p")
PLACE = "zqqz"  # holds the place of a slot


@cache
def normal(text: str) -> str:
    """A line without what people type in one way or another: capitals, marks, contractions."""
    text = text.lower().replace("\u2019", "'")
    for short, long in EXPANDED:
        text = short.sub(long, text)
    return " ".join(re.sub(r"[^a-z0-9 +-]", " ", text.replace("'", "").replace("+", " + ")).split())


def polarity(line: Exchange) -> str:
    """Whether the answer is yes or no, or neither."""
    first = re.match("(Yes|No), ", line.bot[0])
    return first[1] if first else ""


def turns_of(talk: str) -> list[tuple[str, str]]:
    """What You says and what Bot answers, in a text of lines that begin with their names."""
    found = re.findall(r"^You: (.*)\nBot: (.*)$", talk, re.M)
    return [(you, bot) for you, bot in found]


def told(word: Word, of: str) -> Word:
    """What is told of a word, if anything is named."""
    for name in filter(None, of.split(".")):
        word = getattr(word, name)
    return word


@dataclass(frozen=True)
class Verdict:
    """How one exchange of a talk was, where that can be told."""

    turn: int
    kind: str  # fact, yes-no, follow-up, name, memory, not told, unknown, request, game, chat
    right: bool
    you: str
    bot: str
    section: str  # of the grammar


@dataclass(frozen=True)
class Reading:
    """One way to understand what You said."""

    exchange: Exchange
    slots: dict[str, list[Word]]  # what may stand in each slot


@dataclass
class State:
    """What a judge knows of a talk so far."""

    known: dict[str, Word] = field(default_factory=dict)
    asks: list[str] = field(default_factory=list)  # what Bot has just asked
    kind: str = ""  # of the last question
    words: list[Word] = field(default_factory=list)  # what it was about
    asked: Reading | None = None
    riddle: list[Word] = field(default_factory=list)  # its solutions
    quiz: list[tuple[str, Word]] = field(default_factory=list)  # its line, and about what


class Judge:
    """Reads talks and says of each exchange whether it is right."""

    def __init__(self, talks: Talks) -> None:
        self.talks, self.grammar = talks, talks.grammar

    # -- wordings as patterns ----------------------------------------------------------------

    def wordings(self) -> set[str]:
        """All that You and Bot may say, with slots."""
        exchanges = [*self.grammar.questions.values(), *self.grammar.talks.values()]
        return {wording for lines in exchanges for line in lines for wording in line.you + line.bot}

    @cached_property
    def by_first_word(self) -> dict[str, list[tuple[Exchange, str]]]:
        """Exchanges with a wording of You, by its first word; "" if a slot comes first."""
        found: dict[str, list[tuple[Exchange, str]]] = {}
        for lines in (*self.grammar.questions.values(), *self.grammar.talks.values()):
            for line in lines:
                for you in line.you:
                    first = normal(SLOT.sub(PLACE, you)).split()[0]
                    first = "" if first.startswith("zq") else first
                    found.setdefault(first, []).append((line, you))
        return found

    def words_for(self, slot: str, kind: str) -> list[Word]:
        """What may stand in a slot."""
        if slot in BESIDE:
            return self.grammar.having.get(kind, self.grammar.words)
        if slot == "first":
            return self.grammar.lists["letter"]
        if slot in ("answer", "guess"):
            return [word for word in self.grammar.words if word.table in SUBJECTS]
        return self.grammar.lists.get(slot.rstrip("0123456789"), [])

    @cache  # noqa: B019
    def texts(self, slot: str, of: str, spec: str, kind: str) -> dict[str, list[Word]]:
        """The words that may stand in a slot, by how they look there."""
        found: dict[str, list[Word]] = {}
        for word in self.words_for(slot, kind):
            try:
                text = format(told(word, of), spec)
            except AttributeError:
                continue
            found.setdefault(normal(text), []).append(word)
        return found

    @cache  # noqa: B019
    def pattern(
        self, wording: str, kind: str
    ) -> tuple[re.Pattern[str], list[tuple[str, str, str]]]:
        """A pattern for a wording, and the slots that its groups stand for."""
        several = len(slots_in(wording) & set(BESIDE)) > 1
        slots = [
            (found["slot"], found["of"] or "", found["spec"] or "")
            for found in SLOT.finditer(wording)
        ]
        text = re.escape(normal(SLOT.sub(PLACE, wording))).replace("\\ ", " ")
        for slot, of, spec in slots:
            texts = self.texts(slot, of, spec, kind)
            one_of = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
            few = texts and (several or (len(texts) < 150 and (of or slot not in BESIDE)))
            text = text.replace("zqqz", f"({one_of})" if few else "(.+?)", 1)
        return re.compile(text), slots

    def read(self, wording: str, kind: str, line: str) -> dict[str, list[Word]] | None:
        """What stands in the slots of a wording, if the (normal) line says it."""
        pattern, slots = self.pattern(wording, kind)
        found = pattern.fullmatch(line)
        if not found:
            return None
        words: dict[str, list[Word]] = {}
        for (slot, of, spec), text in zip(slots, found.groups(), strict=True):
            texts = self.texts(slot, of, spec, kind)
            if not texts and slot not in BESIDE:
                words[slot] = [Word(text)]
                continue
            fitting = texts.get(text, [])
            if slot in words:
                fitting = [word for word in words[slot] if any(word is other for other in fitting)]
            words[slot] = fitting
        return words if all(words.values()) else None

    # -- what You says -----------------------------------------------------------------------

    def readings(self, you: str, state: State) -> Iterator[Reading]:
        line = normal(you)
        first = line.split()[0] if line else ""
        candidates = [*self.by_first_word.get(first, []), *self.by_first_word.get("", [])]
        for exchange, wording in candidates:
            if not self.may_come(exchange.section, state):
                continue
            slots = self.read(wording, exchange.kind, line)
            if slots is None:
                continue
            slots = self.with_context(exchange, wording, slots, state)
            if slots is not None:
                yield Reading(exchange, slots)

    def may_come(self, section: str, state: State) -> bool:
        """Whether an exchange of this section can follow."""
        kind, _, form = section.partition(" ")
        if section in self.grammar.questions:
            if form in ("and", "they"):
                return state.kind == kind
            return form not in ("it", "them") or bool(state.words)
        if kind == "after":
            return form in state.asks
        if kind == "guess" or section == "give up":
            return bool(state.riddle)
        if kind == "quiz" and form:
            return bool(state.quiz)
        if kind == "recall" and form in ("all", "nothing"):
            return bool(self.known_lines(state)) == (form == "all")
        if section in ("sure", "asked"):
            return state.asked is not None
        return True

    def with_context(
        self, exchange: Exchange, wording: str, slots: dict[str, list[Word]], state: State
    ) -> dict[str, list[Word]] | None:
        """The slots with what is known from before; None where the wording does not fit it."""
        section = exchange.section
        kind, _, form = section.partition(" ")
        if section in self.grammar.questions:
            if form in ("it", "them"):
                words = [word for word in state.words if hasattr(word, kind)]
                slots = {**slots, "x": [w for w in words if self.same(w, slots.get("x"), wording)]}
            return self.beside(slots, exchange) if slots.get("x") else None
        known = {name: [word] for name, word in state.known.items()}
        telling = kind in ("tell", "after")
        if not telling and any(
            name in known and slots[name] != known[name] for name in slots if name in REMEMBERED
        ):
            return None
        if kind == "recall" and form not in ("all", "nothing"):
            key = form.removesuffix(" unknown")
            is_known = TOLD[key] in known
            pairs = {"pet": "anypet", "mine": "anymine", "relative": "anyrelative"}
            if key in pairs and pairs[key] in slots:
                is_known = is_known and slots[pairs[key]] == known.get(key)
            if is_known == form.endswith("unknown"):
                return None
            if any(name in REMEMBERED and name not in known for name in slots_in(wording)):
                return None
        if section == "rename" and "name" not in known:
            return None
        if section == "stranger" and slots["other"][0] in state.known.values():
            return None
        if section == "wrong name" and ("name" not in known or slots.get("other") == known["name"]):
            return None
        if section == "guess right":
            answers = [word for word in state.riddle if word in map(str, slots["answer"])]
            return {**known, "answer": answers} if answers else None
        if section == "guess wrong" and any(
            word in state.riddle for word in map(str, slots["guess"])
        ):
            return None
        if section == "give up":
            slots = {**slots, "answer": state.riddle}
        return {**known, **slots}

    def same(self, word: Word, read: list[Word] | None, wording: str) -> bool:
        """Whether a word is of what was read as x, where only what is told of x was read."""
        if read is None:
            return True
        return all(
            any(told(word, of) == told(other, of) for other in read)
            for of in attributes(wording)
            if hasattr(word, of)
        )

    def beside(
        self, slots: dict[str, list[Word]], exchange: Exchange
    ) -> dict[str, list[Word]] | None:
        """The slots, if y and z differ from x in what is asked for."""
        for letter in "yz":
            if letter in slots:
                kind = exchange.kind
                others = {getattr(word, kind) for word in slots[letter]}
                slots["x"] = [word for word in slots["x"] if getattr(word, kind) not in others]
        return slots if slots["x"] else None

    # -- what Bot answers --------------------------------------------------------------------

    def accepts(self, reading: Reading, bot: str, state: State) -> dict[str, list[Word]] | None:
        """What stands in the answer, if it is one that may come; else None."""
        for wording in (*reading.exchange.bot, *self.also(reading)):
            slots = self.answered(wording, reading, bot, state)
            if slots is not None:
                return slots
        section = "before fact"
        for line in self.grammar.lines[section] + self.grammar.lines["before request"]:
            before = self.filled(line, {name: [word] for name, word in state.known.items()})
            start = normal(before) + " "
            if "{" not in start and normal(bot).startswith(start):
                rest = re.split(r"(?<=[.!?]) ", bot, maxsplit=len(re.findall(r"[.!?]", before)))[-1]
                return self.accepts(reading, rest, state) if rest != bot else None
        return None

    def also(self, reading: Reading) -> tuple[str, ...]:
        """Answers that other exchanges have and that would do here as well."""
        section, kind = reading.exchange.section, reading.exchange.kind
        if section not in self.grammar.questions:
            alike = next((group for group in ALIKE if section in group), ())
            return self.bots_of(alike)
        if kind not in LENIENT or not self.is_about_x(reading.exchange):
            return ()
        return self.bots_about(kind, polarity(reading.exchange))

    def bots_of(self, sections: tuple[str, ...]) -> tuple[str, ...]:
        lines = (line for section in sections for line in self.grammar.talks[section])
        return tuple(bot for line in lines for bot in line.bot)

    @cache  # noqa: B019
    def bots_about(self, kind: str, answer: str) -> tuple[str, ...]:
        return tuple(
            bot
            for section, lines in self.grammar.questions.items()
            if section.split()[0] == kind and not section.endswith("state")
            for line in lines
            if self.is_about_x(line) and polarity(line) == answer
            for bot in line.bot
            if slots_in(bot) <= {"x"}
        )

    def is_about_x(self, line: Exchange) -> bool:
        """Whether You names x, or says "it", and wants to know what is told of it."""
        form = line.section.partition(" ")[2]
        return form in ("it", "them") or any(
            found["slot"] == "x" and not found["of"] for found in SLOT.finditer(line.you[0])
        )

    def filled(self, wording: str, slots: dict[str, list[Word]]) -> str:
        """The wording with what is certain put in."""

        def fill(found: re.Match[str]) -> str:
            words = slots.get(found["slot"], [])
            try:
                texts = {
                    format(told(word, found["of"] or ""), found["spec"] or "") for word in words
                }
            except AttributeError:
                return found[0]
            return texts.pop() if len(texts) == 1 else found[0]

        return SLOT.sub(fill, wording)

    def answered(
        self, wording: str, reading: Reading, bot: str, state: State
    ) -> dict[str, list[Word]] | None:
        kind = reading.exchange.kind
        special = re.search(r"{(\w+)}\.?$", wording)
        if special and (check := getattr(self, f"is_{special[1]}", None)):
            before = normal(wording[: special.start()])
            if not normal(bot).startswith(before):
                return None
            rest = bot if not before else bot.partition(wording[: special.start()].strip())[2]
            return reading.slots if check(rest.strip(), reading, state) else None
        known = {name: [word] for name, word in state.known.items()}
        telling = reading.exchange.section.startswith(("tell", "after"))
        slots = {**known, **reading.slots}
        if not telling and any(
            name not in slots for name in slots_in(wording) if name in REMEMBERED and name != "tint"
        ):
            return None
        if telling and "name" in slots_in(wording) and "name" not in slots:
            return None
        if "first" in slots_in(wording):
            slots["first"] = [Word(word[0]) for word in slots["spelled"]]
        found = self.read(self.filled(wording, slots), kind, normal(bot))
        if found is None:
            return None
        for name, words in found.items():
            if name == "x" and name in slots:
                found[name] = [w for w in words if any(w is other for other in slots["x"])]
                if not found[name]:
                    return None
            if name in ("o", "p"):
                fitting = [
                    word
                    for word in words
                    for x in found.get("x", slots.get("x", []))
                    if word != x and getattr(word, kind) == getattr(x, kind)
                ]
                if not fitting:
                    return None
        if "o" in found and "p" in found and found["o"][0] == found["p"][0]:
            return None
        return {**slots, **found}

    def is_joke(self, bot: str, reading: Reading, state: State) -> bool:
        return bot in self.grammar.lines["jokes"]

    def is_no(self, bot: str, reading: Reading, state: State) -> bool:
        return bot in self.grammar.lines["no"]

    def is_rhyme(self, bot: str, reading: Reading, state: State) -> bool:
        pairs = "|".join(map(normal, self.grammar.lists["rhyming"]))
        for line in self.grammar.lines["rhyming"]:
            text = normal(SLOT.sub(PLACE, line)).replace(PLACE, f"({pairs})")
            if (found := re.fullmatch(text, normal(bot))) and found[1] != found[2]:
                return True
        return False

    def is_story(self, bot: str, reading: Reading, state: State) -> bool:
        wished = reading.slots.get("beast")
        for plan in self.grammar.lines["stories"]:
            wording = self.filled(plan, {"beast": wished}) if wished else plan
            if self.read(wording, "", normal(bot)) is not None:
                return True
        return False

    def is_mystory(self, bot: str, reading: Reading, state: State) -> bool:
        name = {"name": [state.known["name"]]} if "name" in state.known else {}
        lines = (self.filled(line, name) for line in self.grammar.lines["my stories"])
        return any(self.read(line, "", normal(bot)) is not None for line in lines)

    def is_riddle(self, bot: str, reading: Reading, state: State) -> bool:
        return bool(self.solutions(bot))

    def solutions(self, bot: str) -> list[Word]:
        """The words that a riddle may mean."""
        *clues, last = re.split(r"(?<=[.?]) ", bot)
        if last != "What am I?" or not clues:
            return []
        clues = [clue.replace(" an ", " a ") for clue in clues]
        return self.talks.solutions(clues)

    def is_quiz(self, bot: str, reading: Reading, state: State) -> bool:
        return bool(self.quizzes(bot))

    def quizzes(self, bot: str) -> list[tuple[str, Word]]:
        return [
            (line, word)
            for line in self.grammar.lines["quizzes"]
            for word in (self.read(line.split(" > ")[0], "", normal(bot)) or {}).get("x", [])
            if all(hasattr(word, name) for name in attributes(line))
        ]

    def is_fact(self, bot: str, reading: Reading, state: State) -> bool:
        return any(self.read(line, "", normal(bot)) for line in self.grammar.lines["facts"])

    def is_factof(self, bot: str, reading: Reading, state: State) -> bool:
        x = {"x": reading.slots["x"]}
        return any(
            self.read(self.filled(line, x), "", normal(bot)) is not None
            for line in self.grammar.lines["facts about"]
        )

    def known_lines(self, state: State) -> list[str]:
        known = {name: [word] for name, word in state.known.items()}
        lines = (self.filled(line, known) for line in self.grammar.lines["known"])
        return [normal(line) for line in lines if "{" not in line]

    def is_known(self, bot: str, reading: Reading, state: State) -> bool:
        lines = self.known_lines(state)
        sentences = re.split(r"(?<=[.!?]) ", bot)
        return all(normal(sentence) in lines for sentence in sentences)

    def is_about(self, bot: str, reading: Reading, state: State) -> bool:
        named = {format(w, "s") if w.counted else str(w) for w in state.words}
        return normal(bot) in map(normal, named)

    def is_again(self, bot: str, reading: Reading, state: State) -> bool:
        if state.asked is None:
            return False
        if not bot:
            return False
        slots = {**state.asked.slots, "x": state.words}
        return any(
            self.read(re.sub("^(Yes|No), ", "", self.filled(wording, slots)), "", normal(bot))
            is not None
            for wording in state.asked.exchange.bot
        )

    def is_counted(self, bot: str, reading: Reading, state: State) -> bool:
        return normal(bot) == normal(" ".join(self.count(reading)))

    def is_countdown(self, bot: str, reading: Reading, state: State) -> bool:
        return normal(bot) == normal(" ".join(self.count(reading)[::-1]))

    def count(self, reading: Reading) -> list[str]:
        counted = list(map(str, self.grammar.having["number"]))
        return counted[: counted.index(reading.slots["upto"][0]) + 1]

    def is_letters(self, bot: str, reading: Reading, state: State) -> bool:
        return bot == ", ".join(reading.slots["spelled"][0].upper()) + "."

    def is_full(self, bot: str, reading: Reading, state: State) -> bool:
        """What is said after a quiz: the truth, and whether You knew it."""
        for line, word in state.quiz:
            full = line.split(" > ")[2].format(x=word)
            if normal(bot) == normal(full):
                return self.is_right_answer(reading, line, word)
        return False

    def is_right_answer(self, reading: Reading, line: str, word: Word) -> bool:
        if reading.exchange.section == "quiz unknown":
            return True
        answers = [normal(answer.format(x=word)) for answer in line.split(" > ")[1].split(" / ")]
        said = normal(reading.slots["reply"][0])
        return (said in answers) == (reading.exchange.section == "quiz right")

    # -- talks -------------------------------------------------------------------------------

    def check(self, turns: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Verdicts on the exchanges that can be judged, and on each name that Bot uses."""
        state = State()
        verdicts = []
        for turn, (you, bot) in enumerate(turns):
            readings = sorted(
                self.readings(you, state),
                key=lambda reading: not reading.exchange.section.startswith(("after", "quiz ")),
            )
            tried = ((reading, self.accepts(reading, bot, state)) for reading in readings)
            understood = next((pair for pair in tried if pair[1] is not None), None)
            if readings:
                reading, accepted = understood or (readings[0], None)
                section = reading.exchange.section
                kind = self.kind_of(section, you)
                verdicts.append(Verdict(turn, kind, accepted is not None, you, bot, section))
                self.remember(reading, accepted, state)
            verdicts += self.names(turn, you, bot, state, readings)
            self.listen(bot, state)
        return verdicts

    def remember(
        self, reading: Reading, accepted: dict[str, list[Word]] | None, state: State
    ) -> None:
        section = reading.exchange.section
        slots = accepted or reading.slots
        if section.startswith(("tell", "after")):
            for name, words in reading.slots.items():
                if name in REMEMBERED:
                    state.known[name] = words[0]
        if section == "rename":
            state.known["name"] = reading.slots["newname"][0]
        if section in self.grammar.questions or section in (
            "hint",
            "like food",
            "like drink",
            "fact",
        ):
            state.kind = reading.exchange.kind
            state.words = [
                self.grammar.named.get(str(word), word) if reading.exchange.kind == "than" else word
                for word in slots.get("x", [])
            ]
            state.asked = Reading(reading.exchange, slots)
        if section.startswith(("guess right", "give up")):
            state.riddle = []
        state.quiz = []

    def listen(self, bot: str, state: State) -> None:
        """What Bot asks, if it does."""
        known = {name: [word] for name, word in state.known.items()}
        line = normal(bot)
        state.asks = [
            section.removeprefix("after ")
            for section in self.grammar.talks
            if section.startswith("after ")
            and line.endswith(normal(self.filled(section.removeprefix("after "), known)))
        ]
        if riddle := self.solutions(bot):
            state.riddle = riddle
        state.quiz = self.quizzes(bot)

    def names(
        self, turn: int, you: str, bot: str, state: State, readings: Iterable[Reading]
    ) -> Iterator[Verdict]:
        """Whether a name that Bot says is one that it was told."""
        if any(reading.exchange.bot[0] == "{story}" for reading in readings):
            return
        names = [name for name in self.grammar.lists["name"] if re.search(rf"\b{name}\b", bot)]
        told_before = {*state.known.values(), *map(str.capitalize, normal(you).split())}
        for name in names:
            yield Verdict(turn, "name kept", name in told_before, you, bot, "name")

    def kind_of(self, section: str, you: str) -> str:
        """The kind of an exchange, for counting."""
        first, _, form = section.partition(" ")
        if section in self.grammar.questions and form and form != "state":
            return "follow-up"
        if section in self.grammar.questions or section == "fixed":
            return "yes-no" if re.match("(is|are|does|do|can) ", normal(you)) else "fact"
        if section.startswith(NAMED):
            return "name"
        if first == "recall" or section in ("wrong name", "asked"):
            return "not told" if form.endswith(("unknown", "nothing")) else "memory"
        if section in REQUESTS:
            return "request"
        if first in ("guess", "give", "quiz", "hint"):
            return "game"
        return "unknown" if section == "unknown" else "chat"

    # -- single lines --------------------------------------------------------------------------

    def is_asked(self, you: str) -> bool:
        """Whether You could say this at some place of a talk."""
        line = normal(you)
        first = line.split()[0] if line else ""
        wordings = [*self.by_first_word.get(first, []), *self.by_first_word.get("", [])]
        return any(self.read(wording, line_.kind, line) for line_, wording in wordings) or any(
            normal(wording) == line for _, wording in wordings
        )

    def is_answered(self, bot: str) -> bool:
        """Whether Bot could say this at some place of a talk, be it right there or not."""
        made = ("riddle", "quiz", "story", "mystory", "rhyme", "joke", "no", "fact")
        state, reading = State(), Reading(Exchange("", (), ()), {})
        if any(getattr(self, f"is_{name}")(bot, reading, state) for name in made):
            return True
        if any(self.read(line, kind, normal(bot)) is not None for line, kind in self.made_lines):
            return True
        start, _, rest = bot.partition(" ")
        if normal(start) in ("yes", "no") and start.endswith("."):
            return self.is_answered(rest)
        first, *more = re.split(r"(?<=[.!?:]) ", bot)  # two that may come one after the other
        return bool(more) and self.is_answered(first) and self.is_answered(" ".join(more))

    @cached_property
    def made_lines(self) -> list[tuple[str, str]]:
        """Wordings of answers, each of whose slots has its words, and kinds."""
        exchanges = [*self.grammar.questions.values(), *self.grammar.talks.values()]
        found = [(bot, line.kind) for lines in exchanges for line in lines for bot in line.bot]
        found += [(re.sub(r" ?{(full|again|rhyme)}", "", bot), kind) for bot, kind in found]
        found += [(re.sub("^(Yes|No), ", "", bot), kind) for bot, kind in found]
        found += [("You asked me about {x}.", ""), ("You asked me about {x:s}.", "")]
        found += [(line, "") for name in MADE for line in self.grammar.lines[name]]
        found += [(line.split(" > ")[2], "") for line in self.grammar.lines["quizzes"]]
        numbers = list(map(str, self.grammar.having["number"]))
        for upto in range(2, len(numbers)):
            found += [(" ".join(numbers[:upto]), ""), (" ".join(numbers[:upto][::-1]), "")]
        found += [(" ".join(word), "") for word in self.grammar.lists["spelled"]]
        return [
            (wording, kind)
            for wording, kind in dict.fromkeys(found)
            if wording and all(self.words_for(slot, kind) for slot in slots_in(wording))
        ]

    # -- talks to hold -----------------------------------------------------------------------

    def questions(self, rng: random.Random) -> list[str]:
        """What You says in a talk, whatever Bot answers."""
        while True:
            talk = Talk(Talks(rng, self.grammar.lexicon, self.grammar))
            talk.hold(rng.choice((4, 5, 6, 7, 8)))
            lines = [
                turn.you
                for turn in talk.turns
                if not turn.section.startswith(BY_ANSWER)
                or re.match(r"(I am|My name is) \w+\.$", turn.you)
            ]
            if len(lines) > 2:
                return lines
