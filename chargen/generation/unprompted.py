"""What `relevance` compares with: the same texts as they go on without their prompts.

The network reads there what is written, a token a step, as it does in the texts themselves, from a
state that does not know the prompt. Samples nothing.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from chargen.generation.logits import check_finite, relevance
from chargen.generation.prompt_state import PromptState
from chargen.generation.rows import StepRows
from chargen.nn.engine import Engine, Floats, State, Stepper
from chargen.nn.softmax import AnyFloats
from chargen.tokenizers.base import Tokens

Text = TypeVar("Text")


class UnpromptedTexts:
    """B texts, step by step beside those that have their prompts."""

    def __init__(self, engine: Engine, places: Sequence[PromptState], share: float) -> None:
        """From where they stand; `share` is the option `relevance`."""
        steppers, logits = [], []
        for place in places:  # each by itself: the tokens that are left are few, and not as many
            stepper = engine.start(place.state)
            for token in place.unread:
                after = stepper.step(np.array([token]))
            steppers.append(stepper)
            logits.append(after.copy())
        self._compare = relevance(share)
        self._logits = np.concatenate(logits)  # (B, V)
        self.stepper: Stepper = engine.start(np.concatenate([s.state for s in steppers]))

    def compare(self, logits: AnyFloats) -> AnyFloats:
        """The (B, V) logits of the texts with their prompts -> those to sample by. Raises
        ChargenError."""
        check_finite(self._logits)
        return self._compare(logits, self._logits)

    def step(self, tokens: Tokens) -> None:
        """Read (B,) tokens."""
        self._logits = self.stepper.step(tokens)


class UnpromptedRows(Generic[Text]):
    """The same for texts that come and go: rows beside those of a `Batch`, for as many of its texts
    as need one."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self.texts: list[Text] = []  # row by row
        self._engine, self._capacity = engine, capacity
        self._rows: StepRows | None = None  # none until there is one to step

    def add(self, text: Text, place: PromptState) -> None:
        """Go on with a text from where it stands."""
        if self._rows is None:
            self._rows = StepRows(self._engine, self._capacity)
        self.texts.append(text)
        self._rows.resize(len(self.texts))
        self._rows.set(len(self.texts) - 1, *_read_but_last(self._engine, place))

    def remove(self, text: Text) -> PromptState:
        """Leave a text; where it stands then."""
        assert self._rows is not None
        row, last = self.texts.index(text), len(self.texts) - 1
        place = PromptState(self._rows.state(row), (self._rows.tokens.item(row),))
        if row < last:
            self._rows.move(last, row)
        self.texts[row] = self.texts[last]
        self.texts.pop()
        self._rows.resize(last)
        return place

    def step(self) -> Floats:
        """(B, V) logits of what follows the tokens."""
        assert self._rows is not None
        return self._rows.step()

    def read_next(self, rows: Tokens, tokens: Tokens) -> None:
        """The next step reads these (N,) tokens in these rows."""
        assert self._rows is not None
        self._rows.tokens[rows] = tokens


def _read_but_last(engine: Engine, place: PromptState) -> tuple[State, int]:
    """The (1, P, H) state before the last token that is unread, and that token."""
    *tokens, last = place.unread
    if not tokens:
        return place.state, last
    stepper = engine.start(place.state)
    for token in tokens:
        stepper.step(np.array([token]))
    return stepper.state, last
