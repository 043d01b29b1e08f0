"""`chargen completion`: a script by which a shell completes commands, options, names and files.

The only door to shtab, which makes it from our parsers. The script is static: Tab starts no Python.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from chargen.cli.flags import Arguments, Parser

SHELLS = ("bash", "zsh", "fish")
# What each shell offers for a checkpoint: the names of those in ./checkpoints and of the bundled
# ones; folders where there is no such name, or where the word holds a slash.
_BASH = """\
_chargen_dir_or_name() {
  local path
  local -a names=()
  if [[ $1 != */* && $1 != [.~]* ]]; then
    for path in checkpoints/*/config.json checkpoints/*/training.safetensors; do
      [[ -e $path ]] && path=${path#checkpoints/} && names+=("${path%/*}")
    done
    printf '%s\\n' everyday facts "${names[@]}" | sort -u | while IFS= read -r path; do
      [[ $path == "$1"* ]] && printf '%s\\n' "$path"
    done | grep . && return
  fi
  compgen -d -- "$1"
}
"""
_ZSH = """\
_chargen_checkpoints() {
  local -aU names
  names=(everyday facts checkpoints/*/(config.json|training.safetensors)(N:h:t))
  compadd -a names || _files -/
}
"""
_FISH = """\
function _chargen_checkpoints
  set -l word (commandline -ct)
  set -l found checkpoints/*/config.json checkpoints/*/training.safetensors
  set -l names everyday facts (string replace -r '^checkpoints/(.*)/[^/]*$' '$1' -- $found)
  if string match -q -- '*/*' $word; or not string match -q -- "$word*" $names
    __fish_complete_directories
  else
    printf '%s\\n' $names | sort -u
  end
end
"""
_CHECKPOINTS = {
    # shtab takes `_dir` in a name to mean that bash must quote blanks, as in files.
    "bash": "_chargen_dir_or_name",
    "zsh": "_chargen_checkpoints",
    "fish": "(_chargen_checkpoints)",
    "preamble": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH},
}


def add_flags(command: Parser) -> None:
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    command.end_help_with(
        'Load it with eval "$(chargen completion bash)" in ~/.bashrc, the same for zsh in ~/.zshrc '
        "after compinit, or chargen completion fish | source in config.fish."
    )


def run(arguments: Arguments, parser: Parser) -> int:
    """Print a completion script for a parser that has all commands."""
    sys.stdout.write(completion_script(parser, arguments.shell))
    return 0


def completion_script(parser: Parser, shell: str) -> str:
    """What one of the `SHELLS` completes the parser's command lines by."""
    import shtab

    for action in _actions(parser):
        _say_what_completes(action)
    return str(shtab.complete(parser, shell)) + "\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument and option of a parser and of the commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


def _say_what_completes(action: argparse.Action) -> None:
    """For shtab: an argument's metavar says what it is. Choices are completed without that."""
    import shtab

    from chargen.config import SamplingDefaults
    from chargen.lab import WORLDS
    from chargen.options import field_names

    completed: dict[str, Any] = {
        "CHECKPOINT": _CHECKPOINTS,
        "CORPUS": shtab.FILE,
        "FILE": shtab.FILE,
        "FOLDER": shtab.DIRECTORY,
    }
    named = {"EXPERIMENT": tuple(WORLDS), "NAME": tuple(field_names(SamplingDefaults))}
    metavar = str(action.metavar)
    if metavar == "TEXT" and action.dest == "text":  # mostly a file
        metavar = "FILE"
    if metavar in completed:
        action.complete = completed[metavar]  # type: ignore[attr-defined]
    elif metavar in named:
        action.choices = named[metavar]
