"""One error, and the options in it as each surface writes them."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chargen.cli.commands import COMMANDS
from chargen.cli.flags import parse_command_line
from chargen.config import SampleConfig
from chargen.errors import (
    ChargenError,
    CheckpointError,
    ConfigError,
    Mention,
    Wording,
    action,
    in_flags,
    in_python,
    named,
    setting,
)
from chargen.options import build_config
from chargen.repl.lines import in_commands


@pytest.mark.parametrize(
    ("error", "in_python", "on_the_command_line", "in_the_repl"),
    [
        (
            ConfigError("must be at least 1, not 0", option="top_k"),
            "top_k must be at least 1, not 0",
            "--top-k must be at least 1, not 0",
            "top_k must be at least 1, not 0",
        ),
        (
            ConfigError(named("early_stopping") + " needs " + named("beams"),
                        hint="add " + setting("beams", 5)),
            "`early_stopping` needs `beams`; add beams=5",
            "--early-stopping needs --beams; add --beams 5",
            "early_stopping needs beams; add /set beams 5",
        ),
        (
            ConfigError(named("minutes", "epochs", "steps") + " cannot be combined"),
            "`minutes`, `epochs` and `steps` cannot be combined",
            "--minutes, --epochs and --steps cannot be combined",
            "minutes, epochs and steps cannot be combined",
        ),
        (
            CheckpointError("it has another size", hint="lower " + named("top_k", "top_p")),
            "it has another size; lower `top_k` and `top_p`",
            "it has another size; lower --top-k and --top-p",
            "it has another size; lower top_k and top_p",
        ),
    ],
)  # fmt: skip
def test_each_surface_spells_the_options(
    error: ChargenError, in_python: str, on_the_command_line: str, in_the_repl: str
) -> None:
    assert str(error) == in_python
    assert error.spelled(in_flags) == on_the_command_line
    assert in_commands(error) == in_the_repl


def test_what_to_do_with_a_session_is_a_call_or_a_command() -> None:
    error = ChargenError("it has learned", hint=action("learn(False)", "/learn off") + " first")
    assert str(error) == "it has learned; learn(False) first"
    assert in_commands(error) == "it has learned; /learn off first"


def test_what_the_user_wrote_is_no_option() -> None:
    """However much it looks like one."""
    error = ConfigError(named("regex") + " has too many states: `top_k` --top-k")
    assert error.spelled(in_flags) == "--regex has too many states: `top_k` --top-k"
    assert in_commands(error) == "regex has too many states: `top_k` --top-k"


def test_an_error_keeps_its_option_and_its_parts() -> None:
    with pytest.raises(ConfigError) as raised:
        build_config(SampleConfig, {"top_k": 0})
    assert raised.value.option == "top_k"
    assert raised.value.message == "must be at least 1, not 0"
    error = ConfigError("no", hint="add " + setting("beams", 5))
    assert (error.message, error.hint, error.option) == ("no", "add beams=5", None)


def test_all_options_can_be_told_from_an_error() -> None:
    mentions: list[object] = []

    def spell(mention: object) -> str:
        mentions.append(mention)
        return ""

    error = ConfigError(named("beams", "seed") + " cannot be combined", hint=setting("beams", 5))
    error.spelled(spell)
    assert mentions == [Mention("beams"), Mention("seed"), Mention("beams", True, 5)]


@pytest.mark.parametrize(
    ("to_set", "python", "flags", "command"),
    [
        (setting("beams", 1), "beams=1", "--beams 1", "/set beams 1"),
        (setting("resume", True), "resume=True", "--resume", "/set resume on"),
        (setting("heal", False), "heal=False", "--no-heal", "/set heal off"),
        (setting("stop", "a \n"), "stop='a \\n'", "--stop 'a \\n'", '/set stop "a \\n"'),
        (setting("stop", "a\\b"), r"stop='a\\b'", r"--stop 'a\\b'", r'/set stop "a\\b"'),
        (setting("stop", "-- "), "stop='-- '", "--stop='-- '", '/set stop "-- "'),
        (setting("stop", '"a'), "stop='\"a'", "--stop '\"a'", "/set stop '\"a'"),
        (setting("out", Path("a b\\n")), r"out='a b\\n'", r"--out 'a b\n'", None),
        (setting("text", fill_in="FILE"), "text=...", "--text FILE", "/set text FILE"),
        (setting("labels", ["a", "b"]), "labels=['a', 'b']", "--labels a,b", None),
    ],
)
def test_what_is_to_be_set_can_be_typed_as_it_stands(
    to_set: Wording, python: str, flags: str, command: str | None
) -> None:
    assert to_set.spelled(in_python) == str(to_set) == python
    assert to_set.spelled(in_flags) == flags
    assert command is None or in_commands(ChargenError(to_set)) == command


@example("--")
@given(st.text("-ab \"'\\\n\r\tnrt=,#", min_size=1, max_size=8))
def test_what_is_to_be_set_is_read_as_what_was_meant(text: str) -> None:
    to_set = setting("stop", text)
    assert ast.literal_eval(str(to_set).removeprefix("stop=")) == text
    words = shlex.split(to_set.spelled(in_flags))
    _, arguments = parse_command_line(COMMANDS, ["sample", *words], default="sample")
    assert arguments.stop == [text]
