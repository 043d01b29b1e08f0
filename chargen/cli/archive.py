"""`chargen pack` and `unpack`: a checkpoint as one file, to send to someone."""

from __future__ import annotations

from pathlib import Path

from chargen.cli.flags import Arguments, Parser, add_checkpoint, flags_of


def add_pack_flags(command: Parser) -> None:
    add_checkpoint(command)
    command.add_argument(
        *flags_of("out"),
        metavar="FILE",
        help="the file to write (default: the name of the checkpoint and .zip)",
    )
    command.add_argument(
        "--training",
        action="store_true",
        help="include the training state, so that training can be resumed elsewhere; it is several "
        "times as large as the model, and holds the paths of the training texts",
    )


def pack(arguments: Arguments) -> int:
    """Write a checkpoint into one .zip file."""
    from chargen.checkpoint import archive
    from chargen.checkpoint.locate import require_checkpoint
    from chargen.display.console import show_note

    name = require_checkpoint(arguments.checkpoint).resolve().name
    target = Path(arguments.out or f"{name}.zip")
    folder = archive.pack(arguments.checkpoint, target, training=arguments.training)
    show_note(f"packed {folder} into {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


def add_unpack_flags(command: Parser) -> None:
    command.add_argument("file", metavar="FILE", help="a .zip file that `chargen pack` wrote")
    command.add_argument(
        *flags_of("out"),
        metavar="FOLDER",
        help="a new name in ./checkpoints, or a new folder if it contains a / (default: the name "
        "of the file without .zip)",
    )


def unpack(arguments: Arguments) -> int:
    """Make a checkpoint folder of a .zip file."""
    from chargen.checkpoint import archive
    from chargen.checkpoint.filing import new_folder
    from chargen.display.console import show_note

    target = new_folder(arguments.out or Path(arguments.file).stem)
    archive.unpack(arguments.file, target)
    show_note(f"unpacked {arguments.file} into {target}")
    return 0
