"""Text alone looks as Rich would print it."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from chargen.display.console import console, show_error
from chargen.display.screen import STYLES, Screen
from chargen.display.wrapping import folded

VARIABLES = ("COLUMNS", "TERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM")


class File(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "xterm-256color"},
        {"TERM": "xterm", "COLUMNS": "20"},
        {"TERM": "dumb"},
        {"TERM": "linux", "NO_COLOR": "1"},
        {"TERM": "xterm", "NO_COLOR": ""},
        {"TERM": "xterm", "FORCE_COLOR": "1"},
        {"TERM": "xterm", "FORCE_COLOR": ""},
        {"TERM": "xterm", "TTY_COMPATIBLE": "0"},
        {"TERM": "xterm", "TTY_COMPATIBLE": "1"},
        {"TERM": "xterm-kitty", "COLORTERM": "truecolor"},
    ],
)
def test_a_screen_is_what_rich_takes_it_for(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_terminal: bool
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for style in STYLES:
        written = []
        for write in ("ours", "rich"):
            file = File(is_terminal)
            monkeypatch.setattr(sys, "stdout", file)
            screen, rich = Screen(), console()
            assert screen.is_terminal == rich.is_terminal
            assert screen.is_dumb_terminal == (rich.is_terminal and rich.is_dumb_terminal)
            if is_terminal:
                assert screen.width == rich.width
            if write == "ours":
                screen.write("two\n\nlines\n", style)
            else:
                rich.print(Text("two\n\nlines\n", style), end="", soft_wrap=True)
            written.append(file.getvalue())
        assert written[0] == written[1]


@given(st.text(st.sampled_from("ab \n\u4e2d-\u0301"), max_size=60), st.integers(8, 24))
def test_messages_are_folded_as_rich_does_it(text: str, width: int) -> None:
    rich = Console(width=width, file=io.StringIO())
    rich.print(Text(text))
    rows = rich.file.getvalue().removesuffix("\n").split("\n")  # type: ignore[attr-defined]
    assert [row.rstrip() for row in folded(text, width)] == [row.rstrip() for row in rows]


def test_an_error_is_one_line_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("what is wrong\n" * 20)
    assert capsys.readouterr().err == "chargen: " + "what is wrong " * 20 + "\n"
