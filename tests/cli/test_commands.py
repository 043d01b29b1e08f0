"""One table of commands, which help, dispatch and complaints read."""

from __future__ import annotations

import pytest

from chargen.cli.commands import COMMANDS, DEFAULT
from chargen.cli.flags import parse_command_line
from tests.support.command import Chargen


def test_help_lists_every_command_as_the_table_has_it(run_chargen: Chargen) -> None:
    shown = " ".join(run_chargen("--help").stdout.split())
    places = [shown.index(f" {name} {command.help}") for name, command in COMMANDS.items()]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_says_what_it_does(run_chargen: Chargen, name: str) -> None:
    done = run_chargen(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: chargen {name} ")
    assert COMMANDS[name].help.capitalize() + "." in " ".join(done.stdout.split())


def test_a_complaint_about_an_unknown_command_names_all(run_chargen: Chargen) -> None:
    told = run_chargen("dance").stderr
    assert all(f"'{name}'" in told or f" {name}" in told for name in COMMANDS)


def test_a_bare_command_line_is_the_default_command() -> None:
    assert parse_command_line(COMMANDS, [], default=DEFAULT) == parse_command_line(
        COMMANDS, [DEFAULT], default="list"
    )
