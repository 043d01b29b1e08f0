"""Talks: You asks, Bot answers, line by line."""

from collections.abc import Iterator

from author.facts import FACTS, Facts
from author.lexicon import Word, Writer, finish, sections


class Talks(Writer):
    """Writes talks about what the facts know."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts.rng, facts.lexicon)
        self.facts = facts
        self.wordings = sections("talks.grammar")
        self.subjects = [
            word
            for word in self.lexicon.words
            if any(hasattr(word, name) for name in self.wordings)
        ]

    def talk(self) -> str:
        """You ask, Bot answers: a greeting, some questions about a thing or two, a farewell."""
        slots = self.slots()
        chat = [line.format_map(slots) for line in self.shuffled(self.wordings["chat"])]
        turns = []
        if self.rng.random() < 0.4:
            turns.append(self.rng.choice(self.wordings["hello"]).format_map(slots))
        for _ in range(self.rng.randrange(1, 4)):
            if self.rng.random() < 0.35:
                turns.append(chat.pop())
            else:
                turns += self.questions(self.pick(self.subjects))
        if self.rng.random() < 0.3:
            turns.append(self.rng.choice(self.wordings["bye"]).format_map(slots))
        lines = []
        for turn in turns:
            you, answers = turn.split(" > ")
            bot = self.rng.choice(answers.split(" / "))
            lines += [f"You: {finish(you)}", f"Bot: {finish(bot)}"]
        return "\n".join(lines)

    def questions(self, word: Word) -> Iterator[str]:
        """A question about the word, and perhaps more, with "it" for its name."""
        known = [name for name in FACTS if hasattr(word, name) and name in self.wordings]
        often = [FACTS[name][0] for name in known]  # what is told often is asked often
        names = list(dict.fromkeys(self.rng.choices(known, often, k=self.rng.randrange(1, 4))))
        for index, name in enumerate(names):
            wordings = self.wordings.get(f"{name} it" if index else name, [])
            if len(names) > 1:  # "it" would not go with a question about many
                wordings = [wording for wording in wordings if "{x:s}" not in wording.split(">")[0]]
            if wordings:
                yield self.facts.some(wordings, word, name)
