"""A text in a terminal, between words and in its colours; elsewhere exactly as it is."""

from __future__ import annotations

import pyte
import pytest

from chargen.display.text import TextPrinter
from chargen.generation.completion import Piece

TEXT = "The color of a strawberry is red.\nA b\tc"


def print_in_pieces() -> None:
    printer = TextPrinter()
    printer.prompt(TEXT[:20], "> ")
    for letter in TEXT[20:]:
        printer.piece(Piece(letter, (0,), 0.0))
    printer.close()


def test_rows_end_between_words_in_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "16"}.items():
        monkeypatch.setenv(name, value)
    print_in_pieces()
    screen = pyte.Screen(16, 9)
    screen.set_mode(pyte.modes.LNM)
    pyte.Stream(screen).feed(capsys.readouterr().out)
    assert [row.rstrip() for row in screen.display[:4]] == [
        "> The color of a", "strawberry is", "red.", "A b     c"
    ]  # fmt: skip
    assert [screen.buffer[1][column].fg for column in (0, 4, 5)] == ["default", "default", "green"]


def test_elsewhere_the_text_is_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_in_pieces()
    assert capsys.readouterr().out == TEXT[20:] + "\n"
