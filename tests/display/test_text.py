"""A text in a terminal, between words and in its colours; elsewhere exactly as it is."""

from __future__ import annotations

import pyte
import pytest

from chargen.display.text import TextPrinter
from chargen.generation.completion import Completion, Piece

TEXT = "The color of a strawberry is red.\nA b\tc"


def completion(text: str, prompt: str = "") -> Completion:
    return Completion(prompt, text, (), 0.0, "length")


def print_in_pieces() -> None:
    printer = TextPrinter()
    printer.prompt(TEXT[:20], "> ")
    for letter in TEXT[20:]:
        printer.piece(Piece(letter, (0,), 0.0))
    printer.close()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pyte.Screen:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "16"}.items():
        monkeypatch.setenv(name, value)
    screen = pyte.Screen(16, 9)
    screen.set_mode(pyte.modes.LNM)
    return screen


def rows(screen: pyte.Screen, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is seen of what was printed."""
    pyte.Stream(screen).feed(capsys.readouterr().out)
    return [row.rstrip() for row in screen.display]


def test_rows_end_between_words_in_a_terminal(
    capsys: pytest.CaptureFixture[str], terminal: pyte.Screen
) -> None:
    print_in_pieces()
    assert rows(terminal, capsys)[:4] == [
        "> The color of a", "strawberry is", "red.", "A b     c"
    ]  # fmt: skip
    assert [terminal.buffer[1][column].fg for column in (0, 4, 5)] == [
        "default",
        "default",
        "green",
    ]


def test_elsewhere_the_text_is_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_in_pieces()
    assert capsys.readouterr().out == TEXT[20:] + "\n"


@pytest.mark.parametrize("pieces", [["a\r\nb\r\n"], ["a\r", "\nb", "\r", "\n"], ["a\rb\r"]])
def test_a_terminal_shows_lines_whatever_ends_them(
    capsys: pytest.CaptureFixture[str], terminal: pyte.Screen, pieces: list[str]
) -> None:
    printer = TextPrinter()
    for piece in pieces:
        printer.piece(Piece(piece, (), 0.0))
    printer.close()
    assert rows(terminal, capsys)[:3] == ["a", "b", ""]
    assert terminal.cursor.y == 2


def test_a_pipe_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    printer = TextPrinter()
    for piece in ("a\r", "\nb"):
        printer.prompt("x")
        printer.piece(Piece(piece, (), 0.0))
    printer.close()
    assert capsys.readouterr().out == "a\r\nb\n"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Ann", "Bob", "", "Cy"], "Ann\nBob\n\nCy\n"),
        (["Ann\n", "Bob\r\n"], "Ann\n\nBob\r\n\n"),
        (["Ann", "two\nlines", "Bob", "Cy"], "Ann\n---\ntwo\nlines\n---\nBob\nCy\n"),
    ],
)
def test_texts_of_one_line_stand_one_a_line(
    capsys: pytest.CaptureFixture[str], texts: list[str], expected: str
) -> None:
    printer = TextPrinter()
    for text in texts:
        printer.sample(completion(text, prompt="of\ntwo lines"))
    assert capsys.readouterr().out == expected


def test_a_prompt_is_echoed_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    printer = TextPrinter(echo=True)
    for text in ("red", "blue"):
        printer.sample(completion(text, prompt="It is "))
    assert capsys.readouterr().out == "It is red\nIt is blue\n"


def test_what_fills_several_rows_of_a_terminal_is_set_apart(
    capsys: pytest.CaptureFixture[str], terminal: pyte.Screen
) -> None:
    printer = TextPrinter()
    for text in ("red", "blue", "yellow and green", "grey"):
        printer.sample(completion(text, prompt="It is "))
    assert rows(terminal, capsys)[:7] == [
        "It is red", "It is blue", "---", "It is yellow and", "green", "---", "It is grey"
    ]  # fmt: skip
