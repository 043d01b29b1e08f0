"""In a session answers fit what was said last: in a chat the user's turn, else the prompt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from chargen.session.session import Session
from chargen.session.storage import read_session, write_session
from tests.support.sessions import ROLES, drain, seeded

SHARE = 0.6


@pytest.fixture
def fitting(session: Session) -> Session:
    session.change("relevance", SHARE)
    session.change("max_tokens", 12)
    return session


def test_an_answer_fits_the_last_turn(fitting: Session) -> None:
    fitting.enter("chat")
    user, bot = ROLES
    for said in ("sky", "yard so"):
        before = fitting.now.place
        line = "\n" if fitting.text else ""
        answer = drain(fitting.answer(said))
        turns = f"{line}{user} {said}\n{bot}"
        generator, config = fitting.generator, fitting.config
        start = generator.prefill(before, turns, config, kept=line + bot)
        stream = fitting.now.answer_stream
        pieces = generator.continue_from(start, "", config, stream)
        assert answer == "".join(piece.text for piece in pieces)


def test_a_prompt_is_what_texts_fit_elsewhere(fitting: Session) -> None:
    done = fitting.generator.generate("The sk", relevance=SHARE, max_tokens=12, seed=7)
    assert drain(fitting.answer("The sk")) == done.text
    fitting.enter("story")
    place = fitting.now.place
    drain(fitting.answer("GRAN"))
    start = fitting.now.segments[0].start
    assert start.unprompted is not None
    beside = fitting.generator.prefill(place, "", replace(fitting.config, heal=False))
    assert start.unprompted.unread == beside.unread
    drain(fitting.answer(""))
    assert fitting.now.segments[0].start.unprompted is not None, "it is still that prompt's answer"


@pytest.mark.parametrize("mode", ["complete", "story", "chat"])
def test_it_may_be_set_when_something_is_written(checkpoint: Path, mode: str) -> None:
    early, late = (seeded(checkpoint, mode, max_tokens=12) for _ in range(2))
    for talk in (early, late):
        drain(talk.answer("so"))
        talk.change("seed", 7)
    early.change("relevance", SHARE)
    for talk in (early, late):
        drain(talk.answer("The sky"))
    late.change("relevance", SHARE)
    assert drain(late.retry()) == drain(early.retry())
    # What was written without it goes on as if it had been compared all along.
    plain = seeded(checkpoint, mode, max_tokens=12)
    drain(plain.answer("The sky"))
    plain.change("relevance", SHARE)
    one = plain.state.with_unprompted(plain.now.place, plain.now)
    assert one.unprompted is not None
    kept = "" if mode != "chat" else ROLES[1]
    text = kept + plain.exchanges[-1].text
    read = plain.generator.tokenizer.encode(text)
    assert one.unprompted.unread == (read[-1],)
    assert drain(plain.continue_text())


def test_it_is_saved_with_a_session(fitting: Session, tmp_path: Path) -> None:
    fitting.enter("chat")
    drain(fitting.answer("sky"), pieces=4)
    fitting.save(tmp_path / "a.session")
    other = Session(fitting.folder)
    other.open(tmp_path / "a.session")
    assert other.settings["relevance"] == SHARE
    assert other.now.place.unprompted is not None
    assert drain(other.continue_text()) == drain(fitting.continue_text())


def test_a_session_of_before_is_opened(checkpoint: Path, tmp_path: Path) -> None:
    talk = seeded(checkpoint, "chat")
    drain(talk.answer("sky"))
    talk.save(tmp_path / "a.session")
    saved = read_session(tmp_path / "a.session")
    settings = {name: value for name, value in saved.settings.items() if name != "relevance"}
    assert saved.place.unprompted is None
    write_session(tmp_path / "a.session", structs.replace(saved, settings=settings))
    other = Session(checkpoint)
    other.open(tmp_path / "a.session")
    assert other.text == talk.text
    assert other.settings["relevance"] == 0


def test_models_are_compared_by_the_same_rule(fitting: Session) -> None:
    fitting.enter("chat")
    drain(fitting.answer("sky"))
    answer = drain(fitting.answer("yard"))
    mine, theirs = fitting.compare(fitting.folder)
    assert mine.text == answer
    if fitting.generator.tokenizer.kind == "char":
        assert theirs.text == answer
