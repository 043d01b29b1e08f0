"""What the network reads in each mode is the text, and where that ends it stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chargen
from chargen.errors import ConfigError
from chargen.session.session import Session
from tests.support.sessions import (
    drain,
    logprobs_at,
    tokens_of,
)
from tests.support.tiny import logprob_of


def test_each_mode_reads_its_own(talk: Session) -> None:
    talk.change("max_tokens", 2)
    [one, two] = (drain(talk.answer(prompt)) for prompt in ("The sky", "GRAN"))
    assert talk.text == f"GRAN{two}"
    assert [e.prompt + e.text for e in talk.exchanges] == [f"The sky{one}", f"GRAN{two}"]
    talk.enter("story")
    three = drain(talk.answer("A"))
    assert talk.text == f"GRAN{two}A{three}"
    talk.enter("chat")
    assert talk.text == ""
    [four, five] = (drain(talk.answer(prompt)) for prompt in ("hi", "so"))
    assert talk.text == f"The hi\nGRANNY'S{four}\nThe so\nGRANNY'S{five}"
    talk.enter("story")
    assert talk.text == ""
    assert len(talk.exchanges) == 5


def test_a_turn_ends_where_the_next_begins(session: Session) -> None:
    session.enter("chat")
    session.change("stop", ("zz",))
    assert session.config.stop == ("zz", "\nThe", "\nGRANNY'S", "\n\n")
    session.change("max_tokens", 200)
    for prompt in ("strawberry is red.", "banana", "caf\u00e9"):
        text = drain(session.answer(prompt))
        assert session.now.finish_reason == "stop"
        assert not any(end in text for end in session.config.stop)
    session.enter("complete")
    assert len(session.config.stop) == 1


def test_the_roles_are_those_of_the_checkpoint(talk: Session, tmp_path: Path) -> None:
    talk.name_roles(("Me:", "\u6f22:"))
    talk.save_model(tmp_path / "new")
    assert Session(tmp_path / "new").roles == talk.roles == ("Me:", "\u6f22:")
    for wrong in [
        (),
        ("a",),
        ("a", "b", "c"),
        ("a", "a"),
        ("", "b"),
        ("a\n", "b"),
        ("a", "\ud800"),
    ]:
        with pytest.raises(ConfigError):
            talk.name_roles(wrong)
    assert talk.roles == ("Me:", "\u6f22:")


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_the_place_is_where_the_text_ends(session: Session, mode: str) -> None:
    """The chances there are those that the plain model gives after all the tokens at once."""
    session.enter(mode)
    session.change("heal", False)
    encode, tokens = session.generator.tokenizer.encode, list[int]()
    for prompt in ("The straw", "\nGRAN", "caf\u00e9 \u4e2d", ""):
        drain(session.answer(prompt), 9)
        assert session.now.last is not None
        tokens += encode(session.now.last.read) + tokens_of(session)
    assert session.generator.tokenizer.decode(tokens) == session.text
    logprobs = logprobs_at(session.generator, session.now.place)
    for token in encode("Ta \n"):
        expected = logprob_of(session.generator, tokens, [token])
        assert float(logprobs[token]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("mode", ["story", "chat"])
def test_what_comes_next_is_what_the_text_read_anew_says(talk: Session, mode: str) -> None:
    talk.enter(mode)
    for prompt in ("The straw", "\nGRAN", "caf\u00e9 \u4e2d"):
        drain(talk.answer(prompt))
        drain(talk.continue_text(), 3)
    anew = talk.generator.prefill(talk.generator.document_start, talk.text, talk.config)
    one, other = (logprobs_at(talk.generator, place) for place in (talk.now.place, anew))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_model_that_has_read_dialogues_expects_their_turns(checkpoint: Path) -> None:
    bundled = Session("everyday")
    assert bundled.expects_turns
    bundled.name_roles(("Ann:", "Ben:"))
    assert not bundled.expects_turns
    assert not Session(checkpoint).expects_turns


def test_a_model_is_not_doubted_for_a_turn_that_it_never_saw(tmp_path: Path) -> None:
    """Its users only ask; a greeting would be news to it."""
    text = "".join(f"Ann: is it {colour}?\nBen: no.\n" for colour in ("red", "blue", "pink"))
    (tmp_path / "asked.txt").write_text(text * 60)
    chargen.train(
        tmp_path / "asked.txt", out=tmp_path / "asked", steps=80, precision="float32",
        hidden_size=32, embedding_size=16, batch_size=4, bptt=32, learning_rate=0.02, evaluations=1,
    )  # fmt: skip
    session = Session(tmp_path / "asked")
    session.name_roles(("Ann:", "Ben:"))
    assert session.expects_turns
    session.name_roles(("Zed:", "Kim:"))
    assert not session.expects_turns


@pytest.mark.parametrize("wrong", ["storey", "", "chatt"])
def test_there_are_three_modes(talk: Session, wrong: str) -> None:
    with pytest.raises(ConfigError, match="mode must be one of complete, story, chat"):
        talk.enter(wrong)
    with pytest.raises(ConfigError, match="mode must be one of complete, story, chat"):
        Session(talk.folder, mode=wrong)
    assert talk.now.mode == "complete"
    talk.enter("Story")
    assert talk.now.mode == "story"
