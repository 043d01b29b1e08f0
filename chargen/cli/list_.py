"""`chargen list`: the checkpoints below ./checkpoints."""

from __future__ import annotations

from chargen.cli.flags import Arguments, Parser, add_json


def add_flags(command: Parser) -> None:
    add_json(command)


def run(arguments: Arguments) -> int:
    """List the checkpoints below ./checkpoints."""
    from chargen.checkpoint.locate import list_checkpoints
    from chargen.display.checkpoints import show_list
    from chargen.display.console import print_json, show_note

    listed = list_checkpoints(on_rejected=lambda error: show_note(str(error)))
    if arguments.json:
        for entry in listed:
            print_json(entry.facts())
    else:
        show_list(listed)
    return 0
