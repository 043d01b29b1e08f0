"""`chargen repl`, or a bare `chargen`: talk to a model."""

from __future__ import annotations

from pathlib import Path

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_device, add_json
from chargen.config import MODES


def add_flags(command: Parser) -> None:
    add_checkpoint(command, optional=True)
    command.add_argument(
        "--mode",
        type=str.lower,
        choices=MODES,
        help="mode to start in: complete each prompt on its own, continue the text so far, or chat "
        "in turns (default: what chargen set says, or complete)",
    )
    add_device(command)
    command.add_argument(
        "--keys",
        type=str.lower,
        choices=("emacs", "vi"),
        default="emacs",
        help="key bindings for editing lines (default: emacs)",
    )
    add_json(command, "read lines as from a pipe; print one JSON line per answer")


def run(arguments: Arguments) -> int:
    """Talk to a model."""
    from chargen.repl.app import start

    folder = None if arguments.checkpoint is None else Path(arguments.checkpoint)
    return start(
        folder,
        arguments.device,
        prompt=getattr(arguments, "prompt", None),
        mode=arguments.mode,
        as_json=arguments.json,
        keys=arguments.keys,
    )


def add_chat_flags(command: Parser) -> None:
    add_flags(command)
    command.set_defaults(mode="chat")


def add_run_flags(command: Parser) -> None:
    add_flags(command)
    command.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help="answer only this prompt (default: talk)"
    )
