"""Stories: a plan has a line for each step, and each line some alternatives."""

import random

from author.lexicon import Lexicon, Writer, finish


class Stories(Writer):
    """Writes stories, no one twice."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        super().__init__(rng, lexicon)
        self.told: set[str] = set()

    def story(self, plan: list[list[str]]) -> str:
        """A story of this plan that has not been told yet; "| " begins a line of its own."""
        while True:
            slots = self.slots()
            heading, *told = [self.rng.choice(line).format_map(slots) for line in plan]
            text = finish(" ".join(told).replace(" | ", "\n").removeprefix("| "))
            if text not in self.told:
                self.told.add(text)
                return f"{finish(heading)}\n{text}"
