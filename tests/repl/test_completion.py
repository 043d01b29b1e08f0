"""Tab: what may be typed, how it stands and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent, Completion
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.output import DummyOutput

from chargen.config import SampleConfig
from chargen.repl.commands import COMMANDS
from chargen.repl.completion import CommandCompleter
from chargen.repl.setting_commands import about
from tests.support.terminal import talking

SETTINGS = asdict(SampleConfig(temperature=0.25, seed=2**63 - 1))


class Screen(DummyOutput):
    def __init__(self, columns: int) -> None:
        self._columns = columns

    def get_size(self) -> Size:
        return Size(rows=24, columns=self._columns)


@pytest.fixture
def completer() -> CommandCompleter:
    return CommandCompleter(lambda: SETTINGS)


@pytest.fixture(params=[40, 100])
def columns(request: pytest.FixtureRequest) -> Iterator[int]:
    with create_app_session(output=Screen(request.param)):
        yield request.param


def rows(completer: CommandCompleter, line: str) -> list[Completion]:
    return list(completer.get_completions(Document(line), CompleteEvent(True)))


def test_settings_come_with_their_value_and_meaning(
    completer: CommandCompleter, columns: int
) -> None:
    found = rows(completer, "/set ")
    assert [row.text for row in found] == list(SETTINGS)
    for row in found:
        assert completer.meaning_of(row) == about(row.text), "in whole, below the prompt"
        shown = [row.display_text, row.display_meta_text]
        assert sum(map(len, shown)) + 4 <= columns, "nothing is cut in the menu"
        assert (columns == 100) == bool(row.display_meta_text)
    [temperature] = [row for row in found if row.text == "temperature"]
    assert temperature.display_text.split() == ["temperature", "0.25"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/set until ", ["word", "sentence", "line", "paragraph", "off"]),
        ("/set temperature ", ["0.25", "1.0", "0.5"]),
        ("/set heal ", ["on", "off"]),
        ("/learn ", ["on", "off"]),
        ("/load fac", ["facts"]),
        ("/by", ["bye"]),
        ("/ex", ["exit"]),
        ("/help temp", ["temperature"]),
        ("/help bea", ["beams"]),
        ("//", []),
        ("The ", []),
    ],
)
def test_what_may_follow(completer: CommandCompleter, line: str, words: list[str]) -> None:
    assert [row.text for row in rows(completer, line)] == words


def test_all_commands_are_offered_by_their_own_names(completer: CommandCompleter) -> None:
    assert [row.text for row in rows(completer, "/")] == list(COMMANDS)


def test_tab_completes_commands_settings_and_values(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    with talking(80, "repl", checkpoint, cwd=tmp_path) as terminal:
        terminal.see_ready()
        for typed, menu, completed in (
            ("/se", "show or change", "> /set"), (" unt", "stop after", "> /set until"),
            (" w", "word", "> /set until word"),
        ):  # fmt: skip
            terminal.child.send(typed)
            terminal.see_text(menu)
            terminal.child.send("\t")
            terminal.see_text(completed)
        terminal.say("", "until is word")
        terminal.child.send("/load mi\t")
        terminal.see_text("> /load mine")
        terminal.child.send("\r")
        terminal.see_text("talking to checkpoints/mine")
