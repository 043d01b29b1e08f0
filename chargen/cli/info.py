"""`chargen info`: what a checkpoint is."""

from __future__ import annotations

from chargen.cli.flags import Arguments, Parser, add_checkpoint, add_json
from chargen.cli.inputs import checkpoint_or_default


def add_flags(command: Parser) -> None:
    add_checkpoint(command, optional=True)
    add_json(command)


def run(arguments: Arguments) -> int:
    """Show what a checkpoint is."""
    from chargen.checkpoint.folder import load_checkpoint
    from chargen.display.checkpoints import show_info
    from chargen.display.console import print_json

    checkpoint = load_checkpoint(checkpoint_or_default(arguments.checkpoint))
    if arguments.json:
        print_json(checkpoint.metadata.facts() | {"parameters": checkpoint.weights.num_parameters})
    else:
        show_info(checkpoint)
    return 0
