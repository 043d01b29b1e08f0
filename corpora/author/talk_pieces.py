"""Small pieces that stand in talks: rhymes, stories, riddles, facts and quizzes. Holds no talk."""

import random
from collections.abc import Mapping, Sequence

from author.lexicon import Lexicon, Slots, Word, Writer, finish
from author.talk_grammar import Grammar, attributes

SUBJECTS = ("animals", "foods", "things", "nature", "jobs")  # tables of what one can speak about


class Unfit(Exception):
    """A wording does not go with what is asked about or remembered."""


class TalkPieces(Writer):
    """Writes small pieces."""

    def __init__(
        self, rng: random.Random, lexicon: Lexicon, grammar: Grammar | None = None
    ) -> None:
        super().__init__(rng, lexicon)
        self.grammar = grammar or Grammar(lexicon)
        self.common = {
            kind: [word for word in words if word in lexicon.lists["common"]] or words
            for kind, words in self.grammar.having.items()
        }

    def subject(self, kind: str, table: str | None = None) -> Word:
        """A word to ask about."""
        words = self.grammar.having[kind] if self.rng.random() < 0.25 else self.common[kind]
        return self.rng.choice([word for word in words if table in (None, word.table)] or words)

    def weighted(self, weights: Mapping[str, float]) -> str:
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def rhyme(self) -> Word:
        one, two = self.rng.sample(self.grammar.lists["rhyming"], 2)
        line = self.rng.choice(self.grammar.lines["rhyming"])
        return Word(finish(line.format_map(Slots(self.rng, {}, r1=one, r2=two))))

    def story(self, beast: Word | None = None) -> Word:
        """Two or three sentences, and about this animal if one was wished for."""
        plans = self.grammar.lines["stories"]
        plan = self.rng.choice([plan for plan in plans if beast is None or "{beast}" in plan])
        given = {"beast": beast} if beast else {}
        slots = Slots(self.rng, self.grammar.lists, **given)
        return Word(finish(plan.format_map(slots)))

    def my_story(self, name: Word | None) -> Word:
        """A story about You."""
        plan = self.rng.choice(self.grammar.lines["my stories"])
        slots = Slots(self.rng, self.grammar.lists, **({"name": name} if name else {}))
        return Word(finish(plan.format_map(slots)))

    def clues(self, word: Word) -> list[str]:
        return [
            line.format(x=word)
            for line in self.grammar.lines["clues"]
            if all(hasattr(word, name) for name in attributes(line))
        ]

    def riddle(self) -> tuple[Word, Word]:
        """A riddle that has one answer, and the answer."""
        while True:
            kind = self.rng.choice(("sound", "home", "food", "taste", "use", "grows", "material"))
            word = self.subject(kind)
            clues = self.shuffled(self.clues(word))[: self.rng.choice((2, 2, 3))]
            if len(clues) > 1 and len(self.solutions(clues)) == 1:
                return Word(finish(" ".join([*clues, "What am I?"]))), word

    def solutions(self, clues: Sequence[str]) -> list[Word]:
        """The words of which all the clues are true."""
        return [
            word
            for word in self.grammar.words
            if word.table in SUBJECTS and set(clues) <= set(self.clues(word))
        ]

    def fact(self, lines: Sequence[str], word: Word | None = None) -> Word:
        """A sentence of these that is true of the word, or of any."""
        for line in self.shuffled(lines):
            needed = attributes(line)
            about = word or self.subject(min(needed & set(self.common)))
            if all(hasattr(about, name) for name in needed):
                return Word(finish(line.format(x=about)))
        raise Unfit

    def quiz(self) -> tuple[str, list[str], list[str], str]:
        """A question for You, its right answers, wrong ones, and the whole truth."""
        line = self.rng.choice(self.grammar.lines["quizzes"])
        question, answers, full = line.split(" > ")
        told = min(attributes(line) - {"more"})
        kind = {"nextday": "day"}.get(told, told)
        word, other = self.subject(kind), self.subject(kind)
        while getattr(other, told) == getattr(word, told):
            other = self.subject(kind)
        right = [answer.format(x=word) for answer in answers.split(" / ")]
        wrong = [answer.format(x=Mixed(word, other)) for answer in answers.split(" / ")]
        return question.format(x=word), right, wrong, finish(full.format(x=word))


class Mixed(Word):
    """A word of which is told what holds for another one."""

    def __new__(cls, word: Word, other: Word) -> "Mixed":
        facts = vars(word) | {name: fact for name, fact in vars(other).items() if name != "plural"}
        return super().__new__(cls, str(word), **facts)  # type: ignore[return-value]
