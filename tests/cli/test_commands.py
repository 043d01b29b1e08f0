"""One table of commands, which help, dispatch and complaints read."""

from __future__ import annotations

import pytest

from chargen.cli.commands import COMMANDS, DEFAULT
from chargen.cli.flags import parse_command_line, parser_of
from chargen.config import CorpusConfig, ModelConfig, SampleConfig, TrainConfig
from chargen.options import field_names
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
    does = COMMANDS[name].help
    assert does[0].upper() + does[1:] + "." in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("train", "[CORPUS ...] [OPTIONS]"),
        ("eval", "CHECKPOINT [TEXT ...] [OPTIONS]"),
        ("classify", "CHECKPOINT [TEXT ...] --labels TEXT,TEXT [OPTIONS]"),
        ("rm", "CHECKPOINT ... [OPTIONS]"),
        ("cp", "CHECKPOINT NEW"),
        ("list", "[OPTIONS]"),
    ],
)
def test_usage_shows_what_must_be_given(run_chargen: Chargen, name: str, usage: str) -> None:
    assert run_chargen(name, "--help").stdout.splitlines()[0] == f"usage: chargen {name} {usage}"


@pytest.mark.parametrize("name", ["train", "sample"])
def test_no_option_is_left_without_a_group(name: str) -> None:
    parser = parser_of(name, COMMANDS[name])
    general = {action.dest for action in parser.group("options")._group_actions}
    configs = (CorpusConfig, ModelConfig, TrainConfig, SampleConfig)
    assert not general & {option for config in configs for option in field_names(config)}


def test_a_complaint_about_an_unknown_command_names_all(run_chargen: Chargen) -> None:
    told = run_chargen("dance").stderr
    assert all(f"'{name}'" in told or f" {name}" in told for name in COMMANDS)


def test_a_bare_command_line_is_the_default_command() -> None:
    assert parse_command_line(COMMANDS, [], default=DEFAULT) == parse_command_line(
        COMMANDS, [DEFAULT], default="list"
    )
