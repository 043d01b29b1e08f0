"""A dialogue is written as the texts that models learn it from."""

from __future__ import annotations

from chargen.session.dialogue import dialogue_text, turn_stops


def test_the_next_role_stands_at_the_end_with_no_blank_after_it() -> None:
    assert dialogue_text([("You:", "hi"), ("Bot:", "hello"), ("You:", "so")], "Bot:") == (
        "You: hi\nBot: hello\nYou: so\nBot:"
    )
    assert dialogue_text([], "Bot:") == "Bot:"


def test_without_a_next_role_the_last_turn_goes_on() -> None:
    assert dialogue_text([("You:", "hi"), ("Bot:", "The sky is")]) == "You: hi\nBot: The sky is"


def test_a_turn_ends_before_the_next_one_or_a_blank_line() -> None:
    assert turn_stops(("You:", "Bot:")) == ("\nYou:", "\nBot:", "\n\n")
