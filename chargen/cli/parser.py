"""The command line as flags: which commands there are, and what each takes. The only door to
argparse.

Options are built from the fields of the configs, so there is no second list of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from collections.abc import Callable
from typing import Any, NoReturn

from chargen import __version__
from chargen.config import (
    DEVICES,
    PRESETS,
    PROCESSOR_ORDER,
    TEMPLATE,
    CorpusConfig,
    InspectConfig,
    LookBackConfig,
    ModelConfig,
    SampleConfig,
    TrainConfig,
)
from chargen.errors import ConfigError, flag
from chargen.options import Config, field_names, field_types, parse, unescape
from chargen.runtime.torchrun import is_first_of_its_machine

Arguments = argparse.Namespace


def options_given(arguments: Arguments, *config_types: type[Config]) -> dict[str, Any]:
    """The options that stand on the command line, by name."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for config_type in config_types
        for name, value in vars(arguments).items()
        if name in field_names(config_type)
    }


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line: what is wrong, and where help is."""

    def error(self, message: str) -> NoReturn:
        told = f"{self.prog}: {message}; see {self.prog} --help\n"
        self.exit(2, told if is_first_of_its_machine() else None)


def make_parser() -> argparse.ArgumentParser:
    """What it parses has the name of its `command`; none is the REPL."""
    parser = _Parser(
        prog="chargen",
        description="Train recurrent language models on any text, and talk to them.",
        epilog="Without a command, talk to the newest checkpoint below ./checkpoints; where there "
        "is none, to the small model that comes with chargen.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"chargen {__version__}")
    parser.set_defaults(command="repl", checkpoint=None, device="cpu", json=False, keys="emacs")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    for name, (help, add_flags) in COMMANDS.items():
        command = commands.add_parser(
            name, help=help, description=help.capitalize() + ".", allow_abbrev=False
        )
        command.set_defaults(command=name)
        add_flags(command)
    return parser


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "corpus", nargs="*", metavar="CORPUS",
        help="text files, folders, globs, .gz, or - for standard input",
    )  # fmt: skip
    group = command.add_argument_group("where it is saved")
    group.add_argument(
        "--out", metavar="FOLDER", help="a new folder (default: checkpoints/ and the text's name)"
    )
    group.add_argument(
        "--resume", action="store_true", help="go on with a run from its last saved state"
    )
    group.add_argument("--overwrite", action="store_true", help="replace the checkpoint in --out")
    group.add_argument(
        "--init-from", metavar="CHECKPOINT", help="start from its weights and tokenizer"
    )
    _add_options(command.add_argument_group("the text"), CorpusConfig)
    group = command.add_argument_group("the model")
    group.add_argument(
        "--preset", choices=PRESETS, help="its size by name (default: planned for text and time)"
    )
    _add_options(group, ModelConfig)
    _add_options(command.add_argument_group("training"), TrainConfig)
    _add_device(command, default="auto")
    command.add_argument(
        "--tensorboard", action="store_true",
        help="also write the events for TensorBoard, into tensorboard/ in the checkpoint",
    )  # fmt: skip
    _add_json(command, "print events as JSON lines")


def _sample(command: argparse.ArgumentParser) -> None:
    flags = ", ".join(map(flag, PROCESSOR_ORDER))
    order = f"In this order, each where it is asked for: {flags}; then the token is sampled."
    command.epilog = textwrap.fill(order, 78, break_on_hyphens=False)
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_checkpoint(command, optional=True)
    prompts = command.add_mutually_exclusive_group()
    prompts.add_argument("--prompt", metavar="TEXT", help="what the text begins with")
    prompts.add_argument("--prompt-file", metavar="F", help="a file that holds it, or - for stdin")
    _add_options(command, SampleConfig)
    group = command.add_argument_group("instead of drawing")
    group.add_argument(
        "--choices", metavar="TEXT,TEXT",
        help='show how likely each of these ways to go on is, as in " red, green"; quote one that '
        "holds a comma",
    )  # fmt: skip
    group = command.add_argument_group("into a file")
    group.add_argument("--out", metavar="F", help="a new file, one JSON line a sample")
    group.add_argument("--resume", action="store_true", help="go on with the file in --out")
    group.add_argument("--overwrite", action="store_true", help="replace the file in --out")
    group = command.add_argument_group("copied or new")
    group.add_argument(
        "--check-copies", action="store_true",
        help="tell how much of it stands word for word in the training text",
    )  # fmt: skip
    group.add_argument(
        "--text", metavar="F", action="append",
        help="the training text (default: where it was read, or a file of its name here or in "
        "corpora/)",
    )  # fmt: skip
    _add_device(command)
    _add_json(command, "print one JSON line a sample")


def _repl(command: argparse.ArgumentParser) -> None:
    _add_checkpoint(command, optional=True)
    _add_device(command)
    command.add_argument("--keys", choices=("emacs", "vi"), default="emacs",
                         help="how lines are edited (default: emacs)")  # fmt: skip
    _add_json(command, "answer each line with one of JSON, as from a pipe")


def _eval(command: argparse.ArgumentParser) -> None:
    _add_checkpoint(command)
    texts = command.add_argument("text", nargs="+", metavar="TEXT", help="texts, each a document")
    texts.required = False  # with "*" no flag could stand between the checkpoint and the texts
    command.add_argument(
        "--prompts", metavar="F",
        help='instead ask for the answers in F, a {"prompt": ..., "answer": ...} a line, greedily',
    )  # fmt: skip
    _add_device(command)
    _add_json(command)


def _classify(command: argparse.ArgumentParser) -> None:
    _add_checkpoint(command)
    texts = command.add_argument(
        "text", nargs="+", metavar="TEXT", help="texts (default: standard input, a text a line)"
    )
    texts.required = False  # as for `eval`
    command.add_argument(
        "--labels", required=True, metavar="TEXT,TEXT",
        help="the labels, as in positive,negative; quote one that holds a comma",
    )  # fmt: skip
    command.add_argument(
        "--template", default=TEMPLATE, metavar="TEXT",
        help="how {text} and {label} stand in the training text, \\n at its end for the end of the "
        f"line (default: {TEMPLATE!r})",
    )  # fmt: skip
    command.add_argument(
        "--examples", metavar="F",
        help='instead tell how many are right of those in F, a {"text": ..., "label": ...} a line',
    )  # fmt: skip
    _add_device(command)
    _add_json(command, "print one JSON line a text, after --examples the totals")


def _score(command: argparse.ArgumentParser) -> None:
    _add_checkpoint(command)
    command.add_argument("text", metavar="TEXT", help="a text, or a file of one, or - for stdin")
    _add_device(command)
    _add_json(command, "print one JSON line a token, then the totals")


def _inspect(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint", nargs="+", metavar="CHECKPOINT",
        help="folder of the model; of several, with --memory",
    )  # fmt: skip
    command.add_argument(
        "--text", metavar="TEXT",
        help="a text, or a file of one, or - for stdin; with --memory a file (default: what it did "
        "not train on of its own text, if that is still here)",
    )  # fmt: skip
    command.add_argument(
        "--memory", action="store_true",
        help="instead: loss by how much was read, and gradient by how far it travels back",
    )  # fmt: skip
    _add_options(command, InspectConfig)
    _add_options(command.add_argument_group("with --memory"), LookBackConfig)
    command.add_argument(
        "--out",
        metavar="F",
        help="draw into this .html (not with --memory), .png, .svg or .pdf file",
    )
    _add_device(command)
    _add_json(command, "print one JSON line a token, then cells and gates; or a line a checkpoint")


def _lab(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "world", nargs="?", metavar="WORLD", help="one of the small worlds (default: list them)"
    )
    command.add_argument(
        "--seed", type=_reader(TrainConfig, "seed"), default=argparse.SUPPRESS, metavar="N",
        help="seed of all randomness (default: 1)",
    )  # fmt: skip
    command.add_argument("--out", metavar="F", help="draw into this .png, .svg or .pdf file, too")
    _add_json(command, "print the finding as one JSON line")


def _plot(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint", nargs="+", metavar="CHECKPOINT", help="folders of the models to compare"
    )
    command.add_argument("--out", default="curves.png", metavar="F",
                         help="the file to draw into (default: curves.png)")  # fmt: skip
    command.add_argument("--along", choices=("steps", "epochs", "minutes"), default="steps",
                         help="what the losses are drawn over (default: steps)")  # fmt: skip


def _info(command: argparse.ArgumentParser) -> None:
    _add_checkpoint(command)
    _add_json(command)


def _list(command: argparse.ArgumentParser) -> None:
    _add_json(command)


# In the order of the help.
COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "train": ("learn a text", _train),
    "sample": ("write text that goes on from a prompt", _sample),
    "repl": ("talk to a model", _repl),
    "eval": ("score texts: loss, perplexity, bits per byte", _eval),
    "classify": ("tell which label a text gets, by likelihood", _classify),
    "score": ("show how each token of a text surprises a model", _score),
    "inspect": ("show what a text does to a network, and how far back it looks", _inspect),
    "lab": ("try in two minutes what networks remember and forget", _lab),
    "plot": ("draw how runs learnt, into a PNG, SVG or PDF file", _plot),
    "info": ("show what a checkpoint is", _info),
    "list": ("list the checkpoints below ./checkpoints", _list),
}


def _add_checkpoint(command: argparse.ArgumentParser, *, optional: bool = False) -> None:
    if optional:
        command.add_argument(
            "checkpoint", nargs="?", metavar="CHECKPOINT",
            help="folder of the model (default: the newest below ./checkpoints, or the one that "
            "comes with chargen)",
        )  # fmt: skip
    else:
        command.add_argument("checkpoint", metavar="CHECKPOINT", help="folder of the model")


def _add_device(command: argparse.ArgumentParser, default: str = "cpu") -> None:
    command.add_argument(
        "--device", choices=DEVICES, default=default, help=f"where to compute (default: {default})"
    )


def _add_json(command: argparse.ArgumentParser, help: str = "print JSON") -> None:
    command.add_argument("--json", action="store_true", help=help)


def _add_options(group: Any, config_type: type[Config]) -> None:
    """One flag for each field of a config, absent from the namespace unless it is given."""
    spellings = {int: "N", float: "F", str: "TEXT"}
    known = field_types(config_type)
    for field in dataclasses.fields(config_type):
        kind, _ = known[field.name]
        name = flag(field.name)
        about = field.metadata["help"]
        if field.metadata["planned"]:
            about += " (default: planned)"
        elif field.default not in (None, ()) and kind is not bool:
            about += f" (default: {field.default:g})" if kind in (int, float) else (
                f" (default: {field.default})"
            )  # fmt: skip
        common: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        common["help"] = about.replace("%", "%%")
        if kind is bool:
            group.add_argument(name, action=argparse.BooleanOptionalAction, **common)
        elif kind is tuple:
            group.add_argument(name, action="append", type=unescape, metavar="TEXT", **common)
        elif field.metadata["choices"]:
            group.add_argument(name, choices=field.metadata["choices"], **common)
        else:
            reader = _reader(config_type, field.name)
            group.add_argument(name, type=reader, metavar=spellings[kind], **common)


def _reader(config_type: type[Config], name: str) -> Any:
    def read(text: str) -> Any:
        try:
            return parse(config_type, name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(error.message) from None

    return read
