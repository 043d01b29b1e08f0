"""The command line as flags. The only door to argparse.

Options are built from the fields of the configs, so there is no second list of them. Which commands
there are stands in `commands`.
"""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

from chargen import __version__
from chargen.cli.spelling import (
    Spelled,
    explain_command,
    explain_extra,
    explain_flag,
    first_unknown_flag,
)
from chargen.config import DEVICES
from chargen.errors import ConfigError, flag, in_flags
from chargen.options import Config, field_names, field_types, help_of, parse, unescape
from chargen.runtime.torchrun import is_local_rank_0

Arguments = argparse.Namespace
CHECKPOINT_HELP = "a folder, the name of one in ./checkpoints, or a bundled one: everyday or facts"
# Options that are typed often, by name.
SHORT_FLAGS = {"prompt": "-p", "num_samples": "-n", "temperature": "-t", "out": "-o"}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line: what is wrong, and where help is."""

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith("?") else ";"
        line = f"{self.prog}: {message}{end} see {self.prog} --help\n"
        self.exit(2, line if is_local_rank_0() else None)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # argparse of Python 3.11 takes the value of --flag=-- for the end of the flags.
        if action.option_strings and action.nargs is None and arg_strings == ["--"]:
            return self._get_value(action, "--")
        return super()._get_values(action, arg_strings)

    @property
    def spelled(self) -> Spelled:
        """What a command line may hold for this command."""
        flags = self._option_string_actions
        valued = {name for name, action in flags.items() if action.nargs != 0}
        positionals = [action.dest for action in self._get_positional_actions()]
        return Spelled(set(flags), valued, positionals)

    @property
    def usage_line(self) -> str:
        """What to type: what is given without a flag, and the flags that cannot be left out. All
        others are listed below it."""
        words = [self.prog]
        for action in self._get_positional_actions():
            word = f"{action.metavar} ..." if action.nargs in ("*", "+") else f"{action.metavar}"
            optional = action.nargs in ("?", "*") or not action.required
            words.append(f"[{word}]" if optional else word)
        flags = [one for one in self._get_optional_actions() if one.dest != "help"]
        words += [f"{one.option_strings[-1]} {one.metavar}" for one in flags if one.required]
        return " ".join([*words, *(["[OPTIONS]"] if flags else [])])

    def group(self, title: str) -> argparse._ArgumentGroup:
        """The flags that help lists under this title."""
        there = [group for group in self._action_groups if group.title == title]
        return there[0] if there else self.add_argument_group(title)

    def end_help_with(self, words: str) -> None:
        """A last paragraph, whose lines end at no hyphen: it may name flags."""
        self.epilog = textwrap.fill(words, 78, break_on_hyphens=False)
        self.formatter_class = argparse.RawDescriptionHelpFormatter


@dataclasses.dataclass(frozen=True)
class Command:
    """What the command does, in a line; the flags that it takes; and its doing, which returns the
    exit code."""

    help: str
    add_flags: Callable[[Parser], None]
    run: Callable[[Arguments], int]


def parse_command_line(
    commands: Mapping[str, Command],
    argv: list[str],
    *,
    default: str,
    aliases: Mapping[str, Command] | None = None,
) -> tuple[Command, Arguments]:
    """The command to run, the `default` where none is given, and what it is given. Help names the
    `aliases` in a paragraph. Leaves with code 2 where the command line is wrong, with 0 where it
    asks for help."""
    aliases = aliases or {}
    if argv[:1] == ["help"]:
        argv = [*argv[1:2], "--help"]
    if argv[:1] == ["version"]:
        argv = ["--version"]
    name = argv[0] if argv else default
    if name.startswith("-"):
        parser = whole_parser(commands, aliases)
        parser.parse_known_args(argv[:1])  # leaves, for help or the version
        spelled = {one: parser_of(one, commands[one]).spelled for one in (default, *commands)}
        owners = [one for one in spelled if name in spelled[one].flags]
        if owners:
            parser.error(f"{name} goes after a command, as in: chargen {owners[0]} {name}")
        parser.error(explain_flag(name, parser.spelled, {}))
    if name in commands:
        command, row = commands[name], parser_of(name, commands[name])
    elif name in aliases:
        command, row = aliases[name], parser_of(name, aliases[name], is_alias=True)
    else:
        whole_parser(commands, aliases).error(explain_command(name, commands, aliases))
    unknown = first_unknown_flag(argv[1:], row.spelled)
    if unknown is not None:
        others = {other: parser_of(other, commands[other]).spelled for other in commands}
        row.error(explain_flag(unknown, row.spelled, others))
    arguments, left = row.parse_known_intermixed_args(argv[1:])
    if left:
        row.error(explain_extra(name, getattr(arguments, "checkpoint", None), left))
    return command, arguments


def parser_of(name: str, command: Command, *, is_alias: bool = False) -> Parser:
    """The parser of a command. Each is made when it is needed: all of them take a while."""
    about = f"the same as {command.help}" if is_alias else command.help
    about = about[0].upper() + about[1:]  # capitalize() would write Png
    parser = Parser(prog=f"chargen {name}", description=f"{about}.", allow_abbrev=False)
    command.add_flags(parser)
    parser.usage = parser.usage_line
    return parser


def whole_parser(
    commands: Mapping[str, Command], aliases: Mapping[str, Command], *, with_flags: bool = False
) -> Parser:
    """The parser of the whole, which lists the commands; those have their flags only if
    `with_flags`, and then the aliases are there, too."""
    parser = Parser(prog="chargen", allow_abbrev=False)
    parser.description = "Train recurrent language models on any text, and talk to them."
    also = ", ".join(f"{name} ({alias.help})" for name, alias in aliases.items())
    parser.end_help_with(
        "Without a command, chargen talks to the model that was last trained or talked to, or to "
        f"the bundled one if there is none. Aliases: {also}."
    )
    parser.add_argument("--version", action="version", version=f"chargen {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, command in {**commands, **(aliases if with_flags else {})}.items():
        row = group.add_parser(name, help=command.help)
        if with_flags:
            command.add_flags(row)
    return parser


def options_given(arguments: Arguments, *config_types: type[Config]) -> dict[str, Any]:
    """The options that stand on the command line, by name. Of several texts, an empty one alone is
    none at all."""
    return {
        name: tuple(value if value != [""] else ()) if isinstance(value, list) else value
        for config_type in config_types
        for name, value in vars(arguments).items()
        if name in field_names(config_type)
    }


def flags_of(option: str) -> list[str]:
    """The flags of an option: the short one, where there is one, and the long one."""
    short = [SHORT_FLAGS[option]] if option in SHORT_FLAGS else []
    return [*short, flag(option)]


def add_checkpoint(command: Parser, *, optional: bool = False) -> None:
    if optional:
        command.add_argument(
            "checkpoint",
            nargs="?",
            metavar="CHECKPOINT",
            help=f"{CHECKPOINT_HELP} (default: the one last trained or talked to)",
        )
    else:
        command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT_HELP)


def add_device(command: Parser, default: str = "cpu") -> None:
    command.add_argument(
        "--device",
        type=str.lower,
        choices=(*DEVICES, "gpu"),
        metavar="{" + ",".join(DEVICES) + "}",
        default=default,
        help=f"device to compute on (default: {default})",
    )


def add_json(command: Parser, help: str = "print JSON") -> None:
    command.add_argument("--json", action="store_true", help=help)


def add_options(
    group: Parser | argparse._ArgumentGroup,
    config_type: type[Config],
    *,
    only: Collection[str] | None = None,
) -> None:
    """One flag for each field of a config, or for the fields of some names, absent from the
    arguments unless it is given."""
    known = field_types(config_type)
    for field in dataclasses.fields(config_type):
        if only is None or field.name in only:
            _add_option(group, config_type, field, known[field.name][0])


def add_option_groups(
    command: Parser, groups: Mapping[str, Sequence[str]], *config_types: type[Config]
) -> None:
    """One flag for each field of the configs, in groups: their titles, and the names of the
    options in each. An option that is in no group joins the flags of the command itself."""
    owners = {name: config for config in config_types for name in field_names(config)}
    for title, names in groups.items():
        for name in names:
            add_options(command.group(title), owners.pop(name), only=[name])
    for name, config_type in owners.items():
        add_options(command, config_type, only=[name])


def _add_option(
    group: Parser | argparse._ArgumentGroup,
    config_type: type[Config],
    field: dataclasses.Field[Any],
    kind: Any,
) -> None:
    given: dict[str, Any] = {
        "dest": field.name,
        "default": argparse.SUPPRESS,
        "help": (help_of(config_type, field.name, in_flags) + _default_of(field, kind)).replace(
            "%", "%%"
        ),
    }
    if kind is bool:
        given["action"] = argparse.BooleanOptionalAction
    elif kind is tuple:
        given |= {"action": "append", "type": unescape, "metavar": "TEXT"}
    elif field.metadata["choices"]:
        given |= {"type": str.lower, "choices": field.metadata["choices"]}
    elif field.metadata["escapes"]:
        given |= {"type": unescape, "metavar": "TEXT"}
    else:
        metavar = {int: "N", float: "F", str: "TEXT"}[kind]
        given |= {"type": _reader(config_type, field.name), "metavar": metavar}
    group.add_argument(*flags_of(field.name), **given)


def _default_of(field: dataclasses.Field[Any], kind: Any) -> str:
    """What help says of an option's default."""
    if field.metadata["planned"]:
        return " (default: planned)"
    if kind is tuple:
        return " (repeatable)"
    if field.default is None:
        return ""
    if kind is bool:
        return f" (default: {'on' if field.default else 'off'})"
    return (
        f" (default: {field.default:g})" if kind in (int, float) else f" (default: {field.default})"
    )


def _reader(config_type: type[Config], name: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(config_type, name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(error.message) from None

    return read
