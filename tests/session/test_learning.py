"""What the user writes is learned on a copy, and the model that answered is the one before it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from chargen.errors import ChargenError, SessionError
from chargen.session.session import Session
from tests.support.sessions import (
    LINE,
    drain,
)
from tests.support.tiny import logprob_of


def bytes_in(folder: Path) -> dict[str, str]:
    files = sorted(folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_is_learnt_is_likelier_and_forgotten(session: Session, tmp_path: Path) -> None:
    files, loaded = bytes_in(session.folder), session.generator
    tokens = loaded.tokenizer.encode(LINE)
    before = logprob_of(loaded, [], tokens)
    session.learn(True)
    assert session.learns
    assert not session.has_learned
    session.save(tmp_path / "before.session")
    drain(session.answer(""), 1)
    assert not session.has_learned  # of nothing
    for _ in range(3):
        drain(session.answer(LINE))
    assert session.has_learned
    assert logprob_of(session.generator, [], tokens) > before + 5
    with pytest.raises(SessionError, match="has learned"):
        session.save(tmp_path / "after.session")
    learned = session.generator
    drain(session.retry())
    drain(session.continue_text())
    assert session.generator is learned  # the model's own text teaches it nothing
    session.learn(True)
    assert session.generator is learned
    session.learn(False)
    assert session.generator is loaded
    assert not (session.learns or session.has_learned)
    session.save(tmp_path / "after.session")
    assert bytes_in(session.folder) == files
    assert logprob_of(loaded, [], tokens) == before


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_learning_goes_on_in_the_text(session: Session, mode: str) -> None:
    session.enter(mode)
    session.learn(True)
    plain = session.generator
    for _ in range(4):
        drain(session.answer("Zorbix is pink.\n"), 5)
    read = plain.tokenizer.encode("Zorbix is pink.\n")
    assert logprob_of(session.generator, [], read) > logprob_of(plain, [], read) + 5


def test_the_first_answer_is_that_of_the_model_as_it_was(session: Session) -> None:
    plain = drain(session.answer(LINE))
    session.learn(True)
    assert drain(session.answer(LINE)) == plain


def test_the_model_that_answered_is_looked_into_and_learns_before_the_next_prompt(
    session: Session,
) -> None:
    session.learn(True)
    model = session.generator.model
    drain(session.answer(LINE))
    cost = sum(surprise.nats for surprise in session.why(1))
    assert session.generator.model is model
    assert session.has_learned
    drain(session.answer(LINE))
    assert session.generator.model is not model
    assert cost > 0


def test_learning_can_be_stopped(session: Session) -> None:
    def told(share: float) -> None:
        raise KeyboardInterrupt

    session.learn(True)
    drain(session.answer(LINE))
    with pytest.raises(KeyboardInterrupt):
        session.answer(LINE, told)
    assert not session.has_learned


def test_what_is_undone_is_not_learnt(session: Session) -> None:
    session.learn(True)
    model = session.generator.model
    drain(session.answer(LINE))
    session.undo()
    drain(session.answer(LINE))
    assert session.generator.model is model


def test_what_was_learnt_becomes_a_checkpoint(session: Session, tmp_path: Path) -> None:
    old, files = session.folder, bytes_in(session.folder)
    session.enter("story")
    session.learn(True)
    drain(session.answer(LINE))
    text = session.text
    with pytest.raises(ChargenError, match="exists"):
        session.save_model(old)
    learned = session.generator.model.state_dict()
    assert session.has_learned
    session.save_model(tmp_path / "new")
    assert (session.folder, session.text) == (tmp_path / "new", text)
    assert not session.has_learned
    session.save(tmp_path / "a.session")
    kept = Session(tmp_path / "new")
    for name, weight in kept.generator.model.state_dict().items():
        assert torch.equal(weight, learned[name])
    kept.open(tmp_path / "a.session")
    assert kept.text == text
    assert bytes_in(old) == files
    assert Session(tmp_path / "new").metadata.scores.valid_loss is None
