"""Write docs/reference/commands.md: every command and option, from the program's own parsers.

python docs/reference.py            writes the page
python docs/reference.py --check    says whether it is up to date
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from chargen.cli.commands import ALIASES, COMMANDS
from chargen.cli.flags import Command, parser_of

PAGE = Path(__file__).parent / "reference" / "commands.md"
# Where a command is explained.
GUIDES = {
    "train": "train",
    "sample": "sample",
    "repl": "repl",
    "serve": "serve",
    "eval": "evaluate",
    "classify": "classify",
    "score": "evaluate",
    "inspect": "inspect",
    "lab": "lab",
    "plot": "train",
    "export": "page",
    "pack": "share",
    "unpack": "share",
    "completion": "completion",
    "set": "sample",
}
# What is shown as code where it stands in a line of help.
TYPED = re.compile(
    r"""(?:chargen|sample) (?:set\b|--\S+ '')|(?<!\w)--[a-z][\w-]*|\{[^}]*\}"""
    r"""|'\\n[^']*'|\\n|"[^"]*"|\./checkpoints|\bcorpora/|\btensorboard/"""
)
INTRODUCTION = """\
# Commands and options

Every command of chargen with all its options. This page is generated from the program, so it says
the same as `chargen --help` and `chargen COMMAND --help`; `-h` and `--help` are left out below.

A bare `chargen` is `chargen repl`. A checkpoint is named by its folder, by its name in
`./checkpoints`, or as `everyday` or `facts`, which are bundled. Defaults that are *planned* are
chosen by `train` for the text, the device and the time. What `--json` prints is described in
[Exit codes and JSON output](output.md), what else chargen takes into account in
[Environment variables and folders](environment.md).
"""


def commands_page() -> str:
    """The whole page."""
    rows = [
        f"[`{name}`](#{_anchor(name)}) | {_prose(command.help)} | {_guide(name)}"
        for name, command in COMMANDS.items()
    ]
    aliases = [f"`{name}` | {_prose(alias.help)}" for name, alias in ALIASES.items()]
    parts = [
        INTRODUCTION,
        _table(("command", "what it does", "guide"), rows),
        *(_section(name, command) for name, command in COMMANDS.items()),
        "## Aliases\n\nCommands by the names that other tools give them.\n",
        _table(("alias", "the same as"), aliases),
    ]
    return "\n".join(parts)


def _section(name: str, command: Command) -> str:
    parser = parser_of(name, command)
    parts = [
        f"## chargen {name}\n",
        f"{_prose(parser.description or '')}\n",
        f"```text\n{parser.usage}\n```\n",
    ]
    positionals, options, *titled = parser._action_groups
    general = [*positionals._group_actions, *options._group_actions]
    parts += _options(general)
    for group in titled:
        rows = list(_options(group._group_actions))
        if rows:
            title = group.title or ""
            parts += [f"### {_prose(title[0].upper() + title[1:])}\n", *rows]
    if parser.epilog:
        parts.append(_prose(" ".join(parser.epilog.split())) + "\n")
    return "\n".join(parts)


def _options(actions: Iterable[argparse.Action]) -> Iterator[str]:
    """A table of these arguments and options, without --help; nothing where there are none."""
    rows = []
    for action in actions:
        if "--help" not in action.option_strings:
            words, default = _split_default(action)
            rows.append(f"{_typed(action)} | {default} | {_prose(words)}")
    if rows:
        yield _table(("option", "default", "what it does"), rows)


def _typed(action: argparse.Action) -> str:
    """What to type: `-o`, `--out FOLDER`."""
    if action.choices and action.metavar is None:
        value = "|".join(map(str, action.choices))
    else:
        value = str(action.metavar or "").strip("{}").replace(",", "|" if action.choices else ",")
    if not action.option_strings:
        return f"`{value}`"
    last = action.option_strings[-1]
    shown = [*action.option_strings[:-1], f"{last} {value}" if action.nargs != 0 else last]
    return ", ".join(f"`{one}`" for one in shown).replace("|", r"\|")


def _split_default(action: argparse.Action) -> tuple[str, str]:
    """The help without its default, and the default, where it is a value and not a sentence."""
    words = (action.help or "").replace("%%", "%")
    found = re.fullmatch(r"(.*) \(default: ('.*'|\S+)\)", words)
    if not found or not action.option_strings:
        return words, ""
    is_value = found[2] not in ("planned", "on", "off")
    return found[1], f"`{found[2].strip(chr(39))}`" if is_value else found[2]


def _prose(words: str) -> str:
    """A line of help in Markdown: what is typed becomes code."""
    return TYPED.sub(r"`\g<0>`", words).replace("|", r"\|")


def _table(titles: tuple[str, ...], rows: Iterable[str]) -> str:
    lines = [" | ".join(titles), "|".join("---" for _ in titles), *rows]
    return "".join(f"| {line} |\n" if "---" not in line else f"|{line}|\n" for line in lines)


def _anchor(name: str) -> str:
    return f"chargen-{name}"


def _guide(name: str) -> str:
    page = GUIDES.get(name)
    return f"[{page}](../guides/{page}.md)" if page else ""


def main() -> int:
    """Write the page, or say whether it is up to date."""
    page = commands_page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == page:
            return 0
        print(f"{PAGE} is stale; write it with: python docs/reference.py", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
