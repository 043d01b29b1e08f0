"""Sessions with a seed, and what is asked of them again and again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from chargen.generation.completion import Piece
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_state import PromptState, start_decoding
from chargen.nn.softmax import Doubles, log_probabilities
from chargen.session.history import History, Moment
from chargen.session.session import Events, Session
from chargen.session.state import SessionState

KINDS = ("checkpoint", "subword_checkpoint")


ROLES = ("The", "GRANNY'S")  # such turns stand in the text


LINE = "Zorbix met ANNA in Quandel.\n"


def seeded(folder: Path, mode: str = "complete", max_tokens: int = 40) -> Session:
    session = Session(folder)
    session.name_roles(ROLES)
    session.change("seed", 7)
    session.change("max_tokens", max_tokens)
    session.enter(mode)
    return session


def over(folder: Path, generator: TextGenerator) -> Session:
    """A session with a model that is not in its folder."""
    session = Session(folder)
    model = replace(session.state.model, loaded=generator, generator=generator)
    session.state = SessionState(model, History(Moment("complete", generator.document_start)))
    return session


def drain(events: Events, pieces: int | None = None) -> str:
    """The text of so many pieces; then it is closed."""
    with closing(events) as opened:  # type: ignore[type-var]
        return "".join(event.text for event in islice(opened, pieces) if isinstance(event, Piece))


def answer_nothing(talk: Session) -> None:
    talk.change("temperature", 0)
    talk.change("stop", (" ",))
    assert drain(talk.answer("The sky")) == ""
    talk.change("stop", ())


def tokens_of(session: Session) -> list[int]:
    return [token for part in session.now.segments for token in part.tokens]


def logprobs_at(generator: TextGenerator, place: PromptState) -> Doubles:
    found = start_decoding(generator.engine, generator.tokenizer, place)
    assert found.spellings is None
    return log_probabilities(found.logits[0])


def goes_on_alike(session: Session, one: PromptState, other: PromptState) -> bool:
    chances, others = (logprobs_at(session.generator, place) for place in (one, other))
    return np.array_equal(chances, others)
