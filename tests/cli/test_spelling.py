"""A command or a flag that there is not is answered by the one that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from chargen.cli.commands import ALIASES, COMMANDS, DEFAULT
from chargen.cli.flags import parse_command_line
from chargen.cli.spelling import Spelled, first_unknown_flag
from tests.support.command import Chargen


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("trian corpus.txt", "there is no command trian; did you mean train? see chargen --help"),
        ("models", "did you mean list?"),
        ("show x", "did you mean info?"),
        ("help trian", "did you mean train?"),
        ("train c --lr 1", "there is no flag --lr; did you mean --learning-rate?"),
        ("train c --rnn-size 1", "did you mean --hidden-size? see chargen train --help"),
        ("train c --rnn_size=1", "there is no flag --rnn_size; did you mean --hidden-size?"),
        ("train -rnn_size 1 c", "there is no flag -rnn_size; did you mean --hidden-size?"),
        ("train c --layers 2", "did you mean --num-layers?"),
        ("train c --seq_length 9", "did you mean --bptt?"),
        ("train c --batch_size 9", "did you mean --batch-size?"),
        ("train c --drop 0.5", "did you mean --dropout?"),
        (
            "train --data c",
            "there is no flag --data; CORPUS is a positional argument; leave out --data",
        ),
        ("sample m --temprature 1", "did you mean --temperature? see chargen sample --help"),
        ("sample m --temp 1", "did you mean --temperature?"),
        ("sample m --Temperature 1", "did you mean --temperature?"),
        ("sample m --length 9", "did you mean --max-tokens?"),
        ("sample m -primetext The", "there is no flag -primetext; did you mean --prompt?"),
        ("sample m -temperature 1", "did you mean --temperature?"),
        ("sample --model m", "CHECKPOINT is a positional argument; leave out --model"),
        ("sample -m m", "CHECKPOINT is a positional argument; leave out -m"),
        (
            "repl m some words",
            "repl takes no prompt; for one answer: chargen run m 'some words'",
        ),
        ("generate m --temprature 1", "did you mean --temperature? see chargen generate --help"),
        ("eval m c --max-tokens 3", "--max-tokens is a flag of chargen sample"),
        ("list --zzz", "there is no flag --zzz; see chargen list --help"),
        ("info a b", "unexpected argument: b; see chargen info --help"),
        ("--device cpu", "as in: chargen repl --device"),
        ("train c --cell gur", "invalid choice: 'gur'"),
    ],
)
def test_what_was_meant_is_suggested(run_chargen: Chargen, line: str, says: str) -> None:
    done = run_chargen(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_first_word_that_is_a_model_or_a_text_is_told_from_a_command(
    run_chargen: Chargen, tmp_path: Path
) -> None:
    (tmp_path / "book.txt").write_text("a text")
    assert "chargen train book.txt" in run_chargen("book.txt").stderr
    assert "chargen repl everyday" in run_chargen("everyday").stderr


def test_values_are_no_flags() -> None:
    spelled = Spelled({"--prompt", "-p", "-n", "--json"}, {"--prompt", "-p", "-n"}, ())
    for line in (
        ["--prompt", "--what"],  # argparse says that a value is missing
        ["-pThe", "-n5", "-"],
        ["-5", "--prompt=--what", "two words", "- one - two", "--"],
        ["--", "--unknown"],
    ):
        assert first_unknown_flag(line, spelled) is None
    assert first_unknown_flag(["--json", "--what=1"], spelled) == "--what"
    assert first_unknown_flag(["-x", "1"], spelled) == "-x"
    assert first_unknown_flag(["-prompt", "The"], spelled) == "-prompt"


def test_choices_are_understood_in_capitals() -> None:
    for line, name, value in (
        ("train c --cell GRU", "cell", "gru"),
        ("train c --preset Small", "preset", "small"),
        ("sample --until Line", "until", "line"),
        ("plot m --along EPOCHS", "along", "epochs"),
        ("repl --keys VI", "keys", "vi"),
        ("train c --device GPU", "device", "gpu"),
    ):
        _, arguments = parse_command_line(COMMANDS, line.split(), default=DEFAULT)
        assert getattr(arguments, name) == value


def test_flags_may_stand_between_what_is_given_without_them() -> None:
    for line, name, value in (
        ("train a --seed 1 b", "corpus", ["a", "b"]),
        ("eval m --json a", "text", ["a"]),
        ("inspect a --memory b", "checkpoint", ["a", "b"]),
    ):
        _, arguments = parse_command_line(COMMANDS, line.split(), default=DEFAULT)
        assert getattr(arguments, name) == value


def test_other_tools_names_of_commands_are_understood(run_chargen: Chargen) -> None:
    shown = " ".join(run_chargen("--help").stdout.split())
    for name, alias in ALIASES.items():
        assert f"{name} ({alias.help})" in shown
        assert run_chargen(name, "--help").stdout.startswith(f"usage: chargen {name} ")
    assert run_chargen("help").stdout == run_chargen("--help").stdout
    assert run_chargen("help", "train").stdout == run_chargen("train", "--help").stdout
    sampled = [
        run_chargen(name, "everyday", "--prompt", "GRANN", "--temperature", 0, "--max-tokens", 1)
        for name in ("sample", "generate")
    ]
    assert sampled[0].stdout == sampled[1].stdout == "Y\n"


def test_run_answers_a_prompt_or_talks(run_chargen: Chargen) -> None:
    run_chargen("cp", "everyday", "cold")
    run_chargen("set", "cold", "temperature", 0)
    run_chargen("set", "cold", "mode", "complete")
    sampled = run_chargen("sample", "cold", "--prompt", "/GRANN").stdout
    assert run_chargen("run", "cold", "/GRANN").stdout == sampled, "it is no command"
    assert run_chargen("run", "cold", stdin="//GRANN\n").stdout == sampled
    run_chargen("set", "cold", "mode", "chat")
    answer = run_chargen("run", "cold", "What color is a banana?")
    assert answer.stdout == run_chargen("chat", "cold", stdin="What color is a banana?\n").stdout
    assert "yellow" in answer.stdout
    assert "flag of chargen sample" in run_chargen("run", "cold", "A", "--temperature", 1).stderr


def test_chat_is_the_repl_in_chat_mode(run_chargen: Chargen) -> None:
    done = run_chargen("chat", "everyday", "--json", stdin="/set temperature 0\nHello.\n/info\n")
    assert done.returncode == 0
    assert done.stdout.count('"finish_reason": "stop"') == 1
    assert "chat" in done.stderr


def test_a_command_to_copy_quotes_its_file(run_chargen: Chargen, tmp_path: Path) -> None:
    (tmp_path / "my book.txt").write_text("text")
    assert "chargen train 'my book.txt'" in run_chargen("my book.txt").stderr


def test_a_talk_with_a_model_of_no_dialogues_is_doubted(
    run_chargen: Chargen, checkpoint: Path
) -> None:
    says = "this model seems never to have seen a dialogue between You: and Bot:"
    assert says in run_chargen("chat", checkpoint, stdin="").stderr
    assert says not in run_chargen("chat", "everyday", stdin="").stderr
    assert says not in run_chargen("repl", checkpoint, stdin="").stderr
