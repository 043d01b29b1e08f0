"""`chargen export`: a model for programs that know nothing of chargen, or in fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chargen.cli.flags import (
    Arguments,
    Parser,
    add_checkpoint,
    add_options,
    flags_of,
    options_given,
)
from chargen.config import ExportConfig
from chargen.errors import ConfigError, named, setting
from chargen.options import build_config

if TYPE_CHECKING:  # types alone
    from chargen.checkpoint.metadata import CheckpointMetadata
    from chargen.generation.generator import TextGenerator
    from chargen.progress import OnProgress


@dataclass(frozen=True)
class Format:
    """What can be written: in words, by which function, and whether that takes the options."""

    about: str
    write: Callable[[Arguments, dict[str, Any]], Path]
    takes_options: bool = True


def add_flags(command: Parser) -> None:
    add_checkpoint(command)
    command.add_argument(
        "--format",
        type=str.lower,
        choices=tuple(FORMATS),
        default=DEFAULT,
        help="; ".join(f"{name}: {one.about}" for name, one in FORMATS.items())
        + f" (default: {DEFAULT})",
    )
    command.add_argument(
        *flags_of("out"),
        metavar="FILE",
        help="the file to write, or for a checkpoint a new name in ./checkpoints, or a new folder "
        "if it contains a / (default: named after the checkpoint)",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace the file or the checkpoint if it exists"
    )
    add_options(command, ExportConfig)


def run(arguments: Arguments) -> int:
    """Write a model in another format."""
    options = options_given(arguments, ExportConfig)
    build_config(ExportConfig, options)
    if options and not FORMATS[arguments.format].takes_options:
        raise ConfigError(
            named(next(iter(options))) + " needs " + setting("format", DEFAULT) + " or checkpoint",
            hint="other formats hold the weights in float32",
        )
    from chargen.display.console import show_note

    written = FORMATS[arguments.format].write(arguments, options)
    files = written.iterdir() if written.is_dir() else [written]
    show_note(f"written to {written} ({sum(file.stat().st_size for file in files) / 1e6:.1f} MB)")
    return 0


def _html(arguments: Arguments, options: dict[str, Any]) -> Path:
    from chargen.display.console import Bar, show_note
    from chargen.export.html import export_html
    from chargen.export.source import loaded

    with Bar("reading", stays=False) as bar:
        generator, about = loaded(arguments.checkpoint)
        written = export_html(
            generator,
            arguments.out,
            overwrite=arguments.overwrite,
            on_progress=bar.show,
            **options,
        )
        cost = _cost(generator, about, options, bar.show)
    if cost is not None:
        show_note(cost)
    return written


def _checkpoint(arguments: Arguments, options: dict[str, Any]) -> Path:
    from chargen.checkpoint.filing import folder_named
    from chargen.display.console import Bar, show_note
    from chargen.export.checkpoint import export_checkpoint
    from chargen.export.source import loaded

    out = None if arguments.out is None else folder_named(arguments.out)
    with Bar("reading", stays=False) as bar:
        generator, about = loaded(arguments.checkpoint)
        written = export_checkpoint(generator, out, overwrite=arguments.overwrite, **options)
        cost = _cost(generator, about, options, bar.show)
    if cost is not None:
        show_note(cost)
    return written


def _cost(
    generator: TextGenerator,
    about: CheckpointMetadata,
    options: dict[str, Any],
    on_progress: OnProgress,
) -> str | None:
    """What it costs that weights are rounded, in words; None where none are."""
    from chargen.export.cost import rounding_cost
    from chargen.nn.packing import FLOAT32

    precision = build_config(ExportConfig, options).weights
    if precision in (None, FLOAT32, about.weights):
        return None
    cost = rounding_cost(generator, about, precision, on_progress)
    if cost is None:
        return f"what {precision} costs is unknown: the training text is not here"
    return (
        f"{precision} weights cost {cost.share:.2%} in bits per byte: {cost.after:.4f} "
        f"instead of {cost.before:.4f}, on {cost.characters:,} characters of {cost.split}"
    )


def _onnx(arguments: Arguments, options: dict[str, Any]) -> Path:
    from chargen.display.console import show_note
    from chargen.export.onnx import export_onnx, tokenizer_beside

    written = export_onnx(arguments.checkpoint, arguments.out, overwrite=arguments.overwrite)
    show_note(f"its tokenizer is beside it, in {tokenizer_beside(written)}")
    return written


DEFAULT = "html"
FORMATS = {
    "html": Format("one page that runs the model in any browser, without a network", _html),
    "onnx": Format(
        "a graph of one step, for onnxruntime in any language", _onnx, takes_options=False
    ),
    "checkpoint": Format(
        "a checkpoint without its training state, smaller by --weights", _checkpoint
    ),
}
