"""`chargen rm`, `mv` and `cp`: checkpoints as files, which the shell's commands know less of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chargen.cli.flags import CHECKPOINT_HELP, Arguments, Parser
from chargen.errors import CheckpointError, ConfigError, setting


def add_rm_flags(command: Parser) -> None:
    command.add_argument("checkpoint", nargs="+", metavar="CHECKPOINT", help=CHECKPOINT_HELP)
    command.add_argument("-y", "-f", "--yes", action="store_true", help="remove without asking")


def rm(arguments: Arguments) -> int:
    """Remove checkpoints, all or none, after a question."""
    from chargen.checkpoint.filing import check_removable, remove
    from chargen.display.console import show_note

    folders = list(dict.fromkeys(map(check_removable, arguments.checkpoint)))
    if not arguments.yes and not _agrees(folders):
        show_note("nothing was removed")
        return 1
    for folder in folders:
        remove(folder)
        show_note(f"removed {folder}")
    return 0


def _agrees(folders: Sequence[Path]) -> bool:
    """Whether the user, who may be asked, wants these to be removed. Raises ConfigError."""
    from chargen.checkpoint.metadata import read_metadata
    from chargen.display.checkpoints import in_a_line
    from chargen.display.console import show_note

    if not sys.stdin.isatty():
        raise ConfigError(
            "rm asks before it removes anything, and there is no terminal to ask in",
            hint="add " + setting("yes", True),
        )
    for folder in folders:
        line = f"{folder}, which cannot be read"
        with suppress(CheckpointError):
            line = in_a_line(read_metadata(folder))
        show_note(line)
    what = "it" if len(folders) == 1 else f"these {len(folders)}"
    print(f"remove {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def add_mv_flags(command: Parser) -> None:
    _add_old_and_new(command)


def mv(arguments: Arguments) -> int:
    """Give a checkpoint another name or place."""
    from chargen.checkpoint.filing import move, new_folder
    from chargen.display.console import show_note

    target = new_folder(arguments.new)
    show_note(f"moved {move(arguments.checkpoint, target)} to {target}")
    return 0


def add_cp_flags(command: Parser) -> None:
    _add_old_and_new(command)


def cp(arguments: Arguments) -> int:
    """Copy a checkpoint."""
    from chargen.checkpoint.filing import copy, new_folder
    from chargen.display.console import show_note

    target = new_folder(arguments.new)
    show_note(f"copied {copy(arguments.checkpoint, target)} to {target}")
    return 0


def _add_old_and_new(command: Parser) -> None:
    command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT_HELP)
    command.add_argument(
        "new", metavar="NEW", help="a new name in ./checkpoints, or a new folder if it contains a /"
    )
