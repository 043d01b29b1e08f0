"""The table of commands; a mistake is told in one line and changes nothing."""

from __future__ import annotations

import re

import pytest

from chargen.errors import ChargenError
from chargen.repl.commands import COMMANDS, run_command
from chargen.repl.host import Host, Quit
from tests.repl.conftest import Piped


def test_help_tells_every_command(say: Piped) -> None:
    told = say("/help").stderr
    assert all(command.usage in told for command in COMMANDS.values())
    assert say("/help").stdout == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(say: Piped, name: str) -> None:
    row = COMMANDS[name]
    assert row.usage.split()[0] == f"/{name}"
    assert row.help in " ".join(say(f"/help {name}").stderr.split())


def test_quit_leaves(say: Piped, host: Host) -> None:
    assert say("/quit", "GRANN").stdout == ""
    with pytest.raises(Quit):
        run_command(host, "/quit")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/tempo", "there is no command /tempo"),
        ("/hepl", "did you mean /help?"),
        ("/" + "x" * 5000, "there is no command /xxx"),
        ("/help hepl", "did you mean /help?"),
        ("/set warmth 1", "there is no setting warmth"),
        ("/set temprature 1", "did you mean temperature?"),
        ("/set te 1", "did you mean temperature?"),
        ("/HE", "did you mean /help?"),
        ("/set temperature hot", "temperature must be a number, not 'hot'"),
        ("/set temperature -1", "temperature must be at least 0"),
        ("/set temperature nan", "must be a number"),
        ("/set until page", "until must be one of word, sentence, line, paragraph"),
        ("/set stop 'You", "a quote is not closed"),
        ("/set regex (", "regex"),
        ("/set regex \u4e2d+", "no text that this model can write"),
        ("/set ban zzz", "no token of this model holds"),
        ("/seed 99999999999999999999", "at most 9,223,372,036,854,775,807"),
        ("/beams 0", "beams must be at least 1"),
        ("/beams many", "beams must be a whole number"),
        ("/why", "there is no answer to look into"),
        ("/why 99", "/why takes a number from 1 to 20"),
        ("/variants", "there is no answer"),
        ("/variants 0", "/variants takes a number from 1"),
        ("/retry", "there is no answer"),
        ("/learn maybe", "learning is on or off"),
        ("/undo", "there is nothing to undo"),
        ("/compare", "/compare needs a name"),
        ("/compare nowhere", "there is no answer"),
        ("/load", "/load needs a name"),
        ("/load nowhere", "no such checkpoint"),
        ("/open nowhere", "cannot read nowhere"),
        ("/open .", "is no session file"),
        ("/save no/such/folder/x", "cannot write"),
        ("/log no/such/folder/x", "cannot write"),
        ("/log " + "x" * 300, "cannot write"),
        ("/load " + "x" * 300, "cannot look at"),
        ("/why 0000000199", "/why takes a number"),
        ("/save-model", "/save-model needs a name"),
        ("/edit", "/edit needs a terminal"),
        ("/chat You:", "a talk has two sides"),
        ("/chat Me: Me:", "must differ"),
        ("/keys nano", "keys are emacs or vi"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_changes_nothing(
    host: Host, say: Piped, line: str, told: str
) -> None:
    session = host.session
    before = session.state
    with pytest.raises(ChargenError):
        run_command(host, line)
    assert session.state is before
    done = say(line, code=1)
    assert done.stdout == ""
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not re.search(r"`|--[a-z]", done.stderr), "flags are for the command line"
