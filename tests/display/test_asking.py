"""Who are you?"""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from chargen.display.asking import SHOWN, ask_who

NAMES = ["Ben", "Ana", "Anton"]


def asked(
    monkeypatch: pytest.MonkeyPatch, *written: str, names: list[str] = NAMES
) -> tuple[str, str]:
    """Whom it was answered with, and what was shown."""
    answers: Iterator[str] = iter(written)

    def answer(prompt: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    shown = io.StringIO()
    return ask_who(Console(file=shown), names, "Ana"), shown.getvalue()


@pytest.mark.parametrize(
    ("written", "name"),
    [("1", "Ana"), ("2", "Ben"), ("", "Ana"), ("ben", "ben"), ("ant", "ant"), (" 3 ", "Anton")],
)
def test_a_number_or_a_name(monkeypatch: pytest.MonkeyPatch, written: str, name: str) -> None:
    found, shown = asked(monkeypatch, written)
    assert found == name
    assert "1 Ana" in shown and "2 Ben" in shown


def test_others_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, shown = asked(monkeypatch, "9", "zoe", "an", "b")
    assert found == "b"
    assert shown.count("nobody is called") == 3


def test_the_end_of_input_takes_what_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch)[0] == "Ana"


def test_of_many_some_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["Ana", *(f"person {number}" for number in range(30))]
    found, shown = asked(monkeypatch, str(SHOWN + 1), "person 29", names=names)
    assert found == "person 29"
    assert "22 others" in shown
