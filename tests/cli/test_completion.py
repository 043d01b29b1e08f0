"""The scripts that shells complete by: made from the parsers, so that no command is forgotten."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from chargen.checkpoint.locate import BUNDLED_MODELS
from chargen.cli.commands import ALIASES, COMMANDS, complete_parser
from chargen.cli.completion import SHELLS, completion_script
from chargen.cli.flags import parser_of
from tests.support.command import Chargen

# As bash does at Tab, for each line of standard input, whose words a tab separates.
AT_TAB = r"""
set -u
source ./script
while IFS=$'\t' read -ra COMP_WORDS; do
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
  COMP_WORDS[COMP_CWORD]=${COMP_WORDS[COMP_CWORD]%|}
  COMPREPLY=()
  _shtab_chargen
  (IFS=$'\t'; echo "${COMPREPLY[*]-}")
done
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for name in ("tiny", "two words", "empty", "-dash"):
        (folder / "checkpoints" / name).mkdir(parents=True)
    for name in ("tiny", "two words"):
        (folder / "checkpoints" / name / "config.json").touch()
    (folder / "checkpoints" / "empty" / "notes.txt").touch()
    (folder / "texts").mkdir()
    (folder / "text.txt").touch()
    (folder / "script").write_text(completion_script(complete_parser(), "bash"), encoding="utf-8")
    return folder


def completed(here: Path, *lines: list[str]) -> list[list[str]]:
    """What bash offers for the last word of each line, which may be empty."""
    given = "".join("\t".join(["chargen", *line]) + "|\n" for line in lines)
    done = subprocess.run(
        ["bash", "--norc", "-c", AT_TAB], input=given, capture_output=True, text=True, cwd=here
    )
    # Where nobody types, bash has no completion whose options could be changed.
    assert all("compopt" in line for line in done.stderr.splitlines()), done.stderr
    return [sorted(filter(None, line.split("\t"))) for line in done.stdout.splitlines()]


def test_bash_completes_commands_and_aliases(here: Path) -> None:
    [offered] = completed(here, [""])
    assert offered == sorted([*COMMANDS, *ALIASES])


def test_bash_completes_every_flag_of_every_command(here: Path) -> None:
    offered = completed(here, *([name, "-"] for name in COMMANDS))
    for name, flags in zip(COMMANDS, offered, strict=True):
        assert set(flags) == set(parser_of(name, COMMANDS[name]).spelled.flags)


@pytest.mark.parametrize("command", ["sample", "info", "rm", "pack", "chat", "run"])
def test_bash_completes_names_of_checkpoints(here: Path, command: str) -> None:
    offered = completed(here, [command, ""], [command, "t"], [command, "two w"], [command, "ev"])
    assert offered == [["everyday", "facts", "tiny", "two words"], ["tiny", "two words"],
                       ["two words"], ["everyday"]]  # fmt: skip


def test_bash_completes_folders_where_no_name_is_meant(here: Path) -> None:
    assert completed(here, ["info", "te"], ["info", "checkpoints/t"], ["rm", "tiny", "ti"]) == [
        ["texts"], ["checkpoints/tiny", "checkpoints/two words"], ["tiny"],
    ]  # fmt: skip


def test_bash_completes_files_and_choices(here: Path) -> None:
    assert completed(
        here,
        ["train", "te"],
        ["train", "--out", "te"],
        ["train", "--cell", ""],
        ["train", "--init-from", "ti"],
        ["eval", "tiny", "text"],
        ["sample", "tiny", "--prompt-file", "text."],
        ["lab", "for"],
        ["set", "tiny", "mo"],
        ["completion", ""],
    ) == [
        ["text.txt", "texts"],
        ["texts"],
        ["gru", "lstm", "rnn"],
        ["tiny"],
        ["text.txt", "texts"],
        ["text.txt"],
        ["forget"],
        ["mode"],
        sorted(SHELLS),
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_can_read_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(completion_script(complete_parser(), shell), encoding="utf-8")
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_know_the_bundled_models_and_start_no_python(shell: str) -> None:
    script = completion_script(complete_parser(), shell)
    assert " ".join(folder.name for folder in BUNDLED_MODELS) in script
    assert "python" not in script


def test_the_command_prints_the_script(run_chargen: Chargen) -> None:
    assert run_chargen("completion", "zsh").stdout == completion_script(complete_parser(), "zsh")
    assert run_chargen("completion", "tcsh").returncode == 2
