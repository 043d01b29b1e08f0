"""What is done is undone, and the same comes again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chargen.config import MODES
from chargen.errors import ConfigError
from chargen.session.history import MAX_UNDO, Exchange, Moment
from chargen.session.session import Session
from tests.support.sessions import (
    answer_nothing,
    drain,
    seeded,
)

STEPS: dict[str, Callable[[Session], object]] = {
    "answer": lambda session: drain(session.answer("The s")),
    "stopped": lambda session: drain(session.answer("GRAN"), 1),
    "several": lambda session: session.several("A"),
    "retry": lambda session: drain(session.retry()),
    "continue": lambda session: drain(session.continue_text()),
    "reset": lambda session: session.reset(),
    "chat": lambda session: session.enter("chat"),
    "story": lambda session: session.enter("story"),
    "complete": lambda session: session.enter("complete"),
}


@hypothesis_settings(max_examples=40)
@given(which=st.integers(0, 1), steps=st.lists(st.sampled_from(list(STEPS)), max_size=12))
def test_undo_brings_all_back(folders: list[Path], which: int, steps: list[str]) -> None:
    session = seeded(folders[which], max_tokens=3)
    before: list[tuple[Moment, tuple[Exchange, ...], str]] = []
    for step in steps:
        stood = session.now, session.exchanges, session.text
        try:
            STEPS[step](session)
        except ConfigError:
            assert (session.now, session.exchanges, session.text) == stood
        if session.now is not stood[0]:
            before.append(stood)
    while before:
        moment, exchanges, text = before.pop()
        session.undo()
        assert session.now is moment
        assert session.exchanges == exchanges
        assert session.text == text
    with pytest.raises(ConfigError, match="nothing to undo"):
        session.undo()


def test_after_undo_the_same_comes_again(session: Session) -> None:
    session.enter("story")
    drain(session.answer("The sky"))
    texts = [
        drain(session.answer("\nGRAN")),
        drain(session.continue_text()),
        drain(session.retry()),
    ]
    for _ in texts:
        session.undo()
    assert [
        drain(session.answer("\nGRAN")), drain(session.continue_text()), drain(session.retry())
    ] == texts  # fmt: skip


def test_so_many_steps_are_undone(talk: Session) -> None:
    talk.change("max_tokens", 1)
    for _ in range(MAX_UNDO + 5):
        drain(talk.answer(""))
    for _ in range(MAX_UNDO):
        talk.undo()
    with pytest.raises(ConfigError, match="nothing to undo"):
        talk.undo()
    assert len(talk.exchanges) == talk.now.count == 5


def test_a_seed_that_was_set_outlives_what_is_undone(session: Session) -> None:
    session.enter("story")
    session.change("seed", 1)
    drain(session.answer("The "))
    drain(session.answer("The "))
    session.change("seed", 5)
    session.undo()
    drain(session.answer("The "))
    assert session.seed == 5


@pytest.mark.parametrize("again", ["retry", "variants", "compare", "why"])
def test_without_an_answer_there_is_none_to_do_again(
    talk: Session, again: str, tmp_path: Path
) -> None:
    def do() -> object:
        arguments = {"variants": (2,), "compare": (talk.folder,), "why": (2,)}
        return getattr(talk, again)(*arguments.get(again, ()))

    with pytest.raises(ConfigError, match="answer"):
        do()
    answer_nothing(talk)
    do()
    talk.save(tmp_path / "a.session")
    talk.open(tmp_path / "a.session")
    with pytest.raises(ConfigError, match="answer"):
        do()
    talk.reset()
    with pytest.raises(ConfigError, match="answer"):
        do()


@pytest.mark.parametrize("mode", MODES)
def test_memory_does_not_grow_with_the_exchanges(talk: Session, mode: str) -> None:
    def states(moment: Moment) -> Iterator[int]:
        for place in (moment.place, *(part.start for part in moment.segments)):
            yield id(place.state)

    talk.enter(mode)
    talk.change("max_tokens", 1)
    counts = []
    for count in range(1, 2 * MAX_UNDO + 41):
        drain(talk.answer("a"))
        if count % 20 == 0:
            kept = [talk.now, *talk.state.history.past]
            assert len(talk.state.history.past) <= MAX_UNDO
            assert all(len(moment.segments) <= 1 for moment in kept)
            counts.append(len(set(itertools.chain.from_iterable(map(states, kept)))))
    assert counts[-1] == counts[-2] == counts[-3]
