"""The table of commands; a mistake is told in one line and changes nothing."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from chargen.config import BEAM_OPTIONS, SampleConfig
from chargen.errors import ChargenError
from chargen.options import field_names
from chargen.repl.commands import COMMANDS, GROUPS
from chargen.repl.host import Host, Quit
from chargen.repl.lines import run_command, run_line, run_typed_line
from chargen.repl.setting_commands import about
from tests.repl.conftest import Piped


def test_help_tells_every_command_on_one_screen(say: Piped) -> None:
    told = say("/help").stderr
    assert all(command.usage in told for command in COMMANDS.values())
    assert all(f"as in: {group.example}" in told for group in GROUPS)
    assert len(told.splitlines()) <= 17, "a prompt, its menu and the line below it are 6 of 24"
    assert say("/help").stdout == ""


@pytest.mark.parametrize("columns", [24, 40, 60, 100])
def test_help_fits_any_terminal(
    host: Host, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    run_command(host, "/help")
    rows = capsys.readouterr().err.splitlines()
    assert max(map(len, rows)) <= columns
    for command in COMMANDS.values():
        assert any(command.usage in row for row in rows), "no usage is broken"


def test_the_example_of_each_group_is_a_line_that_can_be_said(host: Host, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        for group in GROUPS:
            run_line(host, "The sky" if group.name == "text" else "/complete")
            run_line(host, group.example)


@pytest.mark.parametrize("name", field_names(SampleConfig))
def test_each_setting_explains_itself_with_an_example(say: Piped, name: str) -> None:
    told = say(f"/help {name}").stderr
    assert " ".join(about(name).split()) in " ".join(told.split())
    example = told[told.index("as in: ") :].removeprefix("as in: ").strip()
    first = ["/beams 2"] if name in BEAM_OPTIONS else []
    assert f"{name} is " in say(*first, example).stderr


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("/?", "/help"), ("/show", "/info"), ("/show info", "/info"), ("/clear", "/reset"),
     ("/help ?", "/help help"), ("/HELP", "/help"),
     ("/set temperature=0.5", "/set temperature 0.5"),
     ("/set temperature = 0.5", "/set temperature 0.5"), ("/set top-k=3", "/set top_k 3"),
     ("/set parameter temperature 0.5", "/set temperature 0.5"),
     ('/set stop "="', "/set stop ="), ('/set stop "=="', '/set stop = "=="')],
)  # fmt: skip
def test_habits_of_other_programs_are_understood(say: Piped, theirs: str, ours: str) -> None:
    assert say(theirs).stderr == say(ours).stderr != ""


@pytest.mark.parametrize("leaving", ["/bye", "/exit", "/quit"])
def test_any_way_out_leaves(host: Host, leaving: str) -> None:
    with pytest.raises(Quit):
        run_command(host, leaving)


@pytest.mark.parametrize("word", ["exit", "quit()", " help ", "?"])
def test_a_word_that_leaves_other_programs_is_not_completed(
    host: Host, say: Piped, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    run_typed_line(host, word)
    assert not host.session.last_prompt and not host.session.text
    told = capsys.readouterr().err
    assert ("/help" if word.strip() in ("help", "?") else "/quit or Ctrl-D leaves") in told
    run_typed_line(host, f'"""{word}"""')
    assert host.session.exchanges[0].prompt == word
    assert say("/set max_tokens 1", word).stdout, "in a pipe it is a text as any other"


def test_enter_alone_draws_again(host: Host) -> None:
    for line in ("/set max_tokens 9", "/set temperature 2", "/seed 1"):
        run_line(host, line)
    for line in ("", "The ", "", " "):
        run_typed_line(host, line)
    exchanges = host.session.exchanges
    assert [exchange.prompt for exchange in exchanges] == ["", "The ", "The ", "The "]
    assert len({exchange.text for exchange in exchanges[1:]}) == 3, "of the same seed"
    run_line(host, "/story")
    run_typed_line(host, "")
    assert len(host.session.exchanges) == 4, "a story goes on by /continue"


def test_what_stands_between_quotes_is_a_text_as_it_is(host: Host) -> None:
    run_line(host, "/set max_tokens 1")
    for line, prompt in (
        ('"""a\nb"""', "a\nb"), ('"""\n a\n\nb\n"""', " a\n\nb"), ('"""/quit""" ', "/quit"),
        ('""""""', ""), ('"""\n\na"""', "\na"), ('say """a"""', 'say """a"""'),
    ):  # fmt: skip
        run_line(host, line)
        assert host.session.last_prompt == prompt


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(say: Piped, name: str) -> None:
    row = COMMANDS[name]
    assert row.usage.split()[0] == f"/{name}"
    assert row.help in " ".join(say(f"/help {name}").stderr.split())


@pytest.mark.parametrize(
    "asked", ["temperature", "set temperature", "/set temperature", "set seed"]
)
def test_help_explains_settings(say: Piped, asked: str) -> None:
    assert f"/set {asked.split()[-1]}: " in say(f"/help {asked}").stderr


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
        ("/by", "did you mean /bye?"),
        ("/temp 0.5", "did you mean /set temperature?"),
        ("/set temp 0.5", "did you mean temperature?"),
        ("/model m", "did you mean /load?"),
        ("/help temprature", "did you mean /set temperature?"),
        ("/set temperature=", "temperature must be a number, not '='"),
        ("/set =", "there is no setting"),
        ("/set temperature hot", "temperature must be a number, not 'hot'"),
        ("/set temperature -1", "temperature must be at least 0"),
        ("/set temperature nan", "must be a number"),
        ("/set until page", "until must be one of word, sentence, line, paragraph"),
        ("/set stop 'You", "a quote is not closed"),
        ("/set regex (", "regex"),
        ("/set regex \u4e2d+", "cannot generate any text"),
        ("/set ban zzz", "no token of this model contains"),
        ("/seed 99999999999999999999", "at most 9,223,372,036,854,775,807"),
        ("/beams 0", "beams must be at least 1"),
        ("/beams many", "beams must be a whole number"),
        ("/why", "there is no answer to explain"),
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
        ("/open .", "is not a session file"),
        ("/save no/such/folder/x", "cannot write"),
        ("/log no/such/folder/x", "cannot write"),
        ("/log " + "x" * 300, "cannot write"),
        ("/load " + "x" * 300, "cannot access"),
        ("/why 0000000199", "/why takes a number"),
        ("/save-model", "/save-model needs a name"),
        ("/edit", "/edit needs a terminal"),
        ("/chat You:", "a chat has two speakers"),
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
