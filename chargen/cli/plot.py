"""`chargen plot`: how runs learned, as a picture."""

from __future__ import annotations

from pathlib import Path

from chargen.cli.flags import CHECKPOINT_HELP, Arguments, Parser, flags_of


def add_flags(command: Parser) -> None:
    command.add_argument(
        "checkpoint",
        nargs="+",
        metavar="CHECKPOINT",
        help=CHECKPOINT_HELP,
    )
    command.add_argument(
        *flags_of("out"),
        default="curves.png",
        metavar="FILE",
        help="file to draw into (default: curves.png)",
    )
    command.add_argument(
        "--along",
        type=str.lower,
        choices=("steps", "epochs", "minutes"),
        default="steps",
        help="x axis of the curves (default: steps)",
    )


def run(arguments: Arguments) -> int:
    """Draw how runs learned."""
    from chargen.checkpoint.metrics import load_metrics
    from chargen.display.console import show_note
    from chargen.display.plots import Curve
    from chargen.display.plots import plot as draw

    curves = []
    for folder in arguments.checkpoint:
        about, metrics = load_metrics(folder)
        tokenizer = f"{about.tokenizer} {about.vocab_size}"
        curves.append(Curve(about.folder.resolve().name, metrics, tokenizer))
    draw(curves, Path(arguments.out), arguments.along)
    show_note(f"written to {arguments.out}")
    return 0
