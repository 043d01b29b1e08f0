"""Commands from a pipe: answers on stdout, all else on stderr, and a mistake changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from chargen.config import SampleConfig
from chargen.display.text import TextPrinter
from chargen.errors import ChargenError
from chargen.options import field_names
from chargen.repl.commands import COMMANDS, run_command
from chargen.repl.host import Host, Quit
from chargen.repl.pipe import run_piped
from chargen.session.session import Session
from tests.support.command import Chargen, Done

Piped = Callable[..., Done]
GREEDY = "/set temperature 0"


@pytest.fixture
def say(run_chargen: Chargen, checkpoint: Path) -> Piped:
    """What comes of some lines."""

    def say(*lines: str, code: int = 0, flags: tuple[str, ...] = ()) -> Done:
        done = run_chargen("repl", checkpoint, *flags, stdin="".join(f"{line}\n" for line in lines))
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return say


@pytest.fixture
def host(checkpoint: Path) -> Host:
    return Host(Session(checkpoint), TextPrinter(), lambda: False)


# -- the table --------------------------------------------------------------------------------


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


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", field_names(SampleConfig))
def test_every_setting_can_be_set_and_shown(say: Piped, name: str) -> None:
    values = {
        "stop": "x", "ban": "x", "charset": "a-z", "regex": "[a-z]+", "until": "word",
        "top_p": "0.5", "min_p": "0.5", "typical_p": "0.5", "heal": "off", "early_stopping": "on",
        "length_penalty": "0",
    }  # fmt: skip
    beams = ["/beams 2"] if name == "early_stopping" else []
    told = say(*beams, f"/set {name.replace('_', '-')} {values.get(name, '3')}", "/set").stderr
    assert f"{name} is " in told
    assert sum(line.startswith(name) for line in told.splitlines()) >= 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("You:", ("You:",)),
        (r"\n", ("\n",)),
        ('" You:" "a b"', (" You:", "a b")),
        ("'it\"s'", ('it"s',)),
        ("it's", ("it's",)),
        ("off", ()),
    ],
)
def test_texts_keep_their_spaces_in_quotes(
    host: Host, written: str, value: tuple[str, ...]
) -> None:
    run_command(host, f"/set stop {written}")
    assert host.session.config.stop == value


def test_beams_put_the_settings_of_drawing_aside(say: Piped) -> None:
    done = say("/set temperature 0.7", "/beams 2", "The strawberry is", "/beams off", "/set")
    assert "probability" in done.stdout
    assert re.search(r"^temperature +0.7", done.stderr, re.MULTILINE)


# -- texts ------------------------------------------------------------------------------------


def test_an_answer_a_line(say: Piped) -> None:
    done = say(GREEDY, "/set max_tokens 1", "GRANN", "", "The strawberry is r", "GRAN")
    assert done.stdout == "Y\ne\nN\n"


def test_two_slashes_begin_a_prompt(say: Piped) -> None:
    done = say("/set num_samples 2", "/set max_tokens 1", "//")
    assert len(done.stdout.split("---")) == 2


def test_a_text_goes_on(say: Piped) -> None:
    whole = say(GREEDY, "/set max_tokens 20", "The straw").stdout
    parts = say(GREEDY, "/set max_tokens 8", "The straw", "/set max_tokens 12", "/continue").stdout
    assert parts.replace("\n", "") == whole.replace("\n", "")


def test_retry_and_undo(say: Piped) -> None:
    lines = ("/seed 1", "/set temperature 3", "/set max_tokens 9", "The ")
    [first] = say(*lines, flags=("--json",)).stdout.splitlines()
    again = say(*lines, "/retry", "/undo", "/undo", flags=("--json",))
    texts = [json.loads(line)["text"] for line in again.stdout.splitlines()]
    assert texts[0] == json.loads(first)["text"] != texts[1]
    assert "the answer before is back" in again.stderr
    assert "taken back: The" in again.stderr


def test_a_talk_stops_at_the_end_of_a_turn(say: Piped) -> None:
    done = say("/chat The ANNA", GREEDY, "sky is blue.", "sky is blue.")
    assert "The: is you, ANNA: the model" in done.stderr
    assert done.stdout == done.stdout.lstrip()
    assert "The:" not in done.stdout
    assert "\n\n" not in done.stdout


def test_json_is_a_line_an_answer(say: Piped) -> None:
    done = say(
        GREEDY, "/set max_tokens 3", "GRANN", "/beams 2", "GRANN", "/beams off",
        "/set num_samples 3", "The ", flags=("--json",),
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prompt"] for row in rows] == ["GRANN"] * 3 + ["The "] * 3
    assert rows[0].keys() == {"prompt", "text", "tokens", "logprob", "finish_reason"}
    assert rows[0]["text"].startswith("Y")
    assert rows[1]["score"] >= rows[2]["score"]


def test_a_text_from_nothing(say: Piped, run_chargen: Chargen, checkpoint: Path) -> None:
    sample = run_chargen("sample", checkpoint, "--temperature", 0, "--max-tokens", 5)
    assert say(GREEDY, "/set max_tokens 5", "/continue").stdout == sample.stdout


def test_a_turn_that_has_ended_is_not_gone_on_with(say: Piped) -> None:
    done = say("/chat A: B:", "/continue", code=1)
    assert "it is your turn" in done.stderr
    assert "Ann: is you, Bob: the model" in say("/chat Ann Bob").stderr


def test_json_has_all_in_json(say: Piped) -> None:
    done = say(
        GREEDY, "/set max_tokens 3", "GRANN", "/top", "/top words", "/why", flags=("--json",)
    )
    answer, top, words, *why = map(json.loads, done.stdout.splitlines())
    assert answer["text"].startswith("Y")
    assert top["next"][0]["probability"] > 0.1 < words["next"][0]["probability"]
    assert "".join(row["text"] for row in why) == answer["text"]
    assert why[0].keys() == {"text", "nats", "likeliest"}


def test_a_space_at_the_end_counts(say: Piped) -> None:
    first = [say(f"/top The strawberry is{end}").stdout.split()[0] for end in ("", " ")]
    assert first == ["\u2423", "r"]


def test_what_may_come_next(say: Piped) -> None:
    done = say("/top GRANN", "/top words The strawberry is")
    assert done.stdout.split()[0] == "Y"
    assert any(line.startswith("\u2423red") for line in done.stdout.splitlines())


def test_why_tells_the_last_answer_and_the_others_that_were_likely(say: Piped) -> None:
    done = say(GREEDY, "/set max_tokens 4", "The strawberry is", "/why", "/why 2")
    text, again, head, *rows = done.stdout.splitlines()
    assert text == again == " red"
    assert "likeliest" in head
    assert [row.split()[1] for row in rows] == ["\u2423", "r", "e", "d"]
    assert all(row.count("%") == 2 for row in rows)


def test_variants_and_compare(say: Piped, checkpoint: Path) -> None:
    done = say(
        GREEDY, "/set max_tokens 4", "GRANN", "/variants 2", f"/compare {checkpoint}",
        flags=("--json",),
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 5
    assert {(row["prompt"], row["text"]) for row in rows} == {("GRANN", rows[0]["text"])}
    assert [row["checkpoint"] for row in rows[3:]] == [str(checkpoint)] * 2


def test_what_a_session_is(say: Piped, checkpoint: Path) -> None:
    told = say("/story", "The sky", "/info", "/seed", "/keys vi", "/reset settings").stderr
    assert str(checkpoint) in told
    assert re.search("text so far +1 exchange", told)
    assert "the last text was drawn by seed" in told


def test_another_model_reads_the_text(say: Piped, subword_checkpoint: Path) -> None:
    done = say("/story", "/set max_tokens 5", "The sky", f"/load '{subword_checkpoint}'", "/info")
    assert f"talking to {subword_checkpoint}" in done.stderr
    assert "subword" in done.stderr


def test_a_session_is_saved_and_opened(say: Piped, tmp_path: Path) -> None:
    start = (GREEDY, "/set max_tokens 6", "/story", "The straw")
    whole = say(*start, "/continue", "/save s").stdout
    assert whole == say(*start, "/save s").stdout + say("/open s", "/continue").stdout


def test_all_is_written_into_a_log(say: Piped, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine")
    start = (GREEDY, "/set max_tokens 4")
    say(*start, "before ```", "/log talk.md", "The strawberry is", "/retry", "GRAN", "/undo",
        "/log off", "unlogged")  # fmt: skip
    log = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert log.index("before ```") < log.index("The strawberry is") < log.index(" red")
    assert "````text\nbefore ```\n````" in log
    assert "GRAN\n" not in log
    assert "unlogged" not in log
    assert "mine.md exists" in say("/log mine.md", code=1).stderr
    assert (tmp_path / "mine.md").read_text() == "mine"


def test_a_model_learns_what_is_written_and_can_be_kept(
    say: Piped, checkpoint: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    done = say(
        "/learn", "/learn on", "The wug is purple.", "/learn", "/save talk", code=1
    )  # fmt: skip
    assert "learning is off: /learn on" in done.stderr
    assert "learning is on" in done.stderr
    assert "/save-model it first, or /learn off" in done.stderr
    done = say("/learn on", "The wug is purple.", "/save-model kept", "/save talk", "/info")
    assert "talking to kept" in done.stderr
    assert (tmp_path / "kept" / "config.json").is_file()
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    assert "is forgotten" in say("/learn on", "The wug is purple.", "/learn off").stderr


def test_half_a_character_in_a_pipe_is_told(checkpoint: Path) -> None:
    session = Session(checkpoint)
    assert run_piped(session, BytesIO(b"\xff\nGRANN\n"), False) == 1
    assert session.exchanges[0].prompt == "GRANN"
