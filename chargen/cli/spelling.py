"""What was meant by a command or a flag that there is not. Values in, words out: parses nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import join, quote

from chargen.checkpoint.locate import checkpoint_names
from chargen.errors import flag
from chargen.suggestions import meant_elsewhere, nearest

# Commands by their names in ollama, llm, other shells and other tools.
OTHER_COMMANDS = {
    "list": "models ps tags",
    "info": "show inspect-model describe about",
    "rm": "remove delete del",
    "mv": "move rename",
    "cp": "copy",
    "pack": "zip archive share push",
    "unpack": "unzip unarchive pull import",
    "completion": "completions autocomplete complete-shell",
    "set": "config configure",
    "eval": "evaluate test perplexity ppl",
    "train": "fit learn finetune fine-tune resume",
    "sample": "predict complete write generation",
    "repl": "talk interactive console shell",
}


@dataclass(frozen=True)
class Spelled:
    """What a command line may hold for a command: its flags, of which some take a value, and the
    names of what is given without a flag."""

    flags: Collection[str]
    valued: Collection[str]
    positionals: Collection[str]


def explain_command(word: str, commands: Collection[str], aliases: Collection[str]) -> str:
    """What to say of a first word that is no command."""
    known = ", ".join(commands)
    meant = [ours for ours, others in OTHER_COMMANDS.items() if word.lower() in others.split()]
    near = next(iter(meant), nearest(word, [*commands, *aliases]))
    if near:
        return f"there is no command {word}; did you mean {near}?"
    if word in checkpoint_names():
        return f"there is no command {word}; to talk to that model: chargen repl {quote(word)}"
    if os.path.exists(word):
        return f"there is no command {word}; to train on that text: chargen train {quote(word)}"
    return f"there is no command {word}; the commands are {known}"


def explain_extra(command: str, checkpoint: str | None, left: Sequence[str]) -> str:
    """What to say of what a command, which is given a `checkpoint`, does not take."""
    if command in ("repl", "chat") and checkpoint is not None:
        run = join(["chargen", "run", checkpoint, " ".join(left)])
        return f"{command} takes no prompt; for one answer: {run}"
    return f"unexpected argument{'s' if len(left) > 1 else ''}: {' '.join(left)}"


def first_unknown_flag(words: Iterable[str], spelled: Spelled) -> str | None:
    """The first word that is meant as a flag but is none of these; None where there is none."""
    follows_valued = False
    for word in words:
        if word == "--":
            return None
        name = word.partition("=")[0]
        is_flag = re.fullmatch(r"--?[^\W\d][\w.-]*", name) is not None
        if is_flag and not follows_valued and name not in spelled.flags:
            is_long = name.startswith("--") or len(name) == 2
            # What follows a short flag may be its value, as in -n5; a word in full is not, ours
            # or one of another tool, as -primetext.
            is_word = _find(name, spelled.flags) or meant_elsewhere(name[1:])
            if is_long or name[:2] not in spelled.flags or is_word:
                return name
        follows_valued = word in spelled.valued
    return None


def explain_flag(name: str, own: Spelled, commands: Mapping[str, Spelled]) -> str:
    """What to say of a flag that a command does not have, though other `commands` may."""
    written = flag(name.lstrip("-"))
    if found := _find(name, own.flags):
        return f"there is no flag {name}; did you mean {found}?"
    others = [command for command, its in commands.items() if written in its.flags]
    if others:
        return f"{name} is a flag of chargen {others[0]}"
    option = name.lstrip("-").replace("-", "_")
    options = [one.lstrip("-").replace("-", "_") for one in own.flags if one.startswith("--")]
    known = [*options, *own.positionals]
    meant = meant_elsewhere(option)
    others = [command for command, its in commands.items() if {*map(flag, meant)} & {*its.flags}]
    if others and not {*meant} & {*known}:
        return f"there is no flag {name}; {flag(meant[0])} is one of chargen {others[0]}"
    near = nearest(option, known)
    if near in own.positionals:
        return f"there is no flag {name}; {near.upper()} is a positional argument; leave out {name}"
    return f"there is no flag {name}" + (f"; did you mean {flag(near)}?" if near else "")


def _find(name: str, flags: Collection[str]) -> str | None:
    """The flag that is written with two hyphens, and with hyphens for underscores."""
    written = flag(name.lstrip("-").lower())
    return written if written in flags else None
