"""Commands about settings, modes and learning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chargen.config import BEAM_OPTIONS, SampleConfig
from chargen.errors import in_repl, setting
from chargen.options import field_names
from chargen.repl.host import Host
from chargen.repl.lines import run_command
from chargen.repl.setting_commands import EXAMPLES
from tests.repl.conftest import GREEDY, Piped


@pytest.mark.parametrize("name", field_names(SampleConfig))
def test_every_setting_can_be_set_and_shown(say: Piped, name: str) -> None:
    beams = ["/beams 2"] if name in BEAM_OPTIONS else []
    told = say(*beams, f"/set {name.replace('_', '-')} {EXAMPLES[name]}", "/set").stderr
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


@pytest.mark.parametrize("text", ["\\", "\\n", "a\n\r\t", '"', "'", """it's "so" """, " = ", "off"])
def test_what_an_error_says_to_set_can_be_set(host: Host, text: str) -> None:
    run_command(host, setting("stop", text).spelled(in_repl))
    assert host.session.config.stop == (text,)


@pytest.mark.parametrize("regex", [r"[a-z]+(\\n)?", r"[a-z]+\.?"])
def test_a_regex_in_quotes_keeps_its_backslashes(host: Host, regex: str) -> None:
    run_command(host, f'/set regex "{regex}"')
    assert host.session.settings["regex"] == regex


def test_a_setting_of_several_texts_says_how_they_are_given(say: Piped) -> None:
    assert 'or several: "a" "b"' in say("/set stop").stderr


def test_beams_put_the_settings_of_drawing_aside(say: Piped) -> None:
    done = say("/set temperature 0.7", "/beams 2", "The strawberry is", "/beams off", "/set")
    assert "probability" in done.stdout
    assert re.search(r"^temperature +0.7", done.stderr, re.MULTILINE)


def test_a_talk_stops_at_the_end_of_a_turn(say: Piped) -> None:
    done = say("/chat The ANNA", GREEDY, "sky is blue.", "sky is blue.")
    assert "The: is you, ANNA: the model" in done.stderr
    assert done.stdout == done.stdout.lstrip()
    assert "The:" not in done.stdout
    assert "\n\n" not in done.stdout
    names = say("/chat \u0930\u093e\u0927\u093e Rene\u0301").stderr  # which end with marks
    assert "\u0930\u093e\u0927\u093e: is you, Rene\u0301: the model" in names


def test_a_model_learns_what_is_written_and_can_be_kept(
    say: Piped, checkpoint: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    done = say(
        "/learn", "/learn on", "The wug is purple.", "/learn", "/save talk", code=1
    )  # fmt: skip
    assert "learning is off: /learn on" in done.stderr
    assert "learning is on" in done.stderr
    assert "/save-model FOLDER keeps it, /learn off forgets it" in done.stderr
    done = say("/learn on", "The wug is purple.", "/save-model kept", "/save talk", "/info")
    assert "talking to kept" in done.stderr
    assert (tmp_path / "kept" / "config.json").is_file()
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    assert "is forgotten" in say("/learn on", "The wug is purple.", "/learn off").stderr


def test_info_lists_what_was_set(say: Piped) -> None:
    told = say("/chat", "/set temperature 1", "/info").stderr  # which a text's is anyway
    assert re.search("^settings +temperature 1.0; /set shows all", told, re.MULTILINE)
    assert re.search(
        "^settings +all settings at their defaults", say("/chat", "/info").stderr, re.M
    )


def test_a_model_that_never_read_a_dialogue_is_told_of(say: Piped) -> None:
    assert "never to have seen a dialogue between You: and Bot:" in say("/chat").stderr
