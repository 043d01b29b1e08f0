"""Talks: You says something, Bot answers and remembers it, line by line.

A talk is a row of scenes: somebody tells something and asks for it later, asks about a thing and
the next one, wants a riddle and guesses. What Bot may say follows from what was told before.
"""

import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from author.lexicon import Lexicon, Slots, Word, finish
from author.talk_grammar import (
    REMEMBERED,
    Exchange,
    Grammar,
    attributes,
    slots_in,
)
from author.talk_pieces import SUBJECTS, TalkPieces, Unfit
from author.typing_habits import Typing

# How often each kind of question comes, beside the others.
QUESTIONS = {
    "color": 15, "sound": 15, "opposite": 11, "kind": 11, "home": 8, "food": 8, "young": 8,
    "can": 2, "flies": 3, "walks": 2, "legs": 4, "size": 2, "than": 6, "taste": 5, "grows": 3,
    "good": 1, "material": 4, "room": 3, "use": 4, "place": 1, "does": 5, "work": 2, "day": 8,
    "month": 6, "season": 4, "happens": 2, "number": 7, "sum": 8, "digits": 4, "many": 3,
    "capital": 6, "greeting": 3, "famous": 1, "serves": 3, "doing": 4, "why": 5, "means": 3,
}  # fmt: skip
TOLD = {  # what is told, and what tells it
    "name": "name", "pet": "petname", "like": "liked", "hue": "hue", "age": "age", "town": "town",
    "birthday": "birthday", "lunch": "lunch", "went": "went", "mine": "tint",
    "relative": "relname", "friend": "friend", "today": "today", "lost": "lost", "drawn": "drawn",
}  # fmt: skip
TELL = {
    "pet": 7, "pet first": 6, "like": 8, "hue": 7, "age": 7, "town": 7, "birthday": 5, "lunch": 4,
    "went": 3, "mine": 4, "relative": 4, "friend": 6, "today": 3, "lost": 3, "drawn": 4,
}  # fmt: skip
SCENES = {
    "facts": 90, "tell": 40, "self": 10, "request": 16, "feeling": 7, "advice": 4, "nice": 1,
    "fixed": 6, "unknown": 9, "not told": 5, "quiz": 4, "hint": 4, "you like": 1.5, "fact": 3,
    "known": 2, "ask today": 2, "talk": 3, "ok": 3,
}  # fmt: skip
SUBJECT_KINDS = {  # what is asked when somebody wants to talk about it
    "animals": ("sound", "kind", "home", "food", "young", "can", "legs", "flies", "walks"),
    "colors": ("color",), "food": ("taste", "grows", "good"),
    "numbers": ("number", "sum", "digits"),
    "countries": ("capital", "greeting", "famous"), "opposites": ("opposite",),
    "days": ("day", "month", "season"),
}  # fmt: skip
REQUESTS = {
    "joke": 4, "riddle": 6, "rhyme": 4, "story": 4, "count": 4, "spell": 5, "say": 3, "rhymes": 4
}  # fmt: skip
FEELINGS = (
    "sad", "happy", "tired", "angry", "afraid", "bored", "sick", "hungry", "thirsty", "cold",
    "birthday",
)  # fmt: skip
AFTER = {
    "joke": "laugh", "rhyme": "liked it", "story": "liked it", "story about me": "liked it"
}  # fmt: skip


class Talks(TalkPieces):
    """Writes talks."""

    def __init__(
        self, rng: random.Random, lexicon: Lexicon, grammar: Grammar | None = None
    ) -> None:
        super().__init__(rng, lexicon, grammar)
        self.names: list[Word] = []

    def talk(self) -> str:
        talk = Talk(self)
        talk.hold(self.rng.choice((3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8)))
        return talk.written(Typing(self.rng))

    def brief(self) -> str:
        """A few exchanges with nothing around them: what is told is soon asked for, a question is
        followed by the next. From these a network learns first what it needs in longer ones."""
        talk = Talk(self)
        talk.hold_briefly()
        return talk.written(Typing(self.rng))

    def name(self) -> Word:
        """The next name: each comes once before any comes again."""
        if not self.names:
            self.names = self.shuffled(self.grammar.lists["name"])
        return self.names.pop()


class Turn(NamedTuple):
    """What You says, what Bot answers, and the section of the grammar that it comes from."""

    you: str
    bot: str
    section: str


class Talk:
    """One talk as it goes on: its turns, what was told, what was asked last."""

    def __init__(self, talks: Talks) -> None:
        self.talks, self.rng, self.grammar = talks, talks.rng, talks.grammar
        self.turns: list[Turn] = []
        self.known: dict[str, Word] = {}
        self.told_at: dict[str, int] = {}  # in which turn
        self.is_personal = self.rng.random() < 0.25  # You tells more than it asks
        self.recalled: set[str] = set()
        self.topic: Word | None = None  # what You has just told of
        self.theme = self.rng.choice((*SUBJECTS, None, None))  # what most questions are about
        self.kinds: tuple[str, ...] = ()  # what You wants to talk about
        self.asked: Word | None = None  # what the last question was about
        self.again: str = ""  # the last fact
        self.worded_so: set[str] = set()  # wordings of questions that have been
        self.said: set[str] = set()  # sections and questions that have been
        self.size = 0
        self.scenes: dict[str, Callable[[], None]] = {
            "facts": self.facts, "tell": self.tell, "self": lambda: self.plain("self"),
            "request": self.request, "feeling": self.feeling,
            "advice": lambda: self.plain("advice"), "nice": lambda: self.plain("nice"),
            "fixed": lambda: self.plain("fixed"), "unknown": self.unknown,
            "not told": self.not_told, "quiz": self.quiz, "hint": self.hint,
            "you like": self.you_like, "fact": self.fact, "known": self.all_known,
            "ask today": self.ask_today, "talk": lambda: self.plain("talk"), "ok": self.ok,
        }  # fmt: skip

    def hold(self, size: int) -> None:
        closing = self.rng.random() < 0.5
        size = max(size, 6) if self.is_personal else size
        self.size = size - closing
        self.open()
        while self.left > 0:
            self.go_on()
        self.size = size
        if closing:
            self.say("bye")

    def written(self, typed: Callable[[str], str] = str) -> str:
        """Its lines, with what You says `typed` in some way."""
        return "\n".join(f"You: {typed(turn.you)}\nBot: {turn.bot}" for turn in self.turns)

    def hold_briefly(self) -> None:
        self.size = 6
        if self.rng.random() < 0.5:
            keys = ["name"] if self.rng.random() < 0.7 else []
            if not keys or self.rng.random() < 0.4:
                keys.append(self.talks.weighted(TELL))
            for key in keys:
                self.say(f"tell {key}")
            if self.rng.random() < 0.4:
                self.facts()
            for key in self.talks.shuffled(self.told_at):
                if f"recall {key}" in self.grammar.talks:
                    self.recall(key)
        while not self.turns or (len(self.turns) < 3 and self.rng.random() < 0.3):
            self.facts()

    @property
    def left(self) -> int:
        """How many exchanges there is room for."""
        return self.size - len(self.turns)

    def open(self) -> None:
        first = self.rng.random()
        if first < 0.24:
            self.say("hello")
        elif first < 0.54:
            self.say(self.rng.choice(("tell name",) * 8 + ("tell name age", "tell name town")))
        elif first < 0.60:
            self.say("ask name")
        elif first < 0.65:
            self.say(self.rng.choice(("how", "how", "what is up", "knock")))
        if self.turns and self.left > 2:
            if "name" not in self.known and self.rng.random() < 0.45:
                self.say(self.rng.choice(("tell name", "tell name", "ask name")))
            if self.rng.random() < 0.16:
                self.say("how")
            elif "name" in self.known and self.rng.random() < 0.1:
                self.say("nice to meet you")

    def go_on(self) -> None:
        """The next scene: what was told is asked for, or there is something new."""
        due = [key for key, turn in self.told_at.items() if self.is_due(key, turn)]
        first = [key for key in due if key not in self.recalled]
        hurry = len(first) >= self.left  # what is told is mostly asked for before the end
        if first and self.rng.random() < (0.9 if hurry else 0.5):
            self.recall(self.rng.choice(first))
            return
        if due and self.rng.random() < 0.06:
            self.recall(self.rng.choice(due))
            return
        scenes = dict(SCENES)
        if self.kinds and self.rng.random() < 0.85:
            self.facts()
            if self.rng.random() < 0.5:
                self.kinds = ()
            return
        if self.topic is not None:
            scenes["facts"] *= 4
        elif self.is_personal:
            scenes["tell"] *= 4
        self.scenes[self.talks.weighted(scenes)]()

    def is_due(self, key: str, turn: int) -> bool:
        soon = 1 if self.rng.random() < 0.8 else -1  # now and then it is asked at once
        return len(self.turns) - turn > soon and f"recall {key}" in self.grammar.talks

    # -- one exchange ------------------------------------------------------------------------

    def say(self, section: str, **given: Word) -> bool:
        """An exchange of this section, and what Bot's own question leads to; False if none fits."""
        if section in self.said:
            return False
        for exchange in self.talks.shuffled(self.grammar.talks[section]):
            for _ in range(3):
                try:
                    you, bot, slots = self.worded(exchange, given)
                except Unfit:
                    continue
                if self.add(exchange, you, bot, slots):
                    return True
        return False

    def add(self, exchange: Exchange, you: str, bot: str, slots: dict[str, Word]) -> bool:
        asks = next((name for name in self.after() if bot.endswith(name)), None)
        if asks and (self.left < 2 or not self.can_answer(asks)):
            return False
        yours = finish(you.format_map(slots))
        if yours in self.said:
            return False
        self.said.add(yours)
        if exchange.section in ("hello", "how", "ask name"):
            self.said.add(exchange.section)
        self.answer(yours, bot.format_map(slots), exchange.section)
        fresh = {name: slots[name] for name in slots_in(you, bot) if name in REMEMBERED}
        if exchange.section.startswith(("tell", "after")):
            for name, word in fresh.items():
                if name not in self.known:
                    self.known[name] = word
        if exchange.section == "rename":
            self.known["name"] = slots["newname"]
        for key, slot in TOLD.items():
            if slot in self.known and key not in self.told_at:
                self.told_at[key] = len(self.turns)
        if "subject" in slots_in(you):
            self.kinds = SUBJECT_KINDS[slots["subject"]]
            self.theme = "animals" if slots["subject"] == "animals" else self.theme
        if asks:
            self.say(f"after {asks}", **slots)
        return True

    def answer(self, you: str, bot: str, section: str) -> None:
        self.turns.append(Turn(finish(you), finish(bot), section))

    def after(self) -> Iterator[str]:
        for section in self.grammar.talks:
            if section.startswith("after "):
                yield section.removeprefix("after ")

    def can_answer(self, asks: str) -> bool:
        """Whether what Bot asks for has not been told."""
        lines = self.grammar.talks[f"after {asks}"]
        wanted = slots_in(*lines[0].you) & set(REMEMBERED) - slots_in(asks)
        return not wanted & set(self.known)

    def worded(
        self, exchange: Exchange, given: dict[str, Word]
    ) -> tuple[str, str, dict[str, Word]]:
        """A question, an answer that goes with it, and what stands in them."""
        you = self.rng.choice(exchange.you)
        telling = exchange.section.startswith(("tell", "after"))
        bots = [bot for bot in exchange.bot if self.has_all(you, bot, telling, given)]
        if not bots:
            raise Unfit
        named = [bot for bot in bots if "{name}" in bot]
        bot = self.rng.choice(named if named and self.rng.random() < 0.5 else bots)
        slots = Slots(self.rng, self.grammar.lists, **self.known)
        slots.update(given)
        if telling and "name" not in slots:
            slots["name"] = self.talks.name()
        if "age" not in slots and self.rng.random() < 0.6:
            slots["age"] = self.rng.choice(self.grammar.lists["age"][:8])
        if "newname" in slots_in(you):
            slots["newname"] = self.talks.name()
        if telling and slots_in(you) & set(self.known) - set(given):
            raise Unfit  # it is told only once
        if telling and "relname" in slots_in(you):
            he = slots["relative"].he
            slots["relname"] = self.rng.choice(
                [word for word in self.grammar.lists["relname"] if word.he == he]
            )
        for name in ("pet", "mine", "relative"):
            if name in self.known:
                slots[f"any{name}"] = self.known[name]
        for name in slots_in(you, bot):
            if name not in slots and name not in self.grammar.lists:
                raise Unfit
        you.format_map(slots), bot.format_map(slots)
        return you, bot, slots

    def has_all(self, you: str, bot: str, telling: bool, given: dict[str, Word]) -> bool:
        """Whether an answer needs nothing that was not told."""
        told = slots_in(you) if telling else set()
        needed = slots_in(bot) if telling else slots_in(you, bot)
        return all(
            name in self.known or name in told or name in given
            for name in needed
            if name in REMEMBERED and name != "tint"
        )

    # -- scenes ------------------------------------------------------------------------------

    def tell(self) -> None:
        what = self.talks.weighted(TELL)
        if "name" in self.known and self.rng.random() < 0.04:
            self.say("rename")
            return
        if "name" not in self.known and self.rng.random() < 0.3:
            what = "name"
        if TOLD[what.split()[0]] in self.known or not self.say(f"tell {what}"):
            return
        has_said = "My " in self.turns[-1].bot
        may_ask = f"you {what}" in self.grammar.talks and self.left > 0 and not has_said
        if may_ask and self.rng.random() < 0.3:
            self.say(f"you {what}")
        told = self.known.get({"pet first": "pet", "like": "liked"}.get(what, what))
        if told is not None:
            self.topic = self.grammar.named.get(str(told))

    def recall(self, key: str) -> None:
        self.recalled.add(key)
        self.told_at[key] = len(self.turns) + 2  # not again at once
        section = f"recall {key}"
        if key == "name" and self.rng.random() < 0.12:
            section = "wrong name"
        self.say(section)

    def not_told(self) -> None:
        keys = [
            key
            for key, slot in TOLD.items()
            if slot not in self.known and f"recall {key} unknown" in self.grammar.talks
        ]
        if self.rng.random() < 0.12:
            self.say("stranger")
            return
        key = "name" if "name" in keys and self.rng.random() < 0.6 else self.rng.choice(keys)
        self.say(f"recall {key} unknown")

    def all_known(self) -> None:
        lines = [
            finish(line.format_map(self.known))
            for line in self.grammar.lines["known"]
            if slots_in(line) <= set(self.known)
        ]
        if not lines:
            self.say("recall nothing")
            return
        told = self.talks.shuffled(lines)[: self.rng.choice((1, 2, 2))]
        self.say("recall all", known=Word(" ".join(told)))

    def request(self) -> None:
        what = self.talks.weighted(REQUESTS)
        if what == "story" and "name" in self.known and self.rng.random() < 0.35:
            what = "story about me"
        if what == "riddle":
            self.riddle()
            return
        if not self.say(what, **self.special()):
            return
        if what in AFTER and self.left > 0 and self.rng.random() < 0.4:
            self.say(AFTER[what])

    def special(self) -> dict[str, Word]:
        upto = self.rng.choice(self.grammar.lists["upto"])
        counted = [str(word) for word in self.grammar.having["number"]]
        counted = counted[: counted.index(upto) + 1]
        spelled = self.rng.choice(self.grammar.lists["spelled"])
        beast = self.rng.choice(self.grammar.lists["beast"])
        return {
            "upto": upto,
            "counted": Word(", ".join(counted) + "."),
            "countdown": Word(", ".join(counted[::-1]) + "."),
            "spelled": spelled,
            "letters": Word(", ".join(spelled.upper()) + "."),
            "first": Word(spelled[0].upper()),
            "rhyme": self.talks.rhyme(),
            "beast": beast,
            "story": self.talks.story(beast),
            "mystory": self.talks.my_story(self.known.get("name")),
        }

    def feeling(self) -> None:
        self.plain(self.rng.choice(FEELINGS))

    def riddle(self) -> None:
        if "riddle" in self.said or self.left < 2:
            return
        text, word = self.talks.riddle()
        if self.say("riddle", riddle=text):
            self.guess(word)

    def guess(self, word: Word) -> None:
        if self.left > 1 and self.rng.random() < 0.35:
            kind = next(iter(self.grammar.knows(word)))
            self.say("guess wrong", guess=self.talks.subject(kind, word.table))
        if self.left > 0:
            right = self.rng.random() < 0.6
            self.say("guess right" if right else "give up", answer=word)

    def plain(self, section: str) -> None:
        self.say(section, **self.special())

    def unknown(self) -> None:
        self.say("unknown", x=self.talks.subject("kind"))

    def ok(self) -> None:
        if len(self.turns) > 1:
            self.say("ok")

    def ask_today(self) -> None:
        if "today" not in self.known:
            self.say("ask today")

    def you_like(self) -> None:
        word = self.talks.subject("taste")
        self.say("like food" if word.counted else "like drink", x=word)

    def fact(self) -> None:
        word = self.talks.subject("kind")
        try:
            about = self.talks.fact(self.grammar.lines["facts about"], word)
        except Unfit:
            return
        if word.counted:
            self.say(
                "fact", x=word, factof=about, fact=self.talks.fact(self.grammar.lines["facts"])
            )

    def quiz(self) -> None:
        if self.left < 2 or "quiz" in self.said:
            return
        question, right, wrong, full = self.talks.quiz()
        self.say("quiz", quiz=Word(finish(question)))
        kind = self.talks.weighted({"right": 5, "wrong": 3, "unknown": 1})
        reply = self.rng.choice(wrong if kind == "wrong" else right)
        self.say(f"quiz {kind}", reply=Word(finish(reply)), full=Word(full))

    def hint(self) -> None:
        if self.left < 2 or "hint" in self.said:
            return
        exchange = self.rng.choice(self.grammar.talks["hint"])
        word = self.talks.subject("sound" if "sound" in exchange.you[0] else "color")
        if not all(hasattr(word, name) for name in attributes(exchange.you[0])):
            return
        slots = {"x": word}
        if self.add(exchange, self.rng.choice(exchange.you), exchange.bot[0], slots):
            self.said.add("hint")
            self.say("hint right")

    # -- questions about things --------------------------------------------------------------

    def facts(self) -> None:
        """A question, and perhaps more about the same thing, or the same about other things."""
        topic, self.topic = self.topic, None
        kinds = self.grammar.knows(topic) if topic is not None else list(self.kinds or QUESTIONS)
        weights = {kind: QUESTIONS[kind] * (1 + 2 * self.is_theme(kind)) for kind in kinds}
        kind = self.talks.weighted(weights)
        word = topic
        if word is None:
            word = self.talks.subject(kind, self.theme if self.is_theme(kind) else None)
        self.theme = word.table
        section = kind
        if f"{kind} state" in self.grammar.questions and self.rng.random() < 0.08:
            section = f"{kind} state"
        exchange, you, bot = self.ask(section, word)
        if exchange is None or exchange.section != kind:
            return
        if kind == "than":
            word = self.grammar.named.get(str(word), word)
        many = "{x:s}" in you
        plain = "{x" in you and is_open(you)
        follow = self.rng.random()
        if follow < 0.55 and plain and slots_in(you) == {"x"} and "{x." not in you:
            self.and_others(kind, word, many)
        elif follow < 0.85 and (plain or "{x:a}" in you) and "{o" not in bot:
            self.more_about(kind, word, many)
        if self.left > 0 and self.rng.random() < 0.16:
            self.react()

    def is_theme(self, kind: str) -> bool:
        """Whether the last question was about such words."""
        return any(word.table == self.theme for word in self.talks.common[kind])

    def ask(self, section: str, word: Word) -> tuple[Exchange | None, str, str]:
        """A question about this word, as it can be asked."""
        kind = section.split()[0]
        for exchange in self.talks.shuffled(self.grammar.questions.get(section, [])):
            fresh = [you for you in exchange.you if you not in self.worded_so]
            you, bot = self.rng.choice(fresh or exchange.you), self.rng.choice(exchange.bot)
            try:
                slots = self.beside(you + bot, word, kind)
            except Unfit:
                continue
            if "{x}" not in you and "{x:" not in you and kind == "young":
                alike = [w for w in self.grammar.having[kind] if w.young == word.young]
                if len(alike) > 1:
                    continue
            yours = finish(you.format_map(slots))
            if yours in self.said:
                continue
            self.said.add(yours)
            self.worded_so.add(you)
            bots = bot.format_map(slots)
            if self.rng.random() < 0.06 and section == kind and is_open(you):
                bots = f"{self.prefix('before fact')} {finish(bots)}"
            self.answer(yours, bots, section)
            self.asked, self.again = word, self.full(exchange, slots)
            return exchange, you, bot
        return None, "", ""

    def prefix(self, section: str) -> str:
        lines = [line for line in self.grammar.lines[section] if slots_in(line) <= set(self.known)]
        return self.rng.choice(lines).format_map(self.known)

    def full(self, exchange: Exchange, slots: dict[str, Word]) -> str:
        """What the answer says, as a sentence."""
        for bot in exchange.bot:
            try:
                said = bot.format_map(slots)
            except KeyError:
                continue
            if len(said.split()) > 2 and not said.endswith(("it is.", "they are.", "does.")):
                return finish(re.sub("^(Yes|No), ", "", said))
        return ""

    def beside(self, wording: str, word: Word, kind: str) -> dict[str, Word]:
        """What stands in a wording about the word."""
        if not word.counted and re.search(r"{x(:s\w*)?}", wording):
            raise Unfit
        slots = {"x": word}
        for letter in sorted(slots_in(wording) - {"x"}):
            words = self.grammar.having[kind]
            choices = [
                other
                for other in (words if self.rng.random() < 0.3 else self.talks.common[kind])
                if other not in slots.values()
                and self.grammar.goes_beside(letter, other, word, kind)
            ]
            if not choices:
                raise Unfit
            slots[letter] = self.rng.choice(choices)
        try:
            wording.format_map(slots)
        except (AttributeError, KeyError):
            raise Unfit from None
        return slots

    def and_others(self, kind: str, word: Word, many: bool) -> None:
        """The same about one or two others."""
        section = f"{kind} {'they' if many else 'and'}"
        if section not in self.grammar.questions:
            return
        taken = [word]
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            if self.left < 1:
                return
            other = self.talks.subject(kind, word.table)
            if other not in taken:
                taken.append(other)
                self.ask(section, other)

    def more_about(self, kind: str, word: Word, many: bool) -> None:
        """Something else about the same thing, which is only called "it"."""
        form = "them" if many else "it"
        known = [
            name
            for name in self.grammar.knows(word)
            if name != kind and f"{name} {form}" in self.grammar.questions
        ]
        if kind == "food":  # "it" could be what is eaten
            known = [name for name in known if name not in ("color", "kind", "taste", "grows")]
        for name in self.talks.shuffled(known)[: self.rng.choice((1, 1, 2))]:
            if self.left > 0:
                self.ask(f"{name} {form}", word)

    def react(self) -> None:
        """What one says to an answer."""
        what = self.talks.weighted(
            {"but why": 2, "sure": 3, "how do you know": 2, "thanks": 3, "praise": 4, "asked": 3}
        )
        given, word = {"again": Word(self.again)}, self.asked
        if what == "asked":
            if word is None or word.table not in SUBJECTS:
                return
            given["about"] = Word(f"{word:s}" if word.counted else str(word))
        if what != "sure" or self.again:
            self.say(what, **given)


def is_open(you: str) -> bool:
    """Whether a question wants more than yes or no."""
    return not you.startswith(("Is ", "Are ", "Does ", "Can "))
