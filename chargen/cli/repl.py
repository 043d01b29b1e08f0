"""`chargen repl`, or a bare `chargen`: talk to a model."""

from __future__ import annotations

from pathlib import Path

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json


def add_flags(command: Parser) -> None:
    add_checkpoint(command, optional=True)
    add_device(command)
    command.add_argument(
        "--keys",
        choices=("emacs", "vi"),
        default="emacs",
        help="how lines are edited (default: emacs)",
    )
    add_json(command, "read lines as from a pipe; answer each with a JSON line")


def run(arguments: Arguments) -> int:
    """Talk to a model."""
    from chargen.repl.app import start

    folder = None if arguments.checkpoint is None else Path(arguments.checkpoint)
    return start(folder, arguments.device, as_json=arguments.json, keys=arguments.keys)
