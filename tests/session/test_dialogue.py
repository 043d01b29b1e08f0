"""A dialogue is written as the texts that models learn it from."""

from __future__ import annotations

from pathlib import Path

from chargen.session.dialogue import dialogue_text, turn_stops
from chargen.session.session import Session
from tests.support.sessions import drain


def test_the_next_role_stands_at_the_end_with_no_blank_after_it() -> None:
    assert dialogue_text([("You:", "hi"), ("Bot:", "hello"), ("You:", "so")], "Bot:") == (
        "You: hi\nBot: hello\nYou: so\nBot:"
    )
    assert dialogue_text([], "Bot:") == "Bot:"


def test_without_a_next_role_the_last_turn_goes_on() -> None:
    assert dialogue_text([("You:", "hi"), ("Bot:", "The sky is")]) == "You: hi\nBot: The sky is"


def test_a_turn_ends_before_the_next_one_or_a_blank_line() -> None:
    assert turn_stops(("You:", "Bot:")) == ("\nYou:", "\nBot:", "\n\n")


def test_both_sides_begin_alike(checkpoint: Path, tmp_path: Path) -> None:
    assert dialogue_text([(">", "hi"), (">", "ho")], ">") == "> hi\n> ho\n>"
    assert set(turn_stops((">", ">"))) == {"\n>", "\n\n"}
    session = Session(checkpoint)
    session.name_roles([">", ">"])
    session.enter("chat")
    session.change("max_tokens", 5)
    drain(session.answer("hi"))
    assert session.text.startswith("> hi\n>")
    drain(session.answer("ho"))
    assert "\n> ho\n>" in session.text
    session.save(tmp_path / "talk")
    again = Session(checkpoint)
    again.open(tmp_path / "talk")
    assert again.roles == (">", ">")
    assert again.text == session.text
